"""The stage behind `ste annotate`: judgements on pairs whose better side is known, in both orders.

Each record is one judgement sample, as the upstream scripts have them and as `ste prepare-sft` and
`ste prepare-dpo` read them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from ste_fairseq2.engines.prompting import Prompter
from ste_fairseq2.engines.protocol import GenerationResult, Prompt
from ste_fairseq2.errors import ConfigError
from ste_fairseq2.prompts import PromptTemplate, load_prompt
from ste_fairseq2.records import JudgementSample, Message, Order, ResponsePair
from ste_fairseq2.synthesis.config import StageConfig
from ste_fairseq2.synthesis.inputs import InputRecord, StageInputs
from ste_fairseq2.synthesis.judging import JUDGE_FIELDS, judge_messages
from ste_fairseq2.synthesis.replies import ReplyPlan, ReplyTask, Unusable
from ste_fairseq2.synthesis.stage import IsDone, StageOutcome, StageWork, run_stage

_STAGE: Final = "annotate"

_RANKS: Final[dict[Order, tuple[int, int]]] = {"0_1": (1, 2), "1_0": (2, 1)}
"""By the answers as they are shown; the lower rank is the better answer, and `0_1` shows it first."""


@dataclass(kw_only=True)
class AnnotateConfig(StageConfig):
    """`ste annotate`; the defaults are the paper's (4.1)."""

    inputs: str
    """pairs: the folder of `ste worsen`, or JSONL with `instruction`, `baseline` and `worse`"""
    prompt: str = "judge"
    """the judge's prompt by name (judge, or released-judge for the released 70B model) or path"""
    samples: int = 15
    """judgements drawn for each pair and order"""
    max_tokens: int = 4096
    """longest judgement"""

    def validate(self) -> None:
        super().validate()
        if self.samples < 1:
            raise ConfigError("samples", f"must be at least 1, but is {self.samples}.")
        self.check_varied("samples")


def run_annotate(config: AnnotateConfig) -> StageOutcome:
    """Draw every judgement that is missing; see :func:`run_stage` for what it raises.

    :raises PromptFileError: the prompt is not known or lacks a field.
    """
    template = load_prompt(config.prompt)
    template.require(*JUDGE_FIELDS)
    plan = ReplyPlan(stage=_STAGE, sampling=config.sampling(), seed=config.seed)

    def make_tasks(
        record: InputRecord[ResponsePair], prompter: Prompter, is_done: IsDone
    ) -> Iterator[ReplyTask]:
        # All samples of a prompt in a row, and one order right behind the other: what they share is
        # computed once.
        for order in _RANKS:
            shown = _ShownPair(record.id, order, record.content, template, prompter)
            for sample in range(config.samples):
                sample_id = f"{record.id}:{order}:{sample}"
                if not is_done(sample_id):
                    yield ReplyTask(
                        sample_id, shown.render, plan, functools.partial(shown.read, sample_id)
                    )

    work = StageWork(
        name=_STAGE,
        inputs=StageInputs(config.inputs, ResponsePair.from_row, limit=config.limit),
        make_tasks=make_tasks,
        tasks_per_record=len(_RANKS) * config.samples,
        template=template,
        settings={"samples": config.samples},
    )

    return run_stage(config, work)


class _ShownPair:
    """A pair in one order; its prompt is rendered once for all samples."""

    def __init__(
        self,
        pair_id: str,
        order: Order,
        pair: ResponsePair,
        template: PromptTemplate,
        prompter: Prompter,
    ) -> None:
        self._pair_id = pair_id
        self._order = order
        self._pair = pair
        self._template = template
        self._prompter = prompter

    @functools.cached_property
    def _messages(self) -> tuple[Message, ...]:
        pair = self._pair

        return judge_messages(self._template, pair.instruction, (pair.baseline, pair.worse), self._order)

    @functools.cached_property
    def _prompt(self) -> Prompt:
        return self._prompter.render(self._messages)

    @functools.cached_property
    def _text(self) -> str:
        return self._prompter.text_of(self._prompt)

    def render(self) -> Prompt:
        """
        :raises ChatTemplateError:
        """
        return self._prompt

    def read(self, sample_id: str, result: GenerationResult) -> dict[str, Any] | Unusable:
        if not result.text.strip():
            # A judge that says nothing teaches nothing, on either side of a preference.
            return Unusable("empty")

        return JudgementSample(
            id=sample_id,
            text=self._text,
            output=result.text,
            ranks=_RANKS[self._order],
            finish_reason=result.finish_reason,
            pair_id=self._pair_id,
            order=self._order,
            # Training renders from these: typed control tokens stay text.
            messages=self._messages,
            extra={"prompt_digest": self._template.digest},
        ).to_row()
