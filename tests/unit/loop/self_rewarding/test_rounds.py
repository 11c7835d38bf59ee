"""What rounds of scores come to, from what their steps have left, worked out by hand."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.curation.config import PreparePreferencesConfig
from ste_fairseq2.curation.preferences import prepare_preferences
from ste_fairseq2.evaluation.following import Following
from ste_fairseq2.jsonl import write_rows
from ste_fairseq2.loop.cost import Estimate, estimate, measure
from ste_fairseq2.loop.example import describe_example
from ste_fairseq2.loop.lineage import describe_lineage
from ste_fairseq2.loop.methods import make_plan
from ste_fairseq2.loop.rounds import AnswerScores, summarise_rounds
from ste_fairseq2.loop.self_rewarding.config import SelfRewardingConfig
from ste_fairseq2.loop.status import describe_loop
from tests.loops import finish, leave_manifest, rewarding_config
from tests.rows import write

TOKENS = {"num_prompt_tokens": 100, "num_output_tokens": 20}


@pytest.fixture
def config(tmp_path: Path) -> SelfRewardingConfig:
    settings = write(tmp_path / "train.yaml", [])
    settings.write_text("regime: {num_steps: 30}\n")

    return rewarding_config(
        rounds=1,
        candidates={"samples": 2},
        self_instruct={"count": 3},
        sft={"config_file": str(settings)},
        dpo={"config_file": str(settings)},
        evaluate={"ranks": {"benchmark": "ranked", "judge_options": {"mode": "score"}}},
        follow={"held": {"inputs": "q.jsonl"}},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A loop of one round of DPO that is done: two instructions with two answers each, and a third."""
    folder = tmp_path / "D"
    people = {"id": "r0", "instruction_id": "q", "input": "Why?", "response": "So.", "rank": 0}
    finish(folder, "ranked")
    leave_manifest(folder / "ranked", {"train": 1}, details={"examples": {"written": 2}})
    write(folder / "ranked" / "train.jsonl", [people])
    write(folder / "ranked" / "ift.jsonl", [{"id": "r0"}, {"id": "r1"}])
    leave_scores(folder / "m1/scores", [people | {"score": 4.0}])
    leave_manifest(folder / "m1/data", {"kept": 1}, details={"examples": {"written": 3}})
    write(folder / "m1/data" / "eft.jsonl", [{"id": "e1", "answer_id": "r0", "instruction_id": "q"}])
    finish(folder, "m2/instructions", 2.0)
    leave_manifest(folder / "m2/instructions", {"kept": 3, "similar": 7}, details={"tokens": TOKENS})
    write(folder / "m2/instructions/records-00000.jsonl", [{"id": n, "instruction": n} for n in "xyz"])
    answers = [
        answer("x:0", "a longer answer", 4.0),
        answer("x:1", "short", 1.0),
        answer("y:0", "one", 2.0),
        answer("y:1", "two words", 3.5),
        answer("z:0", "z", None),
        answer("z:1", "zz", 5.0),
    ]
    finish(folder, "m2/candidates", 4.0)
    leave_manifest(
        folder / "m2/candidates",
        {"kept": 6},
        config={"temperature": 0.9},
        details={"tokens": TOKENS, "seconds_of_last_run": 3.0},
    )
    write(folder / "m2/candidates/records-00000.jsonl", [without_score(row) for row in answers])
    finish(folder, "m2/scores", 7.0)
    leave_scores(folder / "m2/scores", answers)
    prepare_preferences(
        PreparePreferencesConfig(scores_dir=(folder / "m2/scores",), output_dir=folder / "m2/data")
    )
    finish(folder, "m2/data")
    leave_tests(folder / "m2")
    (folder / "m2/model").mkdir()

    return folder


def answer(name: str, response: str, score: float | None) -> dict[str, Any]:
    instruction = name.partition(":")[0]
    row = {"id": name, "instruction_id": instruction, "input": instruction, "response": response}

    return row | {"score": score, "samples": []}


def without_score(row: dict[str, Any]) -> dict[str, Any]:
    kept = ("id", "instruction_id")

    return {name: row[name] for name in kept} | {"baseline": row["response"]}


def leave_scores(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Leave what the scoring stage does; each answer was judged three times, one of all in vain."""
    summary = {
        "answers": len(rows),
        "unscored": sum(row["score"] is None for row in rows),
        "points": {"0": 0, "1": 1},
        "samples": 3 * len(rows),
        "failures": {"unparseable": 1, "truncated": 0},
    }
    details = {"tokens": TOKENS, "summary": summary, "seconds_of_last_run": 6.0}
    leave_manifest(folder, {"kept": len(rows)}, details=details)
    write(folder / "records-00000.jsonl", rows)


def leave_tests(folder: Path) -> None:
    judge = {"accuracy": 0.75, "tie": 0.1, "counts": {"pairs": 8}, "unparseable": 0.25}
    judge["intervals"] = {"accuracy": [0.5, 1.0]}
    ranking = {"counts": {"pairs": 8}, "spearman": 0.5, "kendall": None}
    ranking["intervals"] = {"spearman": [0.1, 0.9], "kendall": None}
    content = {"judges": [judge], "groups": [{"subset": None, "accuracy": 0.75}], "ranking": ranking}
    (folder / "evaluate/ranks").mkdir(parents=True)
    (folder / "evaluate/ranks/scores.json").write_text(json.dumps(content))
    (folder / "follow/held").mkdir(parents=True)
    (folder / "follow/held/following.json").write_text(json.dumps(asdict(FOLLOWING)))


FOLLOWING = Following(
    measure="exact_match",
    instructions=4,
    answered=4,
    score=0.5,
    interval=(0.25, 0.75),
    mean_words=1.5,
    categories={},
)


def test_a_round_of_dpo(config: SelfRewardingConfig, folder: Path) -> None:
    *_, summary = summarise_rounds(make_plan(config, folder), folder)

    assert (summary.round, summary.name, summary.judge) == (3, "M2", str(folder / "m2/model"))
    assert summary.scores == AnswerScores(
        answers=6,
        unscored=1,
        points={"0": 0, "1": 1},
        samples=18,
        failures={"unparseable": 1, "truncated": 0},
        temperature=0.9,
        # Of z only one answer has a score.
        fates={"kept": 2, "malformed": 0, "too_few_scored": 1},
        examples=2,
        # "a longer answer" and "two words" against "short" and "one".
        chosen_words=2.5,
        rejected_words=1.0,
        chosen_longer=2,
        rejected_longer=0,
        # 4 - 1 and 3.5 - 2.
        mean_gap=2.25,
    )
    assert summary.following == {"held": FOLLOWING}
    assert summary.accuracy == 0.75
    ranks = summary.benchmarks["ranks"]
    assert ranks.figures == {"accuracy": 0.75, "unparseable": 0.25}
    assert ranks.ranking == {"spearman": 0.5, "kendall": None}
    assert (summary.sft_examples, summary.dpo_examples) == (None, 2)


def test_rounds_of_sft(config: SelfRewardingConfig, folder: Path) -> None:
    seed, ift, m1, _ = summarise_rounds(make_plan(config, folder), folder)

    assert (seed.name, seed.scores, seed.following, seed.accuracy) == ("seed", None, {}, None)
    assert (ift.name, ift.scores, ift.sft_examples) == ("IFT", None, 2)
    assert (m1.name, m1.sft_examples) == ("M1", 3)
    assert m1.scores is not None
    # People wrote these answers, and they make no pairs.
    assert (m1.scores.answers, m1.scores.examples, m1.scores.fates) == (1, 3, {"kept": 1})
    assert (m1.scores.temperature, m1.scores.chosen_words, m1.scores.mean_gap) == (None, None, None)


def test_status(config: SelfRewardingConfig, folder: Path) -> None:
    lines = describe_loop(config, make_plan(config, folder), folder).splitlines()

    assert lines[0] == (
        "| round | held | ranks | answers | unscored | samples | chosen / rejected words | SFT | DPO "
        "| steps | tokens | time |"
    )
    assert lines[3] == "| IFT | - | - | - | - | - | - | 2 | - | - | - | - |"
    assert lines[5] == (
        "| M2 | 50.0 (25.0 to 75.0) | 75.0 (50.0 to 100.0) | 6 | 1 | 18 | 2.5 / 1 | - | 2 | - | 120 "
        "| 14 s |"
    )


def test_costs_of_a_longer_loop(config: SelfRewardingConfig, folder: Path) -> None:
    plan = make_plan(config, folder)
    measured = measure(config, plan, folder)

    # Ten replies came to three instructions; what counts is what is wanted.
    assert (measured["self_instruct"].inputs, measured["self_instruct"].kept) == (3, 3)
    assert (measured["candidates"].inputs, measured["candidates"].startup) == (6, 1.0)
    # Six answers were read, and two pairs made.
    assert (measured["prepare_preferences"].inputs, measured["prepare_preferences"].kept) == (6, 2)
    longer = rewarding_config(
        rounds=2,
        candidates={"samples": 4},
        self_instruct={"count": 30},
        sft={"config_file": str(config.trainings()["sft"].config_file)},
        dpo={"config_file": str(config.trainings()["dpo"].config_file)},
    )
    found = estimate(longer, make_plan(longer, folder), folder, measured)

    assert found["m3/instructions"].outputs == 30
    # Twenty times the answers: 3 s of work each, and 1 s to start.
    assert found["m3/candidates"] == Estimate(
        inputs=120, outputs=120, tokens=2400, seconds=61.0, device_hours=61 / 3600
    )
    assert found["m3/scores"].seconds == pytest.approx(1.0 + 6.0 * 20)
    assert found["m3/data"].outputs == 40


def test_a_pair_leads_back_to_its_answers_and_their_instruction(
    config: SelfRewardingConfig, folder: Path
) -> None:
    pairs = [json.loads(line) for line in (folder / "m2/data/train-00000.jsonl").open()]
    [pair] = [pair for pair in pairs if pair["instruction_id"] == "y"]

    lines = describe_example(make_plan(config, folder), pair["id"]).splitlines()

    shown = [line.split("  ")[0] for line in lines if not line.startswith(" ")]
    assert shown == [
        *("m2/data", "m2/scores", "m2/scores"),
        *("m2/candidates", "m2/candidates", "m2/instructions"),
    ]
    assert "    score: 3.5" in lines
    assert "    instruction: y" in lines
    assert "    instruction: x" not in lines


def test_a_judgement_to_learn_leads_back_to_what_people_ranked(
    config: SelfRewardingConfig, folder: Path
) -> None:
    lines = describe_example(make_plan(config, folder), "e1").splitlines()

    assert [line.split("  ")[0] for line in lines if not line.startswith(" ")] == [
        *("m1/data", "m1/scores", "ranked"),
    ]
    assert lines[-3:] == ["    input: Why?", "    response: So.", "    rank: 0"]


def test_lineage_names_files_within_a_step(config: SelfRewardingConfig, folder: Path) -> None:
    write_rows(folder.parent / "r.jsonl", [{"x": 1}])

    lines = describe_lineage(make_plan(config, folder), folder).splitlines()

    assert lines[0] == f"round M2: {folder / 'm2/model'}"
    assert any(line.strip().startswith("from ranked/ift.jsonl") for line in lines)
