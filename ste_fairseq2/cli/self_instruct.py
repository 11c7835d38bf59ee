"""`ste self-instruct`: write new instructions from a few examples."""

from __future__ import annotations

from collections.abc import Sequence

from ste_fairseq2.cli.config import parse_config
from ste_fairseq2.cli.stage_report import describe_stage
from ste_fairseq2.synthesis.self_instruct import SelfInstructConfig, run_self_instruct
from ste_fairseq2.synthesis.stage import StageOutcome

_EPILOG = """\
examples:
  ste self-instruct --inputs seed.jsonl --model MODEL --count 1000 --output new
  ste self-instruct --inputs selected --engine endpoint --endpoint http://localhost:8000/v1 \\
      --model NAME_THERE --count 20000 --batch 512 --output new

`ste select` and `ste respond` read the output folder. Run the same command again after an interruption:
what is finished is kept.
"""


def run(argv: Sequence[str]) -> None:
    config = parse_config(
        SelfInstructConfig,
        argv,
        prog="ste self-instruct",
        description="Write new instructions with a model that is shown a few examples at a time.",
        epilog=_EPILOG,
    )
    print(describe_new(run_self_instruct(config)))


def describe_new(outcome: StageOutcome) -> str:
    """Return the report of a run as text."""
    manifest = outcome.manifest
    summary = manifest.details["summary"]
    short = "" if manifest.counts["kept"] >= summary["wanted"] else "; the replies have run out"
    line = (
        f"wanted: {summary['wanted']} (asked for {summary['replies']} replies in "
        f"{summary['batches']} batches{short})"
    )

    return f"{line}\n{describe_stage(outcome)}"
