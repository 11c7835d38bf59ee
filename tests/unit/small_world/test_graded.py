"""Answers of three grades, and what people think of them in OpenAssistant's form."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ste_fairseq2.curation.ranked import prepare_ranked
from ste_fairseq2.curation.ranked_config import PrepareRankedConfig
from ste_fairseq2.errors import ConfigError
from ste_fairseq2.jsonl import read_rows, write_rows
from ste_fairseq2.scores import parse_score
from ste_fairseq2.small_world.graded import (
    POINTS,
    draw_answer,
    judgement_of_one,
    rank_of,
    ranked_trees,
    share_of_right_pairs,
    write_ranked_trees,
)
from ste_fairseq2.small_world.instructions import Task
from ste_fairseq2.small_world.reasoning import parse_task

TASK = Task("max", (3, 8, 2))


@pytest.mark.parametrize(
    ("response", "rank"), [("8", 0), ("3", 1), ("2", 1), ("5", 2), ("", 2), ("88", 2)]
)
def test_grades(response: str, rank: int) -> None:
    assert rank_of(TASK, response) == rank


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_drawn_answers_have_their_grade(rank: int) -> None:
    drawn = {draw_answer(TASK, rank, random.Random(seed)) for seed in range(50)}

    assert {rank_of(TASK, answer) for answer in drawn} == {rank}
    assert len(drawn) == (1, 2, 7)[rank]


def test_a_judgement_of_one_answer_is_read_as_its_points() -> None:
    assert [parse_score(judgement_of_one(TASK, points)) for points in POINTS] == [5.0, 2.0, 0.0]


def test_trees_are_read_as_those_of_people(tmp_path: Path) -> None:
    assert write_ranked_trees(tmp_path / "ranked.jsonl", 40, 3) == 40

    manifest = prepare_ranked(
        PrepareRankedConfig(
            inputs=(str(tmp_path / "ranked.jsonl"),),
            output_dir=tmp_path / "out",
            ift_examples=12,
            held_out_share=0.25,
        )
    )

    assert (manifest.counts["train"], manifest.counts["held_out"], manifest.counts["malformed"]) == (
        *(30, 10),
        0,
    )
    for row in read_rows(tmp_path / "out" / "held_out.jsonl"):
        task = parse_task(row.text("input"))
        assert rank_of(task, row.text("response")) == row.data["rank"]
    for row in read_rows(tmp_path / "out" / "ift.jsonl"):
        assert row.text("tgt") == parse_task(row.data["messages"][0]["content"]).answer


def test_people_rank_nothing_that_is_held_out() -> None:
    trees = list(ranked_trees(60, 1))

    assert not any(parse_task(tree["prompt"]["text"]).is_held_out for tree in trees)
    assert len({tree["prompt"]["text"] for tree in trees}) == 60
    assert trees == list(ranked_trees(60, 1))
    # Replies stand in any order.
    assert len({tuple(reply["rank"] for reply in tree["prompt"]["replies"]) for tree in trees}) > 3


@pytest.mark.parametrize("count", [0, 5_001])
def test_what_the_world_does_not_offer_is_refused(count: int) -> None:
    with pytest.raises(ConfigError, match="`count` must be from 1 to 5000"):
        ranked_trees(count, 1)


def test_pairs_the_right_way(tmp_path: Path) -> None:
    pairs = [
        *(("max of 3 8 2", "8", "3"), ("max of 3 8 2", "2", "5"), ("min of 1 4 6", "4", "1")),
        # Equally good, and none of the world's.
        *(("max of 3 8 2", "3", "2"), ("sum of 1 2", "3", "1"), ("max of 3 eight", "3", "1")),
    ]
    rows = [
        {"messages": [{"role": "user", "content": text}], "tgt_chosen": one, "tgt_rejected": other}
        for text, one, other in pairs
    ]
    write_rows(tmp_path / "pairs.jsonl", rows)

    assert share_of_right_pairs(tmp_path / "pairs.jsonl") == pytest.approx(2 / 3)
    write_rows(tmp_path / "pairs.jsonl", rows[3:])
    assert share_of_right_pairs(tmp_path / "pairs.jsonl") is None
