"""The best against the worst answer to each instruction; failures are on neither side."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.cli.main import dispatch
from ste_fairseq2.config_values import build_config
from ste_fairseq2.curation.config import PreparePreferencesConfig
from ste_fairseq2.curation.preferences import Pair, ScoredAnswer, pick_pair, prepare_preferences
from ste_fairseq2.errors import ConfigError, EmptyDataError, QuarantineLimitError
from ste_fairseq2.jsonl import read_rows, write_rows
from ste_fairseq2.records import Message, PreferenceExample


def answers(*scores: float | None, texts: str = "abcdef") -> list[ScoredAnswer]:
    return [
        ScoredAnswer(f"i:{number}", "i", "Ask", texts[number], score)
        for number, score in enumerate(scores)
    ]


def pick(*scores: float | None, **options: Any) -> Pair | str:
    return pick_pair(answers(*scores), **({"min_gap": 0.0, "seed": 1} | options))


def test_highest_against_lowest() -> None:
    found = pick(3.0, 4.5, None, 1.0)

    assert isinstance(found, Pair)
    assert (found.chosen.id, found.rejected.id) == ("i:1", "i:3")


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ((3.0, 3.0, 3.0), "equal_scores"),
        ((3.0, None), "too_few_scored"),
        ((None, None), "too_few_scored"),
        # A failure is not the worst answer.
        ((4.0, None, 4.0), "equal_scores"),
    ],
)
def test_no_pair(scores: tuple[float | None, ...], reason: str) -> None:
    assert pick(*scores) == reason


def test_a_gap_can_be_asked_for() -> None:
    assert pick(3.0, 3.5, min_gap=1.0) == "small_gap"
    assert isinstance(pick(3.0, 4.0, min_gap=1.0), Pair)


def test_answers_of_one_text_are_one_answer() -> None:
    assert pick_pair(answers(1.0, 2.0, texts="aa"), min_gap=0.0, seed=1) == "same_text"
    # `a` has (5 + 1) / 2, so it is worse than `b`, though one scoring of it is the best of all.
    found = pick_pair(answers(5.0, 4.0, 1.0, texts="aba"), min_gap=0.0, seed=1)
    assert isinstance(found, Pair)
    assert [(a.response, a.id, a.score) for a in found] == [("b", "i:1", 4.0), ("a", "i:0", 3.0)]
    assert pick_pair(answers(5.0, 3.0, 1.0, texts="aba"), min_gap=0.0, seed=1) == "equal_scores"


def test_the_choice_among_equals_is_the_seeds_whatever_the_order() -> None:
    found = {
        pick_pair(list(order), min_gap=0.0, seed=1)
        for order in itertools.permutations(answers(5.0, 5.0, 5.0, 1.0))
    }
    others = {pick(5.0, 5.0, 5.0, 1.0, seed=seed) for seed in range(20)}

    assert len(found) == 1
    assert {pair.chosen.id for pair in others if isinstance(pair, Pair)} == {"i:0", "i:1", "i:2"}


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    path = tmp_path / "scored.jsonl"
    write_rows(
        path,
        [
            {"id": "p:0", "instruction_id": "p", "input": "P", "response": "good one", "score": 4.5},
            {"id": "p:1", "instruction_id": "p", "input": "P", "response": "bad", "score": 1.0},
            {"id": "p:2", "instruction_id": "p", "input": "P", "response": "failed", "score": None},
            # Without instruction_id answers to the same text belong together.
            {"id": "q0", "input": "Q", "response": "x", "score": 2.0},
            {"id": "q1", "input": "Q", "response": "y", "score": 3.0},
            {"id": "r0", "input": "R", "response": "x", "score": 2.0},
            {"id": "r1", "input": "R", "response": "y", "score": 2.0},
        ],
    )

    return path


def config(scored: Path, **values: Any) -> PreparePreferencesConfig:
    common = {"scores_dir": [scored], "output_dir": scored.parent / "dpo"}

    return build_config(PreparePreferencesConfig, common | values)


def test_pairs_are_written_for_training(scored: Path) -> None:
    manifest = prepare_preferences(config(scored))

    assert manifest.counts == {"malformed": 0, "equal_scores": 1, "kept": 2}
    assert manifest.details["answers"] == {"scored": 6, "unscored": 1}
    # Gaps of 3.5 and 1.0; `good one` is longer than `bad`, `x` and `y` are equally long.
    assert manifest.details["mean_gap"] == 2.25
    assert (manifest.details["chosen_longer"], manifest.details["rejected_longer"]) == (1, 0)
    rows = list(read_rows(scored.parent / "dpo" / "train-00000.jsonl"))
    examples = {row.data["instruction_id"]: PreferenceExample.from_row(row) for row in rows}
    example = examples["p"]
    assert (example.tgt_chosen, example.tgt_rejected) == ("good one", "bad")
    assert example.messages == (Message("user", "P"),)
    assert (example.extra["chosen_score"], example.extra["rejected_score"]) == (4.5, 1.0)


def test_again_is_the_same(scored: Path, tmp_path: Path) -> None:
    first = prepare_preferences(config(scored))

    assert prepare_preferences(config(scored)) == first
    rows = list(reversed([row.data for row in read_rows(scored)]))
    other = tmp_path / "other.jsonl"
    write_rows(other, rows)
    prepare_preferences(config(other, output_dir=tmp_path / "dpo2"))
    assert (tmp_path / "dpo2" / "train-00000.jsonl").read_bytes() == (
        tmp_path / "dpo" / "train-00000.jsonl"
    ).read_bytes()


def test_nothing_to_prefer_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "scored.jsonl"
    write_rows(path, [{"id": "a", "input": "A", "response": "x", "score": 2}])

    with pytest.raises(EmptyDataError, match="too_few_scored: 1"):
        prepare_preferences(config(path))


def test_malformed_rows_are_set_aside(scored: Path) -> None:
    rows = [row.data for row in read_rows(scored)]
    write_rows(scored, [*rows, {"id": "z", "input": "Z", "response": "z"}])

    with pytest.raises(QuarantineLimitError, match="`score` is missing"):
        prepare_preferences(config(scored))
    assert prepare_preferences(config(scored, quarantine_limit=0.5)).counts["malformed"] == 1


@pytest.mark.parametrize(
    ("values", "field"),
    [({"scores_dir": []}, "scores_dir"), ({"min_gap": -1}, "min_gap"), ({"quarantine_limit": 2}, "qua")],
)
def test_wrong_values(values: dict[str, Any], field: str, scored: Path) -> None:
    with pytest.raises(ConfigError, match=f"`{field}"):
        config(scored, **values)


def test_command(scored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = scored.parent / "dpo"

    argv = ["prepare-preferences", "--scores-dir", str(scored), "--output-dir", str(output)]
    assert dispatch(argv) == 0
    shown = capsys.readouterr().out
    assert "instructions by fate: malformed 0, equal_scores 1, kept 2" in shown
    assert "longer: chosen 1, rejected 0" in shown
