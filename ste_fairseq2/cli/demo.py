"""`ste demo`: the whole method on a small world, on a CPU."""

from __future__ import annotations

from collections.abc import Sequence

from ste_fairseq2.cli.config import parse_config
from ste_fairseq2.small_world.demo_config import DemoConfig

_DESCRIPTION = """\
Run the whole method on a small world: a shipped model answers instructions, writes worse answers, judges
pairs in both orders and learns from its own judgements, round after round, through the same stages as
any other model. Needs no GPU and no network.
"""

_EPILOG = """\
example:
  ste demo --output-dir runs/demo --seed 1

Run the same command again after an interruption: what is finished is kept.
"""


def run(argv: Sequence[str]) -> None:
    config = parse_config(DemoConfig, argv, prog="ste demo", description=_DESCRIPTION, epilog=_EPILOG)
    from ste_fairseq2.loop.rounds import ROUNDS_NAME
    from ste_fairseq2.report.write import REPORT_NAME, ReportConfig, write_report
    from ste_fairseq2.small_world.demo import run_demo
    from ste_fairseq2.small_world.demo_report import describe_demo, draw_demo

    rounds = run_demo(config)
    picture = draw_demo(config.output_dir, rounds)
    print(describe_demo(config.output_dir, rounds))
    first, *others = (config.output_dir / name for name in rounds)
    report = write_report(
        ReportConfig(folder=first, output=config.output_dir / REPORT_NAME, compare=others)
    )
    print(f"written to `{config.output_dir}`: {ROUNDS_NAME}, {picture.name}, {report.path.name}")
