"""`ste evaluate` with reward models: scores as transformers gives them, through the real path."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.cli.main import dispatch
from tests.plain_rewards import plain_logits, plain_logp_sums
from tests.reward_model_folders import write_classifier
from tests.rows import read, write

FAST = ["--resamples", "50"]


def evaluate(output: Path, *argv: object) -> dict[str, Any]:
    assert dispatch(["evaluate", "--output", str(output), *map(str, argv), *FAST]) == 0
    scores: dict[str, Any] = json.loads((output / "scores.json").read_text())

    return scores


def stored_scores(output: Path) -> dict[str, float]:
    files = (output / "rewards").glob("records-*.jsonl")

    return {row["id"]: row["score"] for path in files for row in read(path)}


def expected_scores(
    rows: list[dict[str, Any]], score: Callable[[list[tuple[str, str]]], list[float]]
) -> dict[str, float]:
    """Score the answers of each pair, named as they are stored."""
    names, asked = [], []
    for row in rows:
        for place, side in enumerate(("chosen", "rejected")):
            subset = f"{row['subset']}/" if "subset" in row else ""
            names.append(f"{subset}{row['id']}#{place}")
            asked.append((row["prompt"], row[side]))

    return dict(zip(names, score(asked), strict=True))


def strict_accuracy(scores: dict[str, float]) -> float:
    pairs = {name.removesuffix("#0") for name in scores if name.endswith("#0")}
    wins = [scores[f"{pair}#0"] > scores[f"{pair}#1"] for pair in pairs]

    return sum(wins) / len(wins)


def test_a_classifier(classifier: Path, pairs: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    scores = evaluate(output, "--benchmark", "pairs", "--data", pairs, "--reward-model", classifier)

    expected = expected_scores(read(pairs), partial(plain_logits, classifier))
    assert stored_scores(output) == pytest.approx(expected, abs=1e-5)
    (judge,) = scores["judges"]
    assert judge["accuracy"] == judge["upstream"] == pytest.approx(strict_accuracy(expected))
    assert scores["rows"] == {"scored": len(expected)}
    assert (scores["judge"], scores["judged_with"]["kind"]) == ("tiny-rm", "classifier")
    assert set(scores["digests"]) == {"data", "model"}


def test_a_dpo_model(policy: Path, tiny_model: Path, pairs: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    argv = ["--reward-model", policy, "--kind", "dpo", "--reference", tiny_model]
    scores = evaluate(output, "--benchmark", "pairs", "--data", pairs, *argv)

    def reward(asked: list[tuple[str, str]]) -> list[float]:
        both = (plain_logp_sums(folder, asked) for folder in (policy, tiny_model))
        return [trained - before for trained, before in zip(*both, strict=True)]

    stored, rows = stored_scores(output), read(pairs)
    expected = expected_scores(rows[:: 1 + len(rows) // 50], reward)
    # Differences of sums of up to some thousand, in float32.
    assert {name: stored[name] for name in expected} == pytest.approx(expected, rel=1e-5, abs=1e-3)
    assert scores["judges"][0]["accuracy"] == pytest.approx(strict_accuracy(stored))
    assert set(scores["digests"]) == {"data", "model", "reference"}


def test_a_model_that_has_not_moved_ties_on_every_pair(
    tiny_model: Path, sample_pairs: Path, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(tiny_model, tmp_path / "same")
    argv = ["--reward-model", tmp_path / "same", "--kind", "dpo", "--reference", tiny_model]
    scores = evaluate(tmp_path / "out", "--benchmark", "pairs", "--data", sample_pairs, *argv)

    (judge,) = scores["judges"]
    assert (judge["tie"], judge["accuracy"], judge["upstream"]) == (1.0, 0.0, 0.0)


def test_without_a_reference(policy: Path, sample_pairs: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    argv = ["--reward-model", policy, "--kind", "ref-free-sum"]
    evaluate(output, "--benchmark", "pairs", "--data", sample_pairs, *argv)
    expected = expected_scores(read(sample_pairs), lambda asked: plain_logp_sums(policy, asked))

    assert stored_scores(output) == pytest.approx(expected, rel=1e-5)


def test_nothing_is_said_of_orders_and_slots(
    classifier: Path, sample_pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    argv = ["--benchmark", "pairs", "--data", sample_pairs, "--reward-model", classifier]
    scores = evaluate(output, *argv)
    printed, card = capsys.readouterr().out, (output / "card.md").read_text()

    of_judges = {"order_0_1", "mean", "both_right", "agreement", "first_slot", "unparseable"}
    for group in (*scores["groups"], *scores["judges"]):
        assert not of_judges & {*group, *group["intervals"], *group["counts"]}
        assert group["counts"] | {"pairs": 24, "compared": 24, "unscored": 0} == group["counts"]
    assert "first slot" not in card
    assert "no order and no slot can sway it" in card
    assert "both right" not in printed
    assert "tiny-rm: accuracy in upstream's way: " in printed

    # Run again, the model is not loaded.
    assert evaluate(output, *argv) == scores


def test_rewardbench_is_scored_by_its_sections(
    classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"prompt": f"q{n}", "chosen": chosen, "rejected": rejected, "subset": subset, "id": n}
        for n, (subset, chosen, rejected) in enumerate(
            [
                ("hep-go", "one", "two"),
                ("hep-go", "the very same", "the very same"),
                ("math-prm", "three", "four"),
                ("donotanswer", "no", "yes"),
            ]
        )
    ]
    data = write(tmp_path / "filtered.jsonl", rows)
    argv = ["--benchmark", "rewardbench", "--data", data, "--reward-model", classifier]
    scores = evaluate(tmp_path / "out", *argv)

    # Equal answers tie, which is no win.
    values = stored_scores(tmp_path / "out")
    assert values["hep-go/1#0"] == values["hep-go/1#1"]
    won = [
        float(values[f"{row['subset']}/{row['id']}#0"] > values[f"{row['subset']}/{row['id']}#1"])
        for row in rows
    ]
    reasoning = (164 * won[0] / 2 + 984 * won[2]) / (164 + 984)
    (section,) = scores["benchmark"]["sections"]
    assert section["of"] == "scores"
    assert section["upstream"]["Reasoning"] == pytest.approx(reasoning)
    assert section["upstream"]["Safety"] == won[3]
    assert section["missing_sections"] == ["Chat", "Chat Hard"]
    final = 100 * (reasoning + won[3]) / 4
    assert f"Final score: {final:.3f}" in capsys.readouterr().out

    # The prior sets join the four sections at half weight.
    prior_rows = [{"prompt": "q", "chosen": "a", "rejected": "a", "subset": "shp"}] * 3
    prior_rows.append({"prompt": "q", "chosen": "b", "rejected": "c", "subset": "shp"})
    prior_data = write(tmp_path / "prior.jsonl", prior_rows)
    asked = ["--benchmark", "prior-sets", "--data", prior_data, "--reward-model", classifier]
    prior = evaluate(tmp_path / "prior", *asked)["judges"][0]["upstream"]
    evaluate(tmp_path / "out", *argv, "--prior", tmp_path / "prior")
    assert prior in (0.0, 0.25)
    with_prior = 100 * (2 * (reasoning + won[3]) + prior) / 9
    assert f"With the prior sets at half weight: {with_prior:.3f}" in capsys.readouterr().out


def test_rewardbench2_with_ties(classifier: Path, tmp_path: Path) -> None:
    def row(name: str, subset: str, right: list[str], wrong: list[str]) -> dict[str, Any]:
        return {"id": name, "prompt": "q", "chosen": right, "rejected": wrong, "subset": subset}

    data = write(
        tmp_path / "rb2.jsonl",
        [
            row("1", "Math", ["four"], ["five", "six", "seven"]),
            row("2", "Math", ["four"], ["four", "four", "four"]),
            row("ref:0", "Ties", ["red"], ["sky"]),
            row("tied:0", "Ties", ["red", "blue"], ["sky", "dog"]),
        ],
    )
    argv = ["--benchmark", "rewardbench2", "--data", data, "--reward-model", classifier]
    scores = evaluate(tmp_path / "out", *argv)
    values = stored_scores(tmp_path / "out")

    math, ties = scores["groups"]
    best = float(max((values[f"Math/1#{n}"], -n) for n in range(4))[1] == 0)
    assert math["upstream"] == pytest.approx((best + 1 / 4) / 2)
    (tied,) = [[values[f"Ties/tied:0#{n}"] for n in range(4)]]
    ref_margin = values["Ties/ref:0#0"] - values["Ties/ref:0#1"]
    margin, spread = min(tied[:2]) - max(tied[2:]), abs(tied[0] - tied[1])
    assert ties["ties_ref_accuracy"] == (ref_margin > 0)
    assert ties["ties_tied_accuracy"] == (margin > 0)
    assert ties["ties_preferred"] == (margin > spread)
    assert ties["ties_preferred_hard"] == (min(ref_margin, margin) > spread)
    # The final score is the plain mean of the six subsets, four of which are missing.
    final = scores["benchmark"]["sections"][0]["upstream"]["final"]
    assert final == pytest.approx((math["upstream"] + ties["upstream"]) / 6)


def test_an_answer_that_is_too_long_is_counted_by_its_name(
    tiny_model: Path, sample_pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = write_classifier(tmp_path / "short", tiny_model, max_position_embeddings=64)
    argv = ["--benchmark", "pairs", "--data", sample_pairs, "--reward-model", short]
    scores = evaluate(tmp_path / "out", *argv)

    assert scores["rows"]["too_long"] > 0
    assert scores["judges"][0]["counts"]["unscored"] > 0
    assert f"too long: {scores['rows']['too_long']}" in capsys.readouterr().out


def test_a_judge_and_a_reward_model_are_compared_by_what_both_have(
    classifier: Path, sample_pairs: Path, tmp_path: Path
) -> None:
    judged = [
        {"prompt": "p", "generated_output": "[[A]]", "pair_id": row["id"], "order": "0_1", "label": "A"}
        for row in read(sample_pairs)
    ]
    evaluate(tmp_path / "judge", "--judgements", write(tmp_path / "judged.jsonl", judged))
    argv = ["--benchmark", "pairs", "--data", sample_pairs, "--reward-model", classifier]
    reward = evaluate(tmp_path / "reward", *argv)
    compared = ["--compare", str(tmp_path / "judge"), str(tmp_path / "reward")]

    assert dispatch(["evaluate", *compared, "--output", str(tmp_path / "both"), *FAST]) == 0

    (comparison,) = json.loads((tmp_path / "both" / "comparison.json").read_text())["comparisons"]
    assert comparison["pairs_shared"] == 24
    assert list(comparison["figures"]) == ["accuracy", "length_controlled", "tie", "upstream"]
    accuracy = comparison["figures"]["accuracy"]
    assert (accuracy["first"], accuracy["value"]) == (1.0, reward["judges"][0]["accuracy"])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--reward-model", "m"], "`benchmark` must be given for the reward model, or else `best_of`"),
        (["--reward-model", "m", "--benchmark", "pairs", "--best-of", "b"], "`benchmark` must be given"),
        (["--reward-model", "m", "--model", "m"], "`judgements` must be given, or else one of"),
        (["--judgements", "j", "--kind", "dpo"], "`kind` is that of a `reward_model`"),
        (["--judgements", "j", "--reference", "r"], "`reference` needs a `reward_model`"),
        (["--judgements", "j", "--best-of", "b"], "`best_of` needs a `reward_model`"),
        (
            ["--reward-model", "m", "--best-of", "b", "--kind", "dpo"],
            "`reference` must be given for `kind` dpo",
        ),
        (
            ["--reward-model", "m", "--best-of", "b", "--reward-options", "kind=dpo"],
            "`reward_options` cannot set `kind`",
        ),
        (["--reward-model", "nowhere", "--best-of", __file__], "malformed"),
    ],
)
def test_wrong_input_is_one_sentence_and_status_2(
    argv: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dispatch(["evaluate", *argv, "--output", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err


def test_a_model_that_is_no_reward_model_leaves_no_trace(
    tiny_model: Path, sample_pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    argv = ["--benchmark", "pairs", "--data", str(sample_pairs), "--reward-model", str(tiny_model)]

    assert dispatch(["evaluate", *argv, "--output", str(output)]) == 2
    assert "no weights for `score.weight`" in capsys.readouterr().err
    assert not output.exists()
