"""Judging from Python: load a model once, then ask it about pairs of answers.

::

    from ste_fairseq2 import load_judge

    with load_judge("checkpoints/judge") as judge:
        [judgement] = judge.judge([("2 + 2?", "4", "5")])
        print(judgement.verdict)  # Verdict.A
        print(judgement.text)  # what the judge wrote

        judge.judge(pairs, both_orders=True)  # two judgements a pair
        judge.judge(pairs, samples=32, temperature=0.7, top_p=0.9)  # a majority vote

Nothing is written to disk; for files, use `ste judge`, which survives being interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.engines.prompting import Prompter, TokenPrompter
from ste_fairseq2.engines.protocol import Engine, SamplingSettings
from ste_fairseq2.engines.vllm_engine import VllmEngine, VllmSettings
from ste_fairseq2.errors import RowError
from ste_fairseq2.jsonl import Row
from ste_fairseq2.prompts import PromptTemplate, load_prompt
from ste_fairseq2.records import JudgeInput
from ste_fairseq2.synthesis.judge_inputs import JudgeTask
from ste_fairseq2.synthesis.judgement import Judgement
from ste_fairseq2.synthesis.judging import JUDGE_FIELDS, JudgePlan, judging_tasks
from ste_fairseq2.synthesis.tasks import finish_tasks

Pair: TypeAlias = JudgeInput | Mapping[str, Any] | tuple[str, str, str]
"""A pair to judge: a record, a mapping with its fields (``input``, ``response_a``, ``response_b``, and
``id`` and ``label`` where you like), or just the three texts."""

_SOURCE = "pairs"


class Judge:
    """A loaded judge; a context manager that frees the model at its end. Made by :func:`load_judge`."""

    def __init__(self, engine: Engine, prompter: Prompter, template: PromptTemplate) -> None:
        template.require(*JUDGE_FIELDS)
        self._engine = engine
        self._prompter = prompter
        self._template = template

    def __enter__(self) -> Judge:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def judge(
        self,
        pairs: Iterable[Pair],
        *,
        samples: int = 1,
        both_orders: bool = False,
        temperature: float = 0.0,
        top_p: float = 1.0,
        max_tokens: int = 2048,
        seed: int = 2,
    ) -> list[Judgement]:
        """Return the judgements in the order of the pairs; two in a row for each with both orders.

        A judgement in which the judge named no winner is there like any other: look at its ``verdict``.

        :param samples: judgements drawn for each prompt; their majority is the verdict.
        :raises ConfigError: several samples are wanted at temperature 0, where all are the same.
        :raises RowError: a pair lacks a field, or its prompt is too long for the model.
        """
        plan = JudgePlan(
            template=self._template,
            sampling=SamplingSettings(temperature=temperature, top_p=top_p, max_tokens=max_tokens),
            samples=samples,
            both_orders=both_orders,
            seed=seed,
        )
        judgements = []
        tasks = (t for task in _to_tasks(pairs) for t in judging_tasks(task, plan, self._prompter))
        for task in finish_tasks(tasks, self._engine):
            if task.row is None:
                raise RowError(task.input.source, task.input.line, None, task.detail["sentence"])
            judgements.append(task.judgement())

        return sorted(judgements, key=lambda judgement: (judgement.index, judgement.order))

    def close(self) -> None:
        """Free the memory that the model holds."""
        self._engine.close()


def load_judge(
    model: Path | str,
    *,
    prompt: str = "judge",
    tensor_parallel_size: int = 1,
    pipeline_parallel_size: int = 1,
    **engine_options: Any,
) -> Judge:
    """Load a model as a judge.

    :param model: a Hugging Face model folder.
    :param prompt: the prompt by name or path; ``released-judge`` for the released 70B model.
    :param engine_options: further vLLM engine arguments.
    :raises InputError: the model folder or the prompt is not usable.
    :raises EngineError: vLLM cannot load the model.
    """
    template = load_prompt(prompt)
    renderer = ChatRenderer.from_folder(Path(model))
    settings = VllmSettings(
        model=Path(model),
        tensor_parallel_size=tensor_parallel_size,
        pipeline_parallel_size=pipeline_parallel_size,
        options=engine_options,
    )

    engine = VllmEngine(settings, stop_token_ids=[renderer.eot_id])

    return Judge(engine, TokenPrompter(renderer), template)


def _to_tasks(pairs: Iterable[Pair]) -> list[JudgeTask]:
    tasks = []
    seen: set[str] = set()
    for index, pair in enumerate(pairs):
        if isinstance(pair, tuple):
            pair = dict(zip(JUDGE_FIELDS, pair, strict=True))
        if not isinstance(pair, JudgeInput):
            pair = JudgeInput.from_row(Row(_SOURCE, index, pair))
        task_id = pair.id if pair.id not in seen else f"{pair.id}-{index}"
        seen.add(task_id)
        tasks.append(JudgeTask(index, task_id, _SOURCE, index, pair))

    return tasks
