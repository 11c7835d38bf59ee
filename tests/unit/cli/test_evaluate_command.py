"""`ste evaluate` from the command line: each of its ways, what it writes, prints and refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.cli.main import dispatch
from ste_fairseq2.engines.protocol import GenerationRequest

FAST = ["--resamples", "50"]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    return path


def sample(pair_id: str, order: str, output: str, number: int = 0) -> dict[str, Any]:
    return {
        "id": f"{pair_id}/{order}/{number}",
        "text": f"{pair_id} in {order}",
        "vllm_output": {"output": output, "finish_reason": "stop"},
        "metadata": {
            "ranks": [1, 2] if order == "0_1" else [2, 1],
            "pair_id": pair_id,
            "order": order,
            "subset": "s",
            "judge": "j",
        },
    }


@pytest.fixture
def judgements(tmp_path: Path) -> Path:
    return write(
        tmp_path / "judgements.jsonl",
        [
            sample("p", "0_1", "[[A]]"),
            sample("p", "1_0", "[[B]]"),
            sample("q", "0_1", "[[A]]"),
            sample("q", "1_0", "neither"),
        ],
    )


def test_judgements_on_disk(
    judgements: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"

    assert dispatch(["evaluate", "--judgements", str(judgements), "--output", str(output), *FAST]) == 0

    scores = json.loads((output / "scores.json").read_text())
    (group,) = scores["groups"]
    assert (group["subset"], group["judge"]) == ("s", "j")
    assert group["counts"]["pairs"] == 2
    assert {name: group[name] for name in ("order_0_1", "order_1_0", "mean", "both_right")} == {
        "order_0_1": 1.0,
        "order_1_0": 0.5,
        "mean": 0.75,
        "both_right": 0.5,
    }
    assert (group["agreement"], group["unparseable"], group["truncated"]) == (0.5, 0.25, 0.0)
    low, high = group["intervals"]["mean"]
    assert 0.5 <= low <= 0.75 <= high <= 1.0
    assert "vote" not in group
    assert len(scores["digests"]["judgements"]) == 64
    assert scores["rows"] == {"kept": 4, "malformed": 0}
    assert "| s | j | 2 | 100.0 | 50.0 | 75.0 (" in (output / "card.md").read_text()
    assert "rows: kept: 4" in capsys.readouterr().out


def test_scores_do_not_depend_on_the_order_of_rows(judgements: Path, tmp_path: Path) -> None:
    lines = judgements.read_text().splitlines(keepends=True)
    turned = tmp_path / "turned.jsonl"
    turned.write_text("".join(reversed(lines)))
    reports = []
    for number, path in enumerate((judgements, turned)):
        output = tmp_path / f"out{number}"
        dispatch(["evaluate", "--judgements", str(path), "--output", str(output), *FAST])
        reports.append(json.loads((output / "scores.json").read_text())["groups"])

    assert reports[0] == reports[1]


def test_several_samples_are_voted_on(tmp_path: Path) -> None:
    outputs = ["[[A]]", "[[A]]", "[[B]]"]
    rows = [sample("p", "0_1", output, number) for number, output in enumerate(outputs)]
    path, output = write(tmp_path / "in.jsonl", rows), tmp_path / "out"

    assert dispatch(["evaluate", "--judgements", str(path), "--output", str(output), *FAST]) == 0

    (group,) = json.loads((output / "scores.json").read_text())["groups"]
    assert group["order_0_1"] == pytest.approx(2 / 3)
    assert group["vote"]["order_0_1"] == 1.0
    assert group["vote"]["calibration"]["error"] == pytest.approx(1 / 3)
    assert "## Votes: j" in (output / "card.md").read_text()


def test_comparison(judgements: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores, output = tmp_path / "scores", tmp_path / "comparison"
    dispatch(["evaluate", "--judgements", str(judgements), "--output", str(scores), *FAST])
    compared = ["--compare", str(scores), str(scores), "--output", str(output)]

    assert dispatch(["evaluate", *compared, *FAST]) == 0

    (comparison,) = json.loads((output / "comparison.json").read_text())["comparisons"]
    assert comparison["figures"]["mean"] == {
        "first": 0.75,
        "value": 0.75,
        "difference": 0.0,
        "interval": [0.0, 0.0],
    }
    assert "| mean | 75.0 | 75.0 | +0.0 (+0.0 to +0.0) |" in capsys.readouterr().out


def test_upstreams_outputs_on_the_frozen_prompts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [("good", "bad"), ("fine", "poor"), ("right", "wrong"), ("yes", "no")]
    subsets = ["hep-go", "hep-go", "math-prm", "donotanswer"]
    shuffled = [False, True, False, True]
    data = write(
        tmp_path / "filtered.jsonl",
        [
            {"prompt": "q", "chosen": good, "rejected": bad, "subset": subset, "id": n}
            for n, ((good, bad), subset) in enumerate(zip(answers, subsets, strict=True))
        ],
    )
    prompts = [
        f"q {bad} {good}" if s else f"q {good} {bad}"
        for (good, bad), s in zip(answers, shuffled, strict=True)
    ]
    frozen = write(
        tmp_path / "frozen.jsonl",
        [{"text": t, "is_shuffled": s} for t, s in zip(prompts, shuffled, strict=True)],
    )
    # Right, wrong, both marks (upstream takes A, which is right; the last mark is not) and a failure.
    outputs = ["[[A]]", "[[A]]", "[[A]] or rather [[B]]", "neither"]
    results = write(
        tmp_path / "results.jsonl",
        [
            {"prompt": t, "generated_output": o, "judgment": None}
            for t, o in zip(prompts, outputs, strict=True)
        ],
    )
    argv = ["--benchmark", "rewardbench", "--data", str(data), "--judgements", str(results)]
    argv += ["--frozen-inputs", str(frozen), "--output", str(tmp_path / "out")]

    assert dispatch(["evaluate", *argv, *FAST]) == 0

    printed = capsys.readouterr().out
    # Reasoning: (164 * 0.5 + 984 * 1) / 1148; Safety: the failure counts half.
    assert (
        "Chat           \tChat Hard      \tSafety         \tReasoning      \n"
        "0.000          \t0.000          \t0.500          \t0.929          \n"
        "Final score: 35.714\n"
    ) in printed
    assert "without any subset, and so scored 0: Chat, Chat Hard" in printed
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    accuracy = scores["benchmark"]["sections"][0]["accuracy"]
    assert accuracy["Safety"] == 0.0
    assert accuracy["Reasoning"] == pytest.approx(164 * 0.5 / 1148)


def test_prior_sets_join_the_leaderboard_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def evaluate(name: str, subset: str, output: str, *more: str) -> Path:
        row = {"prompt": "q", "chosen": "a", "rejected": "b", "subset": subset, "id": 0}
        data = write(tmp_path / f"{name}-data.jsonl", [row])
        judged = {"prompt": "q a b", "generated_output": output, "label": "A", "subset": subset}
        results = write(tmp_path / f"{name}.jsonl", [judged])
        argv = ["--benchmark", name, "--data", str(data), "--judgements", str(results)]
        assert dispatch(["evaluate", *argv, "--output", str(tmp_path / name), *FAST, *more]) == 0

        return tmp_path / name

    prior = evaluate("prior-sets", "shp", "neither")
    evaluate("rewardbench", "math-prm", "[[A]]", "--prior", str(prior))

    # (2 * (0 + 0 + 0 + 1) + 0.5) / 9
    assert "With the prior sets at half weight: 27.778" in capsys.readouterr().out


def test_a_model_judges_a_benchmark(
    tiny_model: Path,
    renderer: ChatRenderer,
    script_engine: Callable[..., list[Any]],
    tmp_path: Path,
) -> None:
    def answer(request: GenerationRequest) -> tuple[str, str]:
        """Prefer the answer that says so, except where it is the second of the hard pair."""
        prompt = renderer.decode(request.prompt_ids)
        is_first = prompt.index("the better") < prompt.index("the worse")

        return ("[[A]]" if is_first or "hard" in prompt else "[[B]]"), "stop"

    engines = script_engine(answer)
    data = write(
        tmp_path / "pairs.jsonl",
        [
            {"prompt": p, "chosen": "the better", "rejected": "the worse", "subset": p}
            for p in ("easy", "hard")
        ],
    )
    argv = ["--benchmark", "pairs", "--data", str(data), "--model", str(tiny_model)]
    argv += ["--output", str(tmp_path / "out"), "--judge-options", "max_tokens=8"]

    assert dispatch(["evaluate", *argv, *FAST]) == 0

    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    figures = {group["subset"]: (group["mean"], group["both_right"]) for group in scores["groups"]}
    assert figures == {"easy": (1.0, 1.0), "hard": (0.5, 0.0)}
    assert scores["judge"] == tiny_model.name
    assert set(scores["digests"]) == {"data", "judgements", "model", "prompt"}
    assert scores["judges"][0]["counts"]["completion_tokens"] == 4
    assert scores["benchmark"]["pairs_missing"] == 0
    assert {request.sampling.max_tokens for request in engines[0].requests} == {8}

    # Run again, nothing is judged twice.
    assert dispatch(["evaluate", *argv, *FAST]) == 0
    assert len(engines) == 1


@pytest.mark.slow
def test_a_real_judge_on_real_pairs(tiny_model: Path, shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("vllm")
    argv = ["--benchmark", "pairs", "--data", str(shared_data / "llmbar" / "pairs.jsonl")]
    argv += ["--model", str(tiny_model), "--output", str(tmp_path), "--judge-options", "max_tokens=16"]

    assert dispatch(["evaluate", *argv, *FAST]) == 0

    scores = json.loads((tmp_path / "scores.json").read_text())
    counts = [group["counts"] for group in scores["groups"]]
    assert [count["pairs_both_orders"] for count in counts] == [47, 46, 100]
    # An untrained model says nothing that is a verdict.
    assert scores["judges"][0]["accuracy"] == 0.0
    assert scores["judges"][0]["counts"]["completion_tokens"] > 0


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "`judgements` must be given, or else one of `model`"),
        (["--model", "m"], "`benchmark` must be given, for the model to judge"),
        (["--checkpoints", "run"], "`benchmark` must be given, for the model to judge"),
        (["--checkpoints", "run", "--model", "m"], "`judgements` must be given, or else one of"),
        (["--judgements", "x", "--compare", "y"], "`judgements` must be given, or else"),
        (["--judgements", "nowhere"], "`nowhere` does not exist"),
        (["--judgements", "x", "--benchmark", "x"], "`benchmark` must be one of rewardbench"),
        (["--judgements", "x", "--level", "95"], "`level` must be between 0 and 1, but is 95.0"),
        (["--judgements", "x", "--frozen-inputs", "y"], "`frozen_inputs` needs `judgements`"),
        (["--judgements", "x", "--prior", "y"], "`prior` belongs to the `benchmark` rewardbench"),
    ],
)
def test_wrong_input_is_one_sentence_and_status_2(
    argv: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dispatch(["evaluate", *argv, "--output", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err


def test_scores_do_not_go_among_the_judgements(
    judgements: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(judgements.parent)

    assert dispatch(["evaluate", "--judgements", folder, "--output", folder]) == 2
    assert "another folder" in capsys.readouterr().err


def test_fixed_options_are_not_for_the_user(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"prompt": "q", "chosen": "a", "rejected": "b"}
    data = write(tmp_path / "pairs.jsonl", [row])
    argv = ["--benchmark", "pairs", "--data", str(data), "--model", "m", "--output", str(tmp_path / "o")]

    assert dispatch(["evaluate", *argv, "--judge-options", "both_orders=false"]) == 2
    assert "cannot set `both_orders`" in capsys.readouterr().err


def test_help_imports_nothing_heavy(repository: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from ste_fairseq2.cli.main import dispatch\n"
        "try: dispatch(['evaluate', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'tokenizers', 'vllm', 'datasets', 'numpy'}\n"
        "assert not heavy & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=repository)
