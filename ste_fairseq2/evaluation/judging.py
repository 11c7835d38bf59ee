"""Judges a benchmark with a model: its pairs become the inputs of the judging stage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ste_fairseq2.evaluation.benchmark import BenchmarkPair
from ste_fairseq2.jsonl import write_rows
from ste_fairseq2.synthesis.judge import JudgeConfig, run_judge

INPUTS_NAME: Final = "inputs.jsonl"
JUDGEMENTS_NAME: Final = "judgements"


def judge_pairs(pairs: Sequence[BenchmarkPair], config: JudgeConfig) -> Path:
    """Judge ``pairs``, going on where an earlier run was left, and return the folder of judgements.

    :param config: its ``inputs`` is the file that the pairs are written to.
    :raises InputError: model, prompt or configuration is wrong.
    :raises EngineError: the engine failed; what is finished is kept.
    """
    write_rows(Path(config.inputs), (pair.to_judge_input() for pair in pairs))

    run_judge(config)

    return config.output
