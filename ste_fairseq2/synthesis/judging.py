"""Asks a judge about pairs, with a vote over several samples; used by `ste judge` and the API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ste_fairseq2.engines.prompting import Prompter
from ste_fairseq2.engines.protocol import (
    Completion,
    GenerationRequest,
    Prompt,
    Refusal,
    SamplingSettings,
)
from ste_fairseq2.errors import ChatTemplateError, ConfigError
from ste_fairseq2.prompts import PromptTemplate
from ste_fairseq2.records import JudgeInput, Message, Order
from ste_fairseq2.rng import derived_seed
from ste_fairseq2.synthesis.judge_inputs import JudgeTask
from ste_fairseq2.synthesis.judgement import Judgement, JudgementText
from ste_fairseq2.synthesis.tasks import InputTask
from ste_fairseq2.verdicts import parse_verdict
from ste_fairseq2.votes import Vote

JUDGE_FIELDS: Final = ("input", "response_a", "response_b")
"""What a judge's prompt template must show."""


@dataclass(frozen=True, kw_only=True)
class JudgePlan:
    """How each task is judged."""

    template: PromptTemplate | None
    """``None`` where the tasks carry rendered prompts."""
    sampling: SamplingSettings
    samples: int = 1
    stop_when_settled: bool = True
    """Draw no more samples of a vote than its verdict needs."""
    both_orders: bool = False
    seed: int = 2

    def __post_init__(self) -> None:
        """
        :raises ConfigError: the samples would all be the same.
        """
        if self.samples > 1 and self.sampling.temperature == 0.0:
            raise ConfigError("samples", "above 1 are all the same at temperature 0; set `temperature`.")

    @property
    def orders(self) -> tuple[Order, ...]:
        return ("0_1", "1_0") if self.both_orders else ("0_1",)

    def judgement_id(self, task_id: str, order: Order) -> str:
        return f"{task_id}:{order}" if self.both_orders else task_id


def judge_messages(
    template: PromptTemplate, instruction: str, answers: tuple[str, str], order: Order
) -> tuple[Message, ...]:
    """Return the judge's messages about two answers, ``1_0`` the other way round than given."""
    first, second = answers if order == "0_1" else answers[::-1]

    return template.render(dict(zip(JUDGE_FIELDS, (instruction, first, second), strict=True)))


def render_task(
    task: JudgeTask, order: Order, template: PromptTemplate | None, prompter: Prompter
) -> Prompt:
    """Return the prompt for one task and order.

    :raises ChatTemplateError: the model's template cannot render it faithfully.
    """
    content = task.content
    if not isinstance(content, JudgeInput):
        return prompter.render_text(content.text)
    assert template is not None
    answers = (content.response_a, content.response_b)

    return prompter.render(judge_messages(template, content.input, answers, order))


def judging_tasks(task: JudgeTask, plan: JudgePlan, prompter: Prompter) -> Iterator[JudgingTask]:
    """Yield what is to do for one input: both orders one after another, so that the engine computes
    what their prompts share once."""
    for order in plan.orders:
        yield JudgingTask(plan.judgement_id(task.id, order), task, order, plan, prompter)


class JudgingTask(InputTask):
    """One input in one order while its samples come in; a
    :class:`~ste_fairseq2.synthesis.tasks.RecordTask` whose record is a judgement."""

    def __init__(
        self, judgement_id: str, task: JudgeTask, order: Order, plan: JudgePlan, prompter: Prompter
    ) -> None:
        super().__init__(judgement_id, task)
        self._order = order
        self._plan = plan
        self._prompter = prompter
        self._prompt: Prompt | None = None
        self._num_prompt_tokens = 0
        self._texts: dict[int, JudgementText] = {}
        self._vote = Vote(plan.samples)

    def next_requests(self) -> Sequence[GenerationRequest]:
        """Return the requests to send now; none where the verdict is settled."""
        plan, first = self._plan, self._vote.drawn
        count = self._vote.next_wave if plan.stop_when_settled else plan.samples - first
        if self.is_refused or not count:
            return ()
        if self._prompt is None:
            try:
                self._prompt = render_task(self.input, self._order, plan.template, self._prompter)
            except ChatTemplateError as ex:
                self.refuse("not_renderable", str(ex))
                return ()

        return [
            GenerationRequest(
                id=f"{sample}:{self.id}",
                prompt=self._prompt,
                sampling=plan.sampling,
                seed=derived_seed(plan.seed, "judge", f"{sample}:{self.id}"),
            )
            for sample in range(first, first + count)
        ]

    def add(self, completion: Completion) -> None:
        if isinstance(completion, Refusal):
            self.refuse(completion.reason, completion.sentence)
            return
        self._num_prompt_tokens = completion.num_prompt_tokens
        verdict = parse_verdict(completion.text, completion.finish_reason)
        self._texts[int(completion.request_id.partition(":")[0])] = JudgementText(
            generated_output=completion.text,
            verdict=verdict,
            finish_reason=completion.finish_reason,
            num_output_tokens=completion.num_output_tokens,
        )
        self._vote.add(verdict)

    @property
    def row(self) -> dict[str, Any] | None:
        """The judgement's row; ``None`` where the model cannot be asked."""
        return None if self.is_refused else self.judgement().to_row()

    @property
    def num_output_tokens(self) -> int:
        return sum(text.num_output_tokens for text in self._texts.values())

    def judgement(self) -> Judgement:
        assert self._prompt is not None
        content = self.input.content
        label = content.label
        template = self._plan.template

        return Judgement(
            id=self.id,
            pair_id=self.input.id,
            index=self.input.index,
            order=self._order,
            prompt=self._prompter.text_of(self._prompt),
            prompt_digest=template.digest if template is not None else None,
            num_prompt_tokens=self._num_prompt_tokens,
            samples=[self._texts[sample] for sample in sorted(self._texts)],
            label=label.swap() if label is not None and self._order == "1_0" else label,
            extra=content.extra,
        )
