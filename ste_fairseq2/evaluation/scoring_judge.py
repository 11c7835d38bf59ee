"""Evaluates a judge that scores answers one by one: each answer of a benchmark once, then compared.

The answers go through the stage of `ste judge --mode score`, so a killed run goes on. An answer that a
benchmark holds several times to one prompt is scored once, whatever it is compared with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ste_fairseq2.evaluation.benchmark import Benchmark
from ste_fairseq2.evaluation.item_table import SampleCounts
from ste_fairseq2.evaluation.items import BenchmarkItem, ShownAnswer
from ste_fairseq2.evaluation.pointwise import PointwisePlan, PointwiseScores, evaluate_scores
from ste_fairseq2.evaluation.provenance import find_provenance
from ste_fairseq2.evaluation.result import Evaluation
from ste_fairseq2.jsonl import Row, read_rows, write_rows
from ste_fairseq2.records.identity import content_id
from ste_fairseq2.scores import MAX_SCORE, ScoreFailure, comparable
from ste_fairseq2.store import find_record_files
from ste_fairseq2.synthesis.judge import JudgeConfig
from ste_fairseq2.synthesis.score import run_score


def evaluate_scoring_judge(
    plan: PointwisePlan,
    config: JudgeConfig,
    benchmark: Benchmark,
    items: Sequence[BenchmarkItem],
    passed_over: dict[str, int],
    *,
    judge: str | None = None,
) -> Evaluation:
    """Score the answers, going on where an earlier run was left, and write the output folder.

    :param config: of ``mode`` score; its ``inputs`` is the file that the answers are written to.
    :param judge: the name of the judge; that of its model's folder where this is ``None``.
    :raises InputError: model, prompt or configuration is wrong.
    :raises EngineError: the engine failed; what is finished is kept.
    """
    write_rows(Path(config.inputs), _distinct_answers(items))
    outcome = run_score(config)
    provenance = find_provenance(config.output)
    name = judge or provenance.judge or "judge"
    asked = {
        answer: _name(shown)
        for item in items
        for answer, shown in zip(item.answer_ids, item.shown, strict=True)
    }
    grades = _read_grades(config.output)
    scores = PointwiseScores(
        name=name,
        values={a: score for a, n in asked.items() if (score := _score(grades, n)) is not None},
        # What is scored once costs once: with the first answer that it is the score of.
        tokens={a: grades[n].tokens for n, a in _first(asked).items() if n in grades},
        samples={a: grades[n].samples for a, n in asked.items() if n in grades},
        top=MAX_SCORE,
        provenance=replace(provenance, judge=name, details=provenance.details | {"mode": config.mode}),
        counts=outcome.stage.manifest.counts,
        summary=outcome.summary,
    )

    return evaluate_scores(plan, scores, benchmark, items, passed_over)


@dataclass(frozen=True)
class _Grade:
    """What the judge says of one answer."""

    score: float | None
    samples: SampleCounts
    tokens: tuple[int, int]
    """Of the prompt, for each sample anew as with a judge of pairs, and generated."""

    @staticmethod
    def of(row: Row) -> _Grade:
        failures = [sample["failure"] for sample in row.require("samples")]
        samples = SampleCounts(
            total=len(failures),
            unparseable=failures.count(ScoreFailure.UNPARSEABLE.value),
            truncated=failures.count(ScoreFailure.TRUNCATED.value),
        )
        score = row.optional_number("score")
        tokens = (samples.total * row.require("num_prompt_tokens"), row.require("num_output_tokens"))

        return _Grade(None if score is None else comparable(score), samples, tokens)


def _read_grades(folder: Path) -> dict[str, _Grade]:
    return {
        row.text("id"): _Grade.of(row) for file in find_record_files(folder) for row in read_rows(file)
    }


def _score(grades: Mapping[str, _Grade], name: str) -> float | None:
    return grades[name].score if name in grades else None


def _first(asked: Mapping[str, str]) -> dict[str, str]:
    """Return the first answer that goes by each name."""
    first: dict[str, str] = {}
    for answer, name in asked.items():
        first.setdefault(name, answer)

    return first


def _distinct_answers(items: Iterable[BenchmarkItem]) -> Iterator[dict[str, Any]]:
    """Yield a row for each answer that differs from those before it, or answers another prompt."""
    seen: set[str] = set()
    for shown in (shown for item in items for shown in item.shown):
        name = _name(shown)
        if name not in seen:
            seen.add(name)
            yield {"id": name, "input": shown.prompt, "response": shown.answer}


def _name(shown: ShownAnswer) -> str:
    return content_id(*shown)
