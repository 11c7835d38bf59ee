"""`ste respond`: write a response to each instruction."""

from __future__ import annotations

from collections.abc import Sequence

from ste_fairseq2.cli.config import parse_config
from ste_fairseq2.cli.stage_report import describe_stage
from ste_fairseq2.synthesis.respond import RespondConfig, run_respond

_EPILOG = """\
examples:
  ste respond --inputs selected --model MODEL --output responses
  ste respond --inputs instructions.jsonl --engine endpoint --endpoint http://localhost:8000/v1 \\
      --model NAME_THERE --output responses

Run the same command again after an interruption: what is finished is kept.
"""


def run(argv: Sequence[str]) -> None:
    config = parse_config(
        RespondConfig,
        argv,
        prog="ste respond",
        description="Write a response to each instruction: the better side of the pairs to come.",
        epilog=_EPILOG,
    )
    print(describe_stage(run_respond(config)))
