"""`ste demo`: the whole method on a small world, on a CPU."""

from __future__ import annotations

from collections.abc import Sequence

from ste_fairseq2.cli.config import parse_config
from ste_fairseq2.small_world.demo_config import DemoConfig

_DESCRIPTION = """\
Run the whole method on a small world: a shipped model answers instructions, writes worse answers, judges
pairs in both orders and learns from its own judgements, round after round, through the same stages as
any other model. Needs no GPU and no network. With --method self_rewarding another model learns from
ranked answers, and then from the scores that it gives its own.
"""

_EPILOG = """\
examples:
  ste demo --output-dir runs/demo --seed 1
  ste demo --output-dir runs/self-rewarding --method self_rewarding

Run the same command again after an interruption: what is finished is kept.
"""


def run(argv: Sequence[str]) -> None:
    config = parse_config(DemoConfig, argv, prog="ste demo", description=_DESCRIPTION, epilog=_EPILOG)
    if config.method == "self_rewarding":
        _run_self_rewarding(config)
    else:
        _run_self_taught(config)


def _run_self_taught(config: DemoConfig) -> None:
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


def _run_self_rewarding(config: DemoConfig) -> None:
    from ste_fairseq2.report.write import REPORT_NAME, ReportConfig, write_report
    from ste_fairseq2.small_world.rewarding_demo import (
        LOOP_NAME,
        describe_rewarding_demo,
        run_rewarding_demo,
    )

    folder = config.output_dir
    rounds = run_rewarding_demo(config)
    print(describe_rewarding_demo(folder, rounds))
    report = write_report(ReportConfig(folder=folder / LOOP_NAME, output=folder / REPORT_NAME))
    print(f"written to `{folder}`: {LOOP_NAME}, {report.path.name}")
