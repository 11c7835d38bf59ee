"""What is read of a loop's folder, against figures worked out by hand from the hand-made one."""

from __future__ import annotations

from pathlib import Path

import pytest

from ste_fairseq2.errors import MissingPathError
from ste_fairseq2.jsonl import write_rows
from ste_fairseq2.loop.config import TrainingConfig
from ste_fairseq2.loop.load import write_loop_config
from ste_fairseq2.loop.self_taught.config import SelfTaughtConfig, SourceConfig
from ste_fairseq2.report.read import distinct_names, read_loop
from ste_fairseq2.store.manifest import Manifest, write_manifest
from tests.hand_made_loop import (
    HOSTILE,
    LONG_WORD,
    RIGHT_TO_LEFT,
    write_empty_loop,
    write_loop,
    write_samples,
)


def test_samples_are_tallied(loop: Path) -> None:
    sft, dpo, *_ = read_loop(loop, limit=10).judging

    assert (sft.label, dpo.label) == ("1 SFT", "1 DPO")
    assert sft.samples is not None
    assert sft.samples.samples == 8
    assert sft.samples.malformed == 1
    # A A, B A, A and none, none and a tie: five name an answer, four the first one.
    assert sft.samples.first_share == 4 / 5
    assert sft.samples.right_share(better_first=True) == 3 / 4
    assert sft.samples.right_share(better_first=False) == 1 / 4
    assert [(v.prompt, v.better_first, v.right, v.total) for v in sft.samples.votes] == [
        ("main/p1", True, 2, 2),
        ("main/p1", False, 1, 2),
        ("main/p2", True, 1, 2),
        ("main/p2", False, 0, 2),
    ]
    assert dpo.samples is None
    assert dpo.curation is not None
    assert dpo.curation.min_agreement == 0.5


def test_the_rest_is_read(loop: Path) -> None:
    facts = read_loop(loop, limit=10)

    assert facts.rounds_table[0][:2] == ["round", "held"]
    assert facts.rounds_table[1][:2] == ["seed", "25.0 (10.0 to 40.0)"]
    assert facts.summaries[1].accuracy == 0.75
    figures = [summary.benchmarks["held"].figures for summary in facts.summaries[:2]]
    assert [(f["better_first"], f["better_last"]) for f in figures] == [(1.0, 0.5), (1.0, 0.5)]
    # `It is 4 .` has four words, `5` one; the other pair three (a control mark is one of them) and one.
    [pairs] = facts.pairs
    assert (pairs.pairs, pairs.better_longer, pairs.worse_longer) == (2, 2, 0)
    assert pairs.worse["words"]["mean"] == 1
    sft, dpo = facts.curves
    # Step 4 was done again after a resume.
    assert sft.metrics == {"NLL Loss": [(2, 1.0), (4, 0.5)], "Gradient Norm": [(2, 3.0), (4, 2.0)]}
    assert dpo.metrics["Reward Accuracy"] == [(3, 0.75)]
    cost = facts.costs[1]["annotate"]
    assert (cost.prompt_tokens, cost.output_tokens) == (800, 40)


def test_judgements_are_offered_with_their_pairs(loop: Path) -> None:
    judgements = read_loop(loop, limit=10).judgements

    # Eight samples, and one judgement of each evaluation has a label.
    assert judgements.total == 10
    assert len(judgements.chosen) == 10
    first = next(j for j in judgements.chosen if j.id == "p1:0_1:1")
    assert first.pair is not None
    pair = judgements.pairs[first.pair]
    assert (pair.instruction, pair.first, pair.second) == (HOSTILE, RIGHT_TO_LEFT, LONG_WORD)
    assert (first.verdict, first.named, first.better_first, first.votes) == ("right", "A", True, (2, 2))
    held = next(j for j in judgements.chosen if j.kind == "held-out: held")
    assert (held.verdict, held.group, held.is_swapped, held.better_first) == (
        "wrong",
        "maths",
        True,
        False,
    )
    verdicts = {j.id: j.verdict for j in judgements.chosen}
    assert verdicts["p2:0_1:1"] == "unparseable"
    assert verdicts["p2:1_0:0"] == "truncated"
    assert verdicts["p2:1_0:1"] == "tie"


def test_an_unfinished_stage_counts_as_far_as_it_is(tmp_path: Path) -> None:
    folder = write_empty_loop(tmp_path / "loop", training=["sft"])
    write_samples(folder / "round-1/sft/annotate/main", is_complete=False)

    [first, second] = read_loop(folder, limit=10).judging

    assert first.label == "1"
    assert first.samples is not None
    assert (first.samples.samples, first.samples.is_complete) == (8, False)
    assert second.samples is None


def test_without_its_pair_a_judgement_has_the_prompt(loop: Path) -> None:
    (loop.parent / "loop-pairs.jsonl").unlink()

    facts = read_loop(loop, limit=10)

    assert facts.pairs == []
    judgement = next(j for j in facts.judgements.chosen if j.id == "p1:0_1:1")
    assert (judgement.pair, judgement.prompt) == (None, "Judge p1 0_1")


def test_an_empty_loop_has_nothing(tmp_path: Path) -> None:
    facts = read_loop(write_empty_loop(tmp_path / "loop", rounds=0), limit=10)

    assert (facts.judging, facts.curves) == ([], [])
    assert facts.judgements.total == 0


def test_other_loops_are_read(loop: Path) -> None:
    write_loop(loop.parent / "other" / "loop")

    facts = read_loop(loop, compare=[loop.parent / "other" / "loop"], limit=0)

    assert [peer.name for peer in facts.peers] == ["other/loop"]
    assert facts.peers[0].summaries[1].accuracy == 0.75
    assert facts.judgements.chosen == []


def test_a_folder_without_a_loop_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingPathError, match="does not exist"):
        read_loop(tmp_path, limit=10)


def test_names_are_as_long_as_they_must(tmp_path: Path) -> None:
    folders = [tmp_path / "a" / "loop", tmp_path / "b" / "loop", tmp_path / "c"]

    assert distinct_names(folders) == ["a/loop", "b/loop", "c"]


def test_sources_are_kept_apart(tmp_path: Path) -> None:
    folder = tmp_path / "loop"
    config = SelfTaughtConfig(
        model="models/seed",
        sources={
            "chat": SourceConfig(responses="responses.jsonl"),
            "maths": SourceConfig(responses="maths.jsonl", weight=2.0),
        },
        rounds=2,
        pairs="every_round",
        training=("dpo",),
        dpo=TrainingConfig(config_file=Path("dpo.yaml"), checkpoint="judged"),
        choose={"benchmark": "pairs", "data": "held.jsonl"},
    )
    folder.mkdir()
    write_loop_config(config, folder)
    for name in config.sources:
        write_samples(folder / f"round-1/dpo/annotate/{name}")
        write_rows(
            folder / f"round-1/pairs/{name}/worsen/records-00000.jsonl",
            [{"id": "p1", "instruction": name, "baseline": "good", "worse": "not good"}],
        )
        write_manifest(
            folder / f"round-1/pairs/{name}/worsen",
            Manifest(stage="worsen", config={}, counts={"kept": 1, "too_long": 2}),
        )

    facts = read_loop(folder, limit=40)

    assert facts.judging[0].samples is not None
    assert facts.judging[0].samples.samples == 16
    assert [(pairs.name, pairs.worse_longer) for pairs in facts.pairs] == [
        ("chat, round 1", 1),
        ("maths, round 1", 1),
    ]
    shown = {
        (judgement.group, facts.judgements.pairs[judgement.pair].instruction)
        for judgement in facts.judgements.chosen
        if judgement.pair is not None
    }
    assert shown == {("chat", "chat"), ("maths", "maths")}
    assert [drop.counts["too_long"] for drop in facts.drops] == [2, 2]
