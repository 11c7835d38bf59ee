"""The choice of a checkpoint by its verdicts: while it trains, and then by judging with each."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from ste_fairseq2.jsonl import read_rows, write_rows
from tests.recipes.conftest import RunJobs, job_environment, read_metrics

PATIENCE = 3
EVERY = 8
KEPT_BEST = 2
KEPT_EVERY = 24

Choice = tuple[Path, Path]
"""The run, and its validation rows."""


def short_rows(sample: Path) -> list[dict[str, Any]]:
    """The ends of the sample's held-out judgements, behind prompts that a tiny model soon knows."""
    return [
        {
            "id": row.text("id"),
            "messages": [{"role": "user", "content": f"{row.text('pair_id')} {row.text('order')}"}],
            "tgt": row.text("tgt")[-30:],
            "pair_id": row.text("pair_id"),
            "order": row.text("order"),
        }
        for row in read_rows(sample / "sft_valid.jsonl")
    ]


def validation_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Fifteen rows to be asked about: six pairs, of them one with two judgements in an order and one
    with one order alone, and two rows that are in no pair; and two that say neither."""
    first, last = rows[0], rows[-1]
    tgt = first["tgt"] + "\n\nThat is my verdict."

    return [
        *rows,
        first | {"id": "again", "tgt": tgt},
        last | {"id": "alone", "pair_id": "alone"},
        {k: v for k, v in last.items() if k not in ("pair_id", "order")} | {"id": "x", "gold": "B"},
        first | {"id": "tie", "tgt": "Both will do.\n\n[[C]]"},
        first | {"id": "none", "tgt": "Neither will do."},
    ]


@pytest.fixture(scope="module")
def choice(
    run_jobs: RunJobs,
    write_config: Callable[..., Path],
    tiny_model: Path,
    sample: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Choice:
    """An SFT run that learns the judgements by heart, until its verdicts no longer get better."""
    folder = tmp_path_factory.mktemp("choice")
    rows = short_rows(sample)
    write_rows(folder / "train.jsonl", rows)
    write_rows(folder / "valid.jsonl", validation_rows(rows))
    config = write_config(
        {
            "model": {"name": str(tiny_model)},
            "dataset": {
                "config_overrides": {
                    "sources": [{"path": str(folder / "train.jsonl")}],
                    "valid_sources": [{"path": str(folder / "valid.jsonl")}],
                },
                "batch_size": len(rows),
                "valid_batch_size": 4,
            },
            "optimizer": {"config": {"lr": 3e-3}},
            "regime": {
                "num_steps": 400,
                "validate_every_n_steps": EVERY,
                "checkpoint_every_n_steps": EVERY,
                "score_metric": "verdict_accuracy",
                "keep_best_n_checkpoints": KEPT_BEST,
                "keep_checkpoint_every_n_steps": KEPT_EVERY,
            },
            "early_stopping": {"patience": PATIENCE},
            "export": {"every_checkpoint": True, "dtype": "float32"},
        }
    )
    run_jobs([("instruction_finetune", folder / "run", config, [])])

    return folder / "run", folder / "valid.jsonl"


def verdict_metrics(run: Path) -> dict[int, dict[str, float]]:
    """Return the metrics of each validation by its step."""
    return {int(row["Step"]): row for row in read_metrics(run, "valid/verdict")}


def kept_steps(run: Path) -> list[int]:
    return sorted(int(p.name.removeprefix("step_")) for p in (run / "checkpoints").glob("step_*"))


def plain_figures(folder: Path, rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Return verdict accuracy and both-orders-right: whole answers, one at a time, with transformers."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )

    def logp(row: Mapping[str, Any], answer: str) -> float:
        prompt = tokenizer.apply_chat_template(row["messages"], add_generation_prompt=True)
        target = tokenizer(answer, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logits = model(torch.tensor([prompt + target])).logits[0, len(prompt) - 1 : -1]

        return float(logits.log_softmax(-1).gather(-1, torch.tensor(target).unsqueeze(-1)).sum())

    found: dict[str, dict[str, list[bool]]] = {}
    everything = []
    for row in rows:
        place = max(row["tgt"].rfind("[[A]]"), row["tgt"].rfind("[[B]]"))
        if place < 0:
            continue
        right = row.get("gold", row["tgt"][place + 2])
        before, other = row["tgt"][:place], {"A": "B", "B": "A"}[right]
        is_right = logp(row, f"{before}[[{right}]]") > logp(row, f"{before}[[{other}]]")
        everything.append(is_right)
        if "pair_id" in row:
            found.setdefault(row["pair_id"], {}).setdefault(row["order"], []).append(is_right)
    pairs = [
        sum(one and other for one, other in itertools.product(*orders.values()))
        / (len(orders["0_1"]) * len(orders["1_0"]))
        for orders in found.values()
        if len(orders) == 2
    ]

    return sum(everything) / len(everything), sum(pairs) / len(pairs)


def test_the_figures_are_those_of_the_exported_checkpoint(choice: Choice) -> None:
    run, valid = choice
    rows = [dict(row.data) for row in read_rows(valid)]
    metrics = verdict_metrics(run)

    accuracies = set()
    for step in kept_steps(run):
        found = metrics[step]
        accuracy, both = plain_figures(run / "checkpoints" / f"step_{step}" / "hg", rows)
        assert found["Number of Examples"] == 15
        assert found["Verdict Accuracy"] == pytest.approx(accuracy)
        assert found["Both Orders Right"] == pytest.approx(both)
        accuracies.add(accuracy)
    assert len(accuracies) > 1


def test_the_best_checkpoints_are_kept(choice: Choice) -> None:
    """Of equal ones fairseq2 keeps the later."""
    run, _ = choice
    ranked = sorted((m["Verdict Accuracy"], step) for step, m in verdict_metrics(run).items())
    best = {step for _, step in ranked[-KEPT_BEST:]}

    assert {step for step in kept_steps(run) if step % KEPT_EVERY or step in best} == best


def test_the_run_stops_when_its_verdicts_no_longer_get_better(choice: Choice) -> None:
    run, _ = choice
    scores = [m["Verdict Accuracy"] for m in verdict_metrics(run).values()]
    first_best = scores.index(max(scores))

    assert len(scores) == first_best + 1 + PATIENCE
    assert len(read_metrics(run)) == EVERY * len(scores)


def test_rows_that_are_left_out_are_counted_in_the_log(choice: Choice) -> None:
    run, _ = choice

    assert (
        "15 validation rows have a verdict, 6 pairs of them in both orders; 2 are left out, 1 tie, "
        "1 unparseable." in (run / "logs" / "rank_0.log").read_text()
    )


def test_two_processes_and_both_recipes_measure_the_same(
    choice: Choice, run_jobs: RunJobs, write_config: Callable[..., Path], tmp_path: Path
) -> None:
    """One step that moves nothing: five batches, so that the second rank runs out of them first."""
    run, valid = choice
    step = kept_steps(run)[0]
    checkpoint = run / "checkpoints" / f"step_{step}" / "hg"
    scores = {"reference_score_chosen": 0.0, "reference_score_rejected": 0.0}
    pairs = [
        {k: v for k, v in row.data.items() if k != "tgt"}
        | {"tgt_chosen": row.data["tgt"], "tgt_rejected": "[[C]]", **scores}
        for row in read_rows(valid)
        if row.data["id"] != "tie"
    ]
    write_rows(tmp_path / "pairs.jsonl", pairs)
    configs = {
        name: write_config(
            {
                "model": {"name": str(checkpoint)},
                "dataset": {
                    "config_overrides": {
                        "sources": [{"path": str(path)}],
                        "valid_sources": [{"path": str(path)}],
                    },
                    "valid_batch_size": 3,
                },
                "optimizer": {"config": {"lr": 0.0, "weight_decay": 0.0}},
                "regime": {
                    "num_steps": 1,
                    "validate_every_n_steps": 1,
                    "score_metric": "both_orders_right",
                },
            }
        )
        for name, path in (("sft", valid), ("dpo", tmp_path / "pairs.jsonl"))
    }
    jobs = {
        "ddp": ("instruction_finetune", "sft", []),
        "fsdp": ("instruction_finetune", "sft", ["trainer.data_parallelism=fsdp"]),
        "tp": ("instruction_finetune", "sft", ["gang.tensor_parallel_size=2", "forward=padded"]),
        "dpo": ("preference_finetune", "dpo", []),
    }
    run_jobs(
        [(recipe, tmp_path / n, configs[c], overrides) for n, (recipe, c, overrides) in jobs.items()],
        num_processes=2,
    )

    expected = verdict_metrics(run)[step]
    for name in jobs:
        found = verdict_metrics(tmp_path / name)[1]
        for figure in ("Verdict Accuracy", "Both Orders Right", "Number of Examples"):
            assert found[figure] == pytest.approx(expected[figure]), (name, figure)


STE = "import sys; from ste_fairseq2.cli.main import dispatch; sys.exit(dispatch(sys.argv[1:]))"


@pytest.fixture(scope="module")
def short_run(choice: Choice, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run as if it had two checkpoints: the first exported, the last not."""
    run, _ = choice
    folder = tmp_path_factory.mktemp("short") / "run"
    checkpoints = folder / "checkpoints"
    steps = kept_steps(run)
    first, last = f"step_{steps[0]}", f"step_{steps[-1]}"
    (checkpoints / last).mkdir(parents=True)
    for name in ("model.yaml", "hugging_face", first, f"{last}/model"):
        (checkpoints / name).symlink_to(run / "checkpoints" / name)

    return folder


@pytest.fixture(scope="module")
def pairs(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    write_rows(
        path,
        (
            {"id": row.text("id"), "prompt": row.text("input")}
            | dict(zip(("chosen", "rejected"), better_first(row.data), strict=True))
            for row in read_rows(sample / "pairs.jsonl")
        ),
    )

    return path


def better_first(row: Mapping[str, Any]) -> list[str]:
    answers = [row["response_a"], row["response_b"]]

    return answers if row["label"] == "A" else answers[::-1]


def plain_scores(judgements: Path) -> dict[str, float]:
    """Count what a checkpoint judged right, pair by pair."""
    right: dict[str, dict[str, bool]] = {}
    for row in read_rows(judgements / "records-00000.jsonl"):
        data = row.data
        right.setdefault(data["pair_id"], {})[data["order"]] = data["verdict"] == data["label"]
    orders = [sum(found[order] for found in right.values()) for order in ("0_1", "1_0")]

    return {
        "pairs": len(right),
        "accuracy": sum(orders) / 2 / len(right),
        "both_right": sum(all(found.values()) for found in right.values()) / len(right),
    }


def test_every_checkpoint_judges_and_a_killed_run_goes_on(
    short_run: Path, pairs: Path, tmp_path: Path
) -> None:
    """Killed while the second judges, of whose judgements there are some then."""
    output = tmp_path / "choice"
    command = [
        *(sys.executable, "-c", STE, "evaluate", "--benchmark", "pairs", "--data", str(pairs)),
        *("--checkpoints", str(short_run), "--output", str(output), "--resamples", "200"),
        *("--judge-options", "max_tokens=16", "engine_options={max_num_seqs: 1, dtype: float32}"),
    ]
    steps = kept_steps(short_run)
    first, second = (output / f"step_{step}" / "judgements" / "records-00000.jsonl" for step in steps)
    _run_and_kill(command, second)
    done, begun = first.read_bytes(), second.read_bytes()
    begun = begun[: begun.rfind(b"\n") + 1]
    so_far = json.loads((output / "checkpoints.json").read_text())
    assert so_far["still_to_judge"] == 1
    assert [c["step"] for c in so_far["checkpoints"]] == steps[:1]

    ended = subprocess.run(command, env=job_environment(), capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr[-4000:]

    assert first.read_bytes() == done
    assert second.read_bytes().startswith(begun)
    assert 0 < begun.count(b"\n") < second.read_bytes().count(b"\n") == 2 * 24
    result = json.loads((output / "checkpoints.json").read_text())
    for path, found in zip((first, second), result["checkpoints"], strict=True):
        assert {name: found[name] for name in ("pairs", "accuracy", "both_right")} == pytest.approx(
            plain_scores(path.parent)
        )
        assert found["intervals"]["accuracy"][0] <= found["accuracy"]
        assert found["completion_tokens"] > 0
        assert found["seconds"] > 0
    best = max(result["checkpoints"], key=lambda found: (found["accuracy"], -found["step"]))
    assert result["best"]["step"] == best["step"]
    assert Path(result["best"]["model"], "config.json").is_file()
    assert result["still_to_judge"] == 0
    assert f"step_{best['step']} is the best" in ended.stdout
    assert f"| step_{best['step']} | 24 |" in (output / "checkpoints.md").read_text()
    assert (output / "checkpoints.png").read_bytes().startswith(b"\x89PNG")


def _run_and_kill(command: Sequence[str], records: Path) -> None:
    """Kill a command once it has written a record; its own processes must end with it."""
    process = subprocess.Popen(
        command, env=job_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < deadline:
        if records.is_file() and records.stat().st_size:
            break
        time.sleep(0.002)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert children
    assert not alive
