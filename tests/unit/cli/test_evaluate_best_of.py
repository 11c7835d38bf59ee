"""`ste evaluate --best-of`: responses ranked by a reward model, scored as transformers scores them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ste_fairseq2.cli.main import dispatch
from tests.plain_rewards import plain_logits, plain_logp_sums
from tests.reward_model_folders import write_classifier
from tests.rows import read, write


def test_best_of_n(
    classifier: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [
        {
            "id": row["id"],
            "prompt": row["prompt"],
            "responses": [row["chosen"], row["rejected"], "No."],
            "k": 1,
        }
        for row in read(pairs)[:40]
    ]
    asked[0]["responses"] = ["Same.", "Same."]
    output = tmp_path / "out"
    argv = ["--best-of", str(write(tmp_path / "asked.jsonl", asked)), "--reward-model", str(classifier)]

    assert dispatch(["evaluate", *argv, "--output", str(output)]) == 0

    ranked = read(output / "rankings.jsonl")
    for row, given in zip(ranked, asked, strict=True):
        assert given.items() <= row.items()
        texts = [(row["prompt"], response) for response in row["responses"]]
        expected = plain_logits(classifier, texts)
        assert row["scores"] == pytest.approx(expected, abs=1e-5)
        assert row["best"] == row["scores"].index(max(row["scores"]))
    assert (ranked[0]["best"], ranked[0]["num_best"]) == (0, 2)
    assert f"rows: {len(asked)}, of these with several best responses: 1" in capsys.readouterr().out


def test_best_of_n_by_the_reward_of_dpo(policy: Path, tiny_model: Path, tmp_path: Path) -> None:
    asked = [{"prompt": [{"role": "user", "content": "2 + 2?"}], "responses": ["4", "5", "It is 4."]}]
    argv = ["--best-of", str(write(tmp_path / "asked.jsonl", asked)), "--reward-model", str(policy)]
    argv += ["--kind", "dpo", "--reference", str(tiny_model), "--output", str(tmp_path / "out")]

    assert dispatch(["evaluate", *argv]) == 0

    (row,) = read(tmp_path / "out" / "rankings.jsonl")
    texts = [("2 + 2?", response) for response in asked[0]["responses"]]
    both = (plain_logp_sums(folder, texts) for folder in (policy, tiny_model))
    expected = [trained - before for trained, before in zip(*both, strict=True)]
    assert row["scores"] == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_best_of_n_without_scores_and_with_malformed_rows(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = write_classifier(tmp_path / "short", tiny_model, max_position_embeddings=40)
    long = "so long " * 40
    rows = [
        {"prompt": "q", "responses": [long, "a"]},
        {"prompt": "q", "responses": [long]},
        {"prompt": "q", "responses": []},
    ]
    argv = ["--best-of", str(write(tmp_path / "asked.jsonl", rows)), "--reward-model", str(short)]
    output = tmp_path / "out"

    assert dispatch(["evaluate", *argv, "--output", str(output)]) == 2
    assert "1 of 3 rows are malformed" in capsys.readouterr().err
    assert dispatch(["evaluate", *argv, "--output", str(output), "--quarantine-limit", "0.5"]) == 0

    first, second = read(output / "rankings.jsonl")
    assert (first["scores"][0], first["best"], first["num_best"]) == (None, 1, 1)
    assert (second["scores"], second["best"], second["num_best"]) == ([None], None, 0)
    (bad,) = read(output / "quarantine.jsonl")
    assert (bad["line"], bad["field"]) == (3, "responses")
    printed = capsys.readouterr().out
    assert "responses: scored: 1, too long: 2, malformed rows: 1" in printed
    assert "rows without any score: 1" in printed
