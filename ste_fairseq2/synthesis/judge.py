"""The stage behind `ste judge`: judges a file of pairs with a model, into a folder that survives a kill.

The folder holds one row for each input and order (see
:class:`~ste_fairseq2.synthesis.judgement.Judgement`), written as it finishes. Started again, the stage
goes on with what is missing; where nothing is missing it ends at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from ste_fairseq2.engines.prompting import Prompter
from ste_fairseq2.errors import ConfigError
from ste_fairseq2.prompts import load_prompt
from ste_fairseq2.synthesis.config import StageConfig
from ste_fairseq2.synthesis.judge_inputs import JudgeTask, judge_inputs
from ste_fairseq2.synthesis.judge_summary import JudgeSummary, summarise
from ste_fairseq2.synthesis.judging import JUDGE_FIELDS, JudgePlan, JudgingTask, judging_tasks
from ste_fairseq2.synthesis.stage import IsDone, StageOutcome, StageWork, run_stage

_STAGE: Final = "judge"

_MEANINGFUL_FIELDS: Final = ("prompt_key", "samples", "stop_when_settled", "both_orders")


@dataclass(kw_only=True)
class JudgeConfig(StageConfig):
    """What to judge, with which model, and how."""

    inputs: str
    """pairs to judge: a JSONL file, a folder of them, or hg://owner/name; rows have input, response_a,
    response_b and, if known, id and label; with mode score input and response"""
    mode: Literal["compare", "score"] = "compare"
    """compare: which of two answers is better; score: how good an answer is by itself, 0 to 5"""
    split: str = "train"
    """split of an hg:// data set"""
    prompt: str | None = None
    """prompt by name or path; where absent judge or, with mode score, score (released-judge is that of
    the released 70B model)"""
    prompt_key: str | None = None
    """field with prompts that already carry the chat template, instead of pairs"""
    samples: int = 1
    """judgements drawn for each prompt; the majority is the verdict"""
    stop_when_settled: bool = True
    """draw no more samples than the majority needs to be certain"""
    both_orders: bool = False
    """judge each pair the other way round too"""
    temperature: float = 0.0
    """0 is greedy"""
    top_p: float = 1.0
    """share of the probability that tokens are drawn from"""

    def validate(self) -> None:
        """
        :raises ConfigError:
        """
        super().validate()
        if self.samples < 1:
            raise ConfigError("samples", f"must be at least 1, but is {self.samples}.")
        if self.prompt_key is not None and self.both_orders:
            raise ConfigError("both_orders", "needs pairs, but `prompt_key` names rendered prompts.")
        if self.mode == "score":
            for name in ("prompt_key", "both_orders"):
                if getattr(self, name):
                    raise ConfigError(name, "belongs to `mode` compare, but that is score.")
        self.check_varied("samples")

    @property
    def prompt_name(self) -> str:
        """The prompt that is used."""
        return self.prompt or ("judge" if self.mode == "compare" else "score")

    def plan(self) -> JudgePlan:
        """
        :raises PromptFileError: the prompt is not known or lacks a field.
        """
        template = load_prompt(self.prompt_name) if self.prompt_key is None else None
        if template is not None:
            template.require(*JUDGE_FIELDS)

        return JudgePlan(
            template=template,
            sampling=self.sampling(),
            samples=self.samples,
            stop_when_settled=self.stop_when_settled,
            both_orders=self.both_orders,
            seed=self.seed,
        )


class JudgeOutcome(NamedTuple):
    """What a run of the stage left behind."""

    stage: StageOutcome
    summary: JudgeSummary


def run_judge(config: JudgeConfig) -> JudgeOutcome:
    """Compare everything that is not compared yet.

    :raises InputError: input, model folder, prompt or configuration is wrong; nothing was begun.
    :raises EngineError: the engine failed; what is finished is kept.
    """
    plan = config.plan()

    def make_tasks(task: JudgeTask, prompter: Prompter, is_done: IsDone) -> Iterator[JudgingTask]:
        return (t for t in judging_tasks(task, plan, prompter) if not is_done(t.id))

    work = StageWork(
        name=_STAGE,
        inputs=judge_inputs(
            config.inputs, split=config.split, prompt_key=config.prompt_key, limit=config.limit
        ),
        make_tasks=make_tasks,
        tasks_per_record=len(plan.orders),
        template=plan.template,
        probe=None,
        settings={name: getattr(config, name) for name in _MEANINGFUL_FIELDS},
        describe=lambda store: {"summary": summarise(store.records()).to_dict()},
    )
    outcome = run_stage(config, work)

    return JudgeOutcome(outcome, JudgeSummary.from_dict(outcome.manifest.details["summary"]))
