"""`ste report`: one HTML page about a loop."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ste_fairseq2.report.write import DEFAULT_JUDGEMENTS, ReportConfig, write_report

_DESCRIPTION = """\
Write one HTML page about a loop, finished or not: accuracy by round, what was kept and why, lengths,
position bias, confidence, training curves, cost, and judgements to read; of a self-rewarding loop also
how the models answer, agreement with human ranks, and scores. It opens without a network.
"""

_EPILOG = """\
examples:
  ste report runs/loop
  ste report runs/loop --compare runs/other --output comparison.html
"""


def run(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="ste report",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("folder", type=Path, metavar="D", help="output folder of `ste loop`")
    parser.add_argument(
        "--output", type=Path, metavar="F.html", help="file to write (default: D/report.html)"
    )
    parser.add_argument(
        "--compare",
        type=Path,
        nargs="+",
        default=[],
        metavar="D",
        help="folders of other loops of the same method, drawn beside this one in the figures of "
        "accuracy and of following",
    )
    parser.add_argument(
        "--judgements",
        type=int,
        default=DEFAULT_JUDGEMENTS,
        metavar="N",
        help="most judgements to read in the page, of each round, kind and order, and most scored "
        "answers of each round (default: %(default)s)",
    )
    args = parser.parse_args(list(argv))

    outcome = write_report(
        ReportConfig(
            folder=args.folder,
            output=args.output,
            compare=args.compare,
            judgements=args.judgements,
        )
    )
    print(f"{outcome.embedded:,} of {outcome.total:,} judgements to read; written to {outcome.path}")
