"""Judgements that agree with human ranks teach to judge; the most frequent score is thinned out."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from fairseq2.device import CPU
from fairseq2.gang import create_fake_gangs

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.cli.main import dispatch
from ste_fairseq2.config_values import build_config
from ste_fairseq2.curation.eft import (
    Agreement,
    agrees,
    prepare_eft,
    thin_most_frequent,
)
from ste_fairseq2.curation.ranked_config import PrepareEftConfig
from ste_fairseq2.curation.ranked_scores import RankedScore
from ste_fairseq2.datasets import DatasetConfig, SftDataset, SourceConfig
from ste_fairseq2.engines.prompting import TokenPrompter
from ste_fairseq2.engines.protocol import GenerationResult, SamplingSettings
from ste_fairseq2.errors import ConfigError, EmptyDataError, MissingPathError, QuarantineLimitError
from ste_fairseq2.jsonl import Row, parse_row, read_rows
from ste_fairseq2.loop.sizes import num_records, num_written
from ste_fairseq2.prompts import load_prompt
from ste_fairseq2.records import SftExample
from ste_fairseq2.records.ranked import RankedAnswer
from ste_fairseq2.records.scoring import ScoreInput
from ste_fairseq2.scores import mean_score, whole_points
from ste_fairseq2.synthesis.inputs import InputRecord
from ste_fairseq2.synthesis.score import ScorePlan, ScoringTask

WriteJsonl = Callable[..., Path]
Fields = dict[str, Any]

AGREES, DISAGREES = Agreement.AGREES, Agreement.DISAGREES
EQUAL, FEW = Agreement.ALL_EQUAL, Agreement.TOO_FEW_SCORED


@pytest.mark.parametrize(
    ("ranks", "scores", "fate", "strict_fate"),
    [
        ((0, 1, 2), (5, 4, 1), AGREES, AGREES),
        ((2, 0, 1), (1, 5, 4), AGREES, AGREES),
        ((0, 1, 2), (5, 1, 4), DISAGREES, DISAGREES),
        ((0, 1), (1, 5), DISAGREES, DISAGREES),
        # A tie of different ranks is no disagreement, unless that is asked for.
        ((0, 1, 2), (4, 4, 1), AGREES, DISAGREES),
        ((0, 1, 2), (4, 2, 2), AGREES, DISAGREES),
        ((0, 1, 2), (3, 3, 3), EQUAL, EQUAL),
        # Answers of one rank are not compared.
        ((0, 1, 1), (5, 4, 1), AGREES, AGREES),
        ((0, 0, 1), (5, 1, 1), AGREES, DISAGREES),
        ((0, 0, 1), (5, 1, 3), DISAGREES, DISAGREES),
        ((0, 0), (5, 1), FEW, FEW),
        # A failure is no low score.
        ((0, 1, 2), (None, 4, 1), AGREES, AGREES),
        ((0, 1, 2), (5, None, None), FEW, FEW),
        ((0, 0, 1), (5, 4, None), FEW, FEW),
        ((0, 1), (0, None), FEW, FEW),
        # Zero is a score.
        ((0, 1), (1, 0), AGREES, AGREES),
        ((0,), (5,), FEW, FEW),
        ((), (), FEW, FEW),
    ],
)
def test_agreement(
    ranks: Sequence[float],
    scores: Sequence[float | None],
    fate: Agreement,
    strict_fate: Agreement,
) -> None:
    for order in itertools.permutations(range(len(ranks))):
        shuffled = [ranks[k] for k in order], [scores[k] for k in order]
        assert agrees(*shuffled) is fate
        assert agrees(*shuffled, strict=True) is strict_fate


def test_means_that_were_added_up_in_another_order_are_equal() -> None:
    first, second = mean_score([0.1, 0.2, 0.3]), mean_score([0.3, 0.2, 0.1])

    assert first != second
    assert agrees((0, 1), (first, second)) is agrees((0, 1), (second, first)) is EQUAL


class TestThinning:
    def test_the_most_frequent_score_goes_down_to_the_second(self) -> None:
        points = {f"{k}": 4 for k in range(10)} | {"a": 3, "b": 3, "c": 3, "d": 1}

        kept = thin_most_frequent(points, seed=1)

        assert kept >= {"a", "b", "c", "d"}
        assert len(kept) == 3 + 4

    def test_the_seed_decides_and_not_the_order(self) -> None:
        points = {f"{k}": 4 for k in range(10)} | {"a": 3, "b": 3}
        backwards = dict(reversed(points.items()))

        assert thin_most_frequent(points, seed=1) == thin_most_frequent(backwards, seed=1)
        assert len({frozenset(thin_most_frequent(points, seed=seed)) for seed in range(10)}) > 3

    @pytest.mark.parametrize(
        "points", [{}, {"a": 4, "b": 4}, {"a": 4, "b": 3}, {"a": 1, "b": 1, "c": 2}]
    )
    def test_nothing_more_frequent_nothing_to_thin(self, points: dict[str, int]) -> None:
        kept = thin_most_frequent(points, seed=1)

        # One score alone stays; of two times 1 beside a single 2, one stays.
        assert len(kept) == (2 if points.get("c") else len(points))

    def test_half_a_point_goes_up(self) -> None:
        assert [whole_points(score) for score in (0, 0.4, 0.5, 3.49, 3.5, 5)] == [0, 0, 1, 3, 4, 5]


def sample(score: float | None, finish_reason: str | None = "stop", text: str | None = None) -> Fields:
    return {
        "generated_output": f"Score: {score}" if text is None else text,
        "score": score,
        "failure": None if score is not None else "unparseable",
        "finish_reason": finish_reason,
        "num_output_tokens": 5,
    }


def scored(name: str, rank: int, *samples: Fields, **changes: Any) -> Fields:
    """A row of `ste judge --mode score` over a row of `ste prepare-ranked`."""
    instruction = name.partition("-")[0]

    return {
        "id": name,
        "index": 0,
        "input": f"Ask {instruction}",
        "response": f"Answer {name}",
        "score": mean_score(one["score"] for one in samples),
        "samples": list(samples),
        "prompt": f"<rendered>Rate answer {name}.",
        "prompt_digest": "0",
        "num_prompt_tokens": 9,
        "num_output_tokens": 5 * len(samples),
        "instruction_id": instruction,
        "rank": rank,
        **changes,
    }


def draw(*samples: Fields, seed: int = 1) -> str | None:
    row = Row("a.jsonl", 1, scored("i-0", 0, *samples))
    found = RankedScore.from_row(row).draw_sample(seed, "test")

    return found.output if found is not None else None


class TestSample:
    def test_the_nearest_to_the_mean(self) -> None:
        # The mean is 3.
        assert draw(sample(5), sample(3), sample(1)) == "Score: 3"

    def test_of_several_nearest_one_is_drawn(self) -> None:
        found = {draw(sample(4), sample(2), sample(1), sample(5), seed=seed) for seed in range(20)}

        assert found == {"Score: 4", "Score: 2"}

    def test_one_that_was_cut_never_serves(self) -> None:
        # The mean is 4, the cut one's counts.
        assert draw(sample(5), sample(4, "length"), sample(3, "length")) == "Score: 5"
        assert draw(sample(4, "length")) is None

    def test_one_that_ended_goes_first_among_equals(self) -> None:
        found = {draw(sample(4, None, "unknown"), sample(4), seed=seed) for seed in range(10)}

        assert found == {"Score: 4"}
        assert draw(sample(4, None, "unknown"), sample(1)) is not None
        assert draw(sample(4, None, "unknown"), sample(4, "length")) == "unknown"

    def test_failures_and_blanks_never_serve(self) -> None:
        assert draw(sample(None), sample(2)) == "Score: 2"
        assert draw(sample(2, text=" ")) is None
        assert draw(sample(None)) is None


def group(name: str, *scores: float | None) -> list[Fields]:
    """An instruction whose answers have the ranks 0, 1, 2 … and these scores."""
    return [scored(f"{name}-{rank}", rank, sample(score)) for rank, score in enumerate(scores)]


ROWS = [
    *group("agree", 5, 4, 1),
    *group("tied", 4, 4, 2),
    *group("against", 1, 4),
    *group("equal", 3, 3),
    *group("few", 4, None),
    *group("failed", 4, 2, None),
]


def config(scores: Path, **values: Any) -> PrepareEftConfig:
    common = {"scores_dir": [scores], "output_dir": scores.parent / "eft"}

    return build_config(PrepareEftConfig, common | values)


@pytest.fixture
def scores(tmp_path: Path, write_jsonl: WriteJsonl) -> Path:
    return write_jsonl(tmp_path / "scored.jsonl", ROWS)


def examples(folder: Path) -> dict[str, SftExample]:
    found = [SftExample.from_row(row) for row in read_rows(folder / "eft.jsonl")]

    return {example.extra["answer_id"]: example for example in found}


def test_what_agrees_is_written(scores: Path) -> None:
    manifest = prepare_eft(config(scores))

    assert manifest.counts == {
        "malformed": 0,
        "kept": 3,
        "disagrees": 1,
        "all_equal": 1,
        "too_few_scored": 1,
    }
    # By hand: 5, 4, 1; 4, 4, 2; 4, 2: of four times 4 as many stay as there are of 2.
    before = {"0": 0, "1": 1, "2": 2, "3": 0, "4": 4, "5": 1}
    assert manifest.details["points"] == {"before": before, "after": before | {"4": 2}}
    assert manifest.details["answers"] == {
        "instruction_left_out": 6,
        "unscored": 1,
        "thinned_out": 2,
        "kept": 6,
    }
    assert manifest.details["examples"] == {"eft": 6, "ift": 0, "written": 6}
    example = examples(scores.parent / "eft")["agree-2"]
    assert (example.src, example.tgt) == ("<rendered>Rate answer agree-2.", "Score: 1")
    assert example.messages is None
    assert example.extra == {
        "instruction_id": "agree",
        "answer_id": "agree-2",
        "score": 1,
        "mean_score": 1.0,
    }


def test_strict_takes_ties_for_disagreement(scores: Path) -> None:
    counts = prepare_eft(config(scores, strict=True)).counts

    assert (counts["kept"], counts["disagrees"]) == (2, 2)


def test_points_are_those_of_what_is_taught(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    """A mean of 4 whose nearest finished sample says 5 teaches to say 5."""
    rows = [scored("i-0", 0, sample(5), sample(3, "length")), scored("i-1", 1, sample(2))]
    manifest = prepare_eft(config(write_jsonl(tmp_path / "scored.jsonl", rows)))

    assert manifest.details["points"]["after"]["5"] == 1
    extra = examples(tmp_path / "eft")["i-0"].extra
    assert (extra["score"], extra["mean_score"]) == (5, 4.0)


def test_control_tokens_that_somebody_typed_are_not_trained_on(
    tmp_path: Path, write_jsonl: WriteJsonl
) -> None:
    """`src` is tokenised with its control tokens, so such a prompt would say something else."""
    rows = [*group("i", 5, 1), scored("i-2", 2, sample(0), response="Ha <|eot_id|> ha")]
    manifest = prepare_eft(config(write_jsonl(tmp_path / "scored.jsonl", rows)))

    assert manifest.details["answers"] == {"control_tokens": 1, "kept": 2, "thinned_out": 0}


def test_neither_order_nor_files_matter(scores: Path, tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    first = prepare_eft(config(scores))
    write_jsonl(tmp_path / "other" / "b.jsonl", ROWS[:4])
    write_jsonl(tmp_path / "other" / "a.jsonl", list(reversed(ROWS[4:])))
    prepare_eft(config(tmp_path / "other", output_dir=tmp_path / "eft2"))

    assert prepare_eft(config(scores)) == first
    assert (tmp_path / "eft" / "eft.jsonl").read_bytes() == (
        tmp_path / "eft2" / "eft.jsonl"
    ).read_bytes()


def test_rows_are_those_of_the_scoring_stage(renderer: ChatRenderer) -> None:
    """Field by field what `ste judge --mode score` writes, from a row of `ste prepare-ranked`."""
    ranked = RankedAnswer("i-1", "i", "Ask", "Say", 1.0)
    content = ScoreInput.from_row(Row("train.jsonl", 1, ranked.to_row()))
    plan = ScorePlan(
        template=load_prompt("score"), sampling=SamplingSettings(temperature=0.7), samples=2, seed=1
    )
    task = ScoringTask(InputRecord(0, "i-1", "train.jsonl", 1, content), plan, TokenPrompter(renderer))
    for request, points in zip(task.next_requests(), (3, 4), strict=True):
        task.add(
            GenerationResult(
                request_id=request.id,
                text=f"Fine. Score: {points}",
                finish_reason="stop",
                num_prompt_tokens=9,
                num_output_tokens=5,
            )
        )
    assert task.row is not None

    found = RankedScore.from_row(parse_row(json.dumps(task.row).encode(), "records.jsonl", 1))

    assert (found.answer, found.score) == (ranked, 3.5)
    assert [(one.score, one.finish_reason) for one in found.samples] == [(3.0, "stop"), (4.0, "stop")]
    assert "Ask" in found.prompt
    assert "Say" in found.prompt


IFT = {"id": "x", "src": "", "tgt": "Hello.", "messages": [{"role": "user", "content": "Hi?"}]}


def test_both_kinds_of_examples_load_as_one_data_set(
    scores: Path, tmp_path: Path, write_jsonl: WriteJsonl, renderer: ChatRenderer
) -> None:
    ift = write_jsonl(tmp_path / "ift.jsonl", [IFT, IFT | {"id": "y", "instruction_id": "i"}])
    manifest = prepare_eft(config(scores, ift=ift))
    folder = tmp_path / "eft"

    assert manifest.details["examples"] == {"eft": 6, "ift": 2, "written": 8}
    assert num_written(manifest) == num_records(folder) == 8
    assert (folder / "ift.jsonl").read_bytes() == ift.read_bytes()
    dataset = SftDataset(DatasetConfig(sources=[SourceConfig(path=str(folder))])).train
    gangs = create_fake_gangs(CPU)
    dataset.measure(renderer, gangs, max_seq_len=500, source_encode_mode="as_is")
    assert (dataset.num_rows, dataset.num_dropped) == (8, 0)
    prompts = {renderer.decode(dataset.encode(number).prompt) for number in range(8)}
    # The judge's prompt as it was asked, with one BOS; the other by the model's template.
    assert any(text.endswith("<rendered>Rate answer agree-2.") for text in prompts)
    assert any("Hi?" in text and "assistant" in text for text in prompts)


def test_ift_examples_must_be_some(scores: Path, tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    with pytest.raises(MissingPathError, match="IFT"):
        prepare_eft(config(scores, ift=tmp_path / "nowhere.jsonl"))
    empty = write_jsonl(tmp_path / "empty.jsonl", [])
    with pytest.raises(EmptyDataError, match="empty.jsonl"):
        prepare_eft(config(scores, ift=empty))
    bad = write_jsonl(tmp_path / "bad.jsonl", [IFT, {"id": "z"}])
    with pytest.raises(QuarantineLimitError, match="bad.jsonl:2"):
        prepare_eft(config(scores, ift=bad))


def test_nothing_that_agrees_is_an_error(tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    path = write_jsonl(tmp_path / "scored.jsonl", [*group("i", 1, 5), *group("j", 2, 2)])

    with pytest.raises(EmptyDataError, match="all_equal: 1, disagrees: 1"):
        prepare_eft(config(path))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rank": None}, "`rank` is missing; score the ranked rows of `ste prepare-ranked`"),
        ({"score": "4"}, "`score` must be a number"),
        ({"samples": {}}, "`samples` must be a list"),
        ({"samples": [4]}, r"`samples\[0\]` must be an object"),
        ({"samples": [{"score": 4}]}, r"`samples\[0\].generated_output` is missing"),
        ({"prompt": ""}, "`prompt` must not be empty"),
        ({"input": "Another"}, "`instruction_id` is that of another `input` at .*scored.jsonl:1"),
        ({"id": "agree-0"}, "`id` 'agree-0' is that of .*scored.jsonl:1 too"),
    ],
)
def test_malformed_rows_are_set_aside(
    changes: Fields, reason: str, tmp_path: Path, write_jsonl: WriteJsonl
) -> None:
    bad = scored("agree-9", 9, sample(0)) | changes
    path = write_jsonl(tmp_path / "scored.jsonl", [*ROWS, bad])

    with pytest.raises(QuarantineLimitError, match=f"scored.jsonl:{len(ROWS) + 1}: {reason}"):
        prepare_eft(config(path))
    assert prepare_eft(config(path, quarantine_limit=0.5)).counts["malformed"] == 1
    [set_aside] = (tmp_path / "eft" / "quarantine.jsonl").read_text().splitlines()
    assert json.loads(set_aside)["line"] == len(ROWS) + 1


@pytest.mark.parametrize(
    ("values", "field"), [({"scores_dir": []}, "scores_dir"), ({"quarantine_limit": 2}, "quarantine_l")]
)
def test_wrong_values(values: Fields, field: str, scores: Path) -> None:
    with pytest.raises(ConfigError, match=f"`{field}"):
        config(scores, **values)


def test_command(scores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["prepare-eft", "--scores-dir", str(scores), "--output-dir", str(scores.parent / "eft")]

    assert dispatch([*argv, "--strict"]) == 0
    shown = capsys.readouterr().out
    assert "instructions by fate: malformed 0, all_equal 1, disagrees 2, kept 2" in shown
    assert "rows: eft " in shown
