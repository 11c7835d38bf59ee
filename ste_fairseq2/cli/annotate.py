"""`ste annotate`: draw judgements on pairs whose better side is known."""

from __future__ import annotations

from collections.abc import Sequence

from ste_fairseq2.cli.config import parse_config
from ste_fairseq2.cli.stage_report import describe_stage
from ste_fairseq2.synthesis.annotate import AnnotateConfig, run_annotate

_EPILOG = """\
examples:
  ste annotate --inputs pairs --model JUDGE --output judgements
  ste prepare-sft --generation-dir judgements --output-dir sft --min-agreement 0.5

Run the same command again after an interruption: what is finished is kept.
"""


def run(argv: Sequence[str]) -> None:
    config = parse_config(
        AnnotateConfig,
        argv,
        prog="ste annotate",
        description="Draw judgements on pairs whose better side is known, in both orders.",
        epilog=_EPILOG,
    )
    print(describe_stage(run_annotate(config)))
