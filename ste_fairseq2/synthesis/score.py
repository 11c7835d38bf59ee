"""The stage behind `ste judge --mode score`: scores answers one by one, 0 to 5, by an additive prompt.

Each answer is judged several times and its score is the mean of the samples that have one, as in
Self-Rewarding Language Models (arXiv 2401.10020, 2.2 and A.3). The folder holds a row for each answer,
written as it finishes; an answer none of whose samples has a score keeps its row with ``score`` null.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ste_fairseq2.engines.prompting import Prompter
from ste_fairseq2.engines.protocol import (
    Completion,
    GenerationRequest,
    GenerationResult,
    Prompt,
    Refusal,
    SamplingSettings,
)
from ste_fairseq2.errors import ChatTemplateError
from ste_fairseq2.jsonl import Row
from ste_fairseq2.prompts import PromptTemplate, load_prompt
from ste_fairseq2.records.identity import with_other_fields
from ste_fairseq2.records.scoring import ScoreInput
from ste_fairseq2.rng import derived_seed
from ste_fairseq2.scores import MAX_SCORE, ScoreFailure, mean_score, parse_score, whole_points
from ste_fairseq2.synthesis.inputs import InputRecord, StageInputs
from ste_fairseq2.synthesis.judge import JudgeConfig
from ste_fairseq2.synthesis.stage import IsDone, StageOutcome, StageWork, run_stage
from ste_fairseq2.synthesis.tasks import InputTask

STAGE: Final = "score"

SCORE_FIELDS: Final = ("input", "response")
"""What a scoring prompt must show."""


@dataclass(frozen=True, kw_only=True)
class ScorePlan:
    """How each answer is scored."""

    template: PromptTemplate
    sampling: SamplingSettings
    samples: int
    seed: int


class ScoringTask(InputTask):
    """One answer while its samples come in; a
    :class:`~ste_fairseq2.synthesis.tasks.RecordTask` whose record is its score."""

    def __init__(self, record: InputRecord[ScoreInput], plan: ScorePlan, prompter: Prompter) -> None:
        super().__init__(record.id, record)
        self._content = record.content
        self._plan = plan
        self._prompter = prompter
        self._prompt: Prompt | None = None
        self._results: dict[int, GenerationResult] = {}

    def next_requests(self) -> Sequence[GenerationRequest]:
        if self._prompt is not None or self.is_refused:
            return ()
        content, plan = self._content, self._plan
        values = dict(zip(SCORE_FIELDS, (content.input, content.response), strict=True))
        try:
            prompt = self._prompt = self._prompter.render(plan.template.render(values))
        except ChatTemplateError as ex:
            self.refuse("not_renderable", str(ex))
            return ()

        return [
            GenerationRequest(
                id=f"{sample}:{self.id}",
                prompt=prompt,
                sampling=plan.sampling,
                seed=derived_seed(plan.seed, STAGE, f"{sample}:{self.id}"),
            )
            for sample in range(plan.samples)
        ]

    def add(self, completion: Completion) -> None:
        if isinstance(completion, Refusal):
            self.refuse(completion.reason, completion.sentence)
        else:
            self._results[int(completion.request_id.partition(":")[0])] = completion

    @property
    def row(self) -> dict[str, Any] | None:
        """The answer with its scores; ``None`` where the model cannot be asked."""
        if self.is_refused or self._prompt is None:
            return None
        content = self._content
        results = [self._results[sample] for sample in sorted(self._results)]
        samples = [_sample_row(result) for result in results]
        row = {
            "id": self.id,
            "index": self.input.index,
            "input": content.input,
            "response": content.response,
            "score": mean_score(sample["score"] for sample in samples),
            "samples": samples,
            "prompt": self._prompter.text_of(self._prompt),
            "prompt_digest": self._plan.template.digest,
            "num_prompt_tokens": results[0].num_prompt_tokens,
            "num_output_tokens": self.num_output_tokens,
        }

        return with_other_fields(row, content.extra)

    @property
    def num_output_tokens(self) -> int:
        return sum(result.num_output_tokens for result in self._results.values())


class ScoreOutcome(NamedTuple):
    """What a run of the stage left behind."""

    stage: StageOutcome
    summary: dict[str, Any]
    """As :func:`summarise_scores` returns it."""


def run_score(config: JudgeConfig) -> ScoreOutcome:
    """Score everything that is not scored yet; see :func:`run_stage` for what it raises.

    :raises PromptFileError: the prompt is not known or lacks a field.
    """
    template = load_prompt(config.prompt_name)
    template.require(*SCORE_FIELDS)
    plan = ScorePlan(
        template=template, sampling=config.sampling(), samples=config.samples, seed=config.seed
    )

    def make_tasks(
        record: InputRecord[ScoreInput], prompter: Prompter, is_done: IsDone
    ) -> Iterator[ScoringTask]:
        if not is_done(record.id):
            yield ScoringTask(record, plan, prompter)

    work = StageWork(
        name=STAGE,
        inputs=StageInputs(config.inputs, ScoreInput.from_row, split=config.split, limit=config.limit),
        make_tasks=make_tasks,
        template=template,
        settings={"samples": config.samples},
        describe=lambda store: {"summary": summarise_scores(store.records())},
    )
    outcome = run_stage(config, work)

    return ScoreOutcome(outcome, outcome.manifest.details["summary"])


def summarise_scores(rows: Iterable[Row]) -> dict[str, Any]:
    """Count the answers of an output folder by their score, to the nearest whole point, and the samples
    without one by why."""
    points: Counter[int] = Counter()
    failures: Counter[str] = Counter()
    num_unscored = num_samples = 0
    for row in rows:
        score = row.optional_number("score")
        if score is None:
            num_unscored += 1
        else:
            points[whole_points(score)] += 1
        samples = row.require("samples")
        num_samples += len(samples)
        failures.update(sample["failure"] for sample in samples if sample["score"] is None)

    return {
        "answers": points.total() + num_unscored,
        "points": {str(number): points[number] for number in range(MAX_SCORE + 1)},
        "unscored": num_unscored,
        "samples": num_samples,
        "failures": {failure.value: failures[failure.value] for failure in ScoreFailure},
    }


def _sample_row(result: GenerationResult) -> dict[str, Any]:
    score = parse_score(result.text, result.finish_reason)
    failure = score.value if isinstance(score, ScoreFailure) else None

    return {
        "generated_output": result.text,
        "score": None if failure is not None else score,
        "failure": failure,
        "finish_reason": result.finish_reason,
        "num_output_tokens": result.num_output_tokens,
    }
