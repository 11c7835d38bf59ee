"""The test behind `ste follow`: how well a model answers instructions whose answers are known.

Each instruction is answered once, greedily unless told otherwise. An answer is right where it is the
known one, word for word; or, with a judge, it is compared with the known one in both orders, and what
counts is how often it wins. Layout of the output folder::

    questions.jsonl             the instructions with their known answers
    responses/                  the answers, as `ste respond` writes them
    inputs.jsonl, judgements/   the comparisons, with a judge
    following.json              the figures
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from ste_fairseq2.errors import EmptyDataError
from ste_fairseq2.evaluation.benchmark import BenchmarkPair
from ste_fairseq2.evaluation.bootstrap import Bootstrap
from ste_fairseq2.evaluation.follow_config import FollowConfig
from ste_fairseq2.evaluation.judging import judge_pairs
from ste_fairseq2.evaluation.rows import read_stored
from ste_fairseq2.jsonl import Row, read_rows, write_rows, write_text
from ste_fairseq2.records import Instruction
from ste_fairseq2.records.ranked import RankedAnswer
from ste_fairseq2.store import find_record_files
from ste_fairseq2.synthesis.config import StageConfig
from ste_fairseq2.synthesis.judge import JudgeConfig
from ste_fairseq2.synthesis.respond import RespondConfig, run_respond
from ste_fairseq2.verdicts import Verdict

FOLLOWING_NAME: Final = "following.json"
QUESTIONS_NAME: Final = "questions.jsonl"
RESPONSES_NAME: Final = "responses"

ANSWER_FIELD: Final = "answer"


@dataclass(frozen=True, kw_only=True)
class Following:
    """How a model followed instructions."""

    measure: Literal["exact_match", "win_rate"]
    instructions: int
    answered: int
    """Instructions with an answer that ended by itself and is not empty; others count as wrong."""
    score: float
    """Mean of the points of the instructions, 0 to 1: 1 for a right answer; or the share of comparisons
    won, where ties and judgements without a verdict count half."""
    interval: tuple[float, float] | None
    """Of the score, by a bootstrap over instructions."""
    mean_words: float | None
    """Of the answers."""
    categories: Mapping[str, float]
    """The score by category, where instructions have one."""


@dataclass(frozen=True)
class Question:
    """An instruction with its known answer."""

    id: str
    instruction: str
    answer: str
    category: str | None = None
    rank: float = 0.0
    """Of the answer among those to the instruction; 0 is best."""

    @staticmethod
    def from_row(row: Row) -> Question:
        """Read `instruction` and `answer`, or a ranked answer as `ste prepare-ranked` writes it."""
        if "rank" in row.data:
            answer = RankedAnswer.from_row(row)
            return Question(answer.instruction_id, answer.input, answer.response, rank=answer.rank)
        content = Instruction.from_row(row)
        answer_text, category = row.non_empty_text(ANSWER_FIELD), row.optional_text("category")

        return Question(content.id, content.instruction, answer_text, category)

    def to_row(self) -> dict[str, str]:
        return {"id": self.id, "instruction": self.instruction, ANSWER_FIELD: self.answer}


def run_follow(config: FollowConfig) -> Following:
    """Ask what is not answered yet, and write the figures.

    :raises InputError: input, model folder or configuration is wrong.
    :raises EngineError: the engine failed; what is finished is kept.
    """
    questions = _read_questions(config)
    config.output.mkdir(parents=True, exist_ok=True)
    place = config.output / QUESTIONS_NAME
    write_rows(place, (question.to_row() for question in questions.values()))
    shared = {item.name: getattr(config, item.name) for item in fields(StageConfig)}
    responses = config.output / RESPONSES_NAME
    own = {"inputs": str(place), "output": responses, "limit": None}
    run_respond(RespondConfig(**shared | own))
    answers = {
        row.text("id"): row.text("baseline")
        for file in find_record_files(responses)
        for row in read_rows(file)
    }
    if config.judge is None:
        points = {
            name: float(_plain(answers.get(name, "")) == _plain(question.answer))
            for name, question in questions.items()
        }
    else:
        points = _compare(config.judge_config(config.judge), questions, answers)
    following = _summarise(config, questions, answers, points)
    write_text(config.output / FOLLOWING_NAME, json.dumps(asdict(following), indent=2) + "\n")

    return following


def _read_questions(config: FollowConfig) -> dict[str, Question]:
    """Return the questions by id; of the ranked answers to one, the best is the known one.

    :raises RowError: a row is malformed. A test is of all of its rows, so none is passed over.
    """
    questions: dict[str, Question] = {}
    for file in find_record_files(Path(config.inputs)):
        for row in read_rows(file):
            question = Question.from_row(row)
            known = questions.get(question.id)
            if known is not None and "rank" not in row.data:
                row.fail("id", f"{question.id!r} is that of another row too; ids must be unique.")
            if known is None or question.rank < known.rank:
                questions[question.id] = question
    if not questions:
        raise EmptyDataError(f"`{config.inputs}`")

    return dict(itertools.islice(questions.items(), config.limit))


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _compare(
    config: JudgeConfig, questions: Mapping[str, Question], answers: Mapping[str, str]
) -> dict[str, float]:
    """Return the share of comparisons that each answer wins; none is 0."""
    pairs = [
        BenchmarkPair(
            id=name,
            prompt=questions[name].instruction,
            answers=(answer, questions[name].answer),
            better=Verdict.A,
        )
        for name, answer in answers.items()
    ]
    folder = judge_pairs(pairs, config)
    won: dict[str, list[float]] = {name: [] for name in questions}
    for file in find_record_files(folder):
        for row in read_rows(file):
            for judgement in read_stored(row).judgements:
                decided = judgement.verdict.is_decided
                won[judgement.pair_id].append(
                    float(judgement.verdict is judgement.gold) if decided else 0.5
                )

    return {name: sum(values) / len(values) if values else 0.0 for name, values in won.items()}


def _summarise(
    config: FollowConfig,
    questions: Mapping[str, Question],
    answers: Mapping[str, str],
    points: Mapping[str, float],
) -> Following:
    bootstrap = Bootstrap(seed=config.seed)
    values = np.array([points[name] for name in sorted(questions)])[:, None]
    by_category: dict[str, list[float]] = {}
    for name, question in questions.items():
        if question.category is not None:
            by_category.setdefault(question.category, []).append(points[name])

    return Following(
        measure="exact_match" if config.judge is None else "win_rate",
        instructions=len(questions),
        answered=len(answers),
        score=float(values.mean()),
        interval=bootstrap.interval(bootstrap.resample(values, "following")[:, 0] / len(values)),
        mean_words=_mean([len(answer.split()) for answer in answers.values()]),
        categories={name: _mean(by_category[name]) or 0.0 for name in sorted(by_category)},
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def read_following(folder: Path) -> Following | None:
    """Return what :func:`run_follow` wrote; ``None`` where it has not ended."""
    path = folder / FOLLOWING_NAME
    if not path.is_file():
        return None
    row: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    interval = row["interval"]

    return Following(**row | {"interval": None if interval is None else (interval[0], interval[1])})
