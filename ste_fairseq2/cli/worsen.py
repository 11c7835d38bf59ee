"""`ste worsen`: write a worse response to each instruction."""

from __future__ import annotations

from collections.abc import Sequence

from ste_fairseq2.cli.config import parse_config
from ste_fairseq2.cli.stage_report import describe_stage
from ste_fairseq2.synthesis.worsen import WorsenConfig, run_worsen

_EPILOG = """\
examples:
  ste worsen --inputs responses --model MODEL --output pairs
  ste worsen --inputs responses --model MODEL --output pairs --way rewrite
  ste worsen --inputs responses --model MODEL --output pairs --prompt released-worse-response

Run the same command again after an interruption: what is finished is kept.
"""


def run(argv: Sequence[str]) -> None:
    config = parse_config(
        WorsenConfig,
        argv,
        prog="ste worsen",
        description="Write a worse response to each instruction: pairs with a known better side.",
        epilog=_EPILOG,
    )
    print(describe_stage(run_worsen(config)))
