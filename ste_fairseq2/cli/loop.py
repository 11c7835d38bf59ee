"""`ste loop`: rounds of the whole method, its status and its lineage."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

_USAGE = """\
ste loop CONFIG --output-dir D [options]
       ste loop status D
       ste loop lineage D [--example ID]
"""

_DESCRIPTION = """\
Run rounds of the whole method: make pairs, then in every round judge them, curate, train, evaluate.
Every stage is a process of its own, started by its public command line. The same command again goes on
where it was left.
"""

_EPILOG = """\
examples:
  ste loop training_configs/loop/paper.yaml --output-dir runs/loop --dry-run
  ste loop training_configs/loop/llama_8b.yaml --output-dir runs/loop
  ste loop training_configs/loop/llama_8b.yaml --output-dir runs/pilot --set select.count=50 rounds=1
  ste loop status runs/loop
  ste loop lineage runs/loop
"""


def run(argv: Sequence[str]) -> None:
    if argv and argv[0] == "status":
        _status(argv[1:])
    elif argv and argv[0] == "lineage":
        _lineage(argv[1:])
    else:
        _run(argv)


def _run(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="ste loop",
        usage=_USAGE,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help="YAML file: training_configs/loop/")
    parser.add_argument("--output-dir", type=Path, required=True, metavar="D", help="folder to write")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="FIELD=VALUE", help="values that win over the file"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the steps and what the rest will cost",
    )
    parser.add_argument(
        "--pilot",
        type=Path,
        metavar="D",
        help="with --dry-run: a small loop's folder, to estimate from",
    )
    args = parser.parse_args(list(argv))
    from ste_fairseq2.loop.load import load_loop_config

    config = load_loop_config(args.config, args.set)
    if args.dry_run:
        from ste_fairseq2.loop.dry_run import describe_plan

        print(describe_plan(config, args.output_dir, args.pilot))
        return
    from ste_fairseq2.loop.run import run_loop
    from ste_fairseq2.loop.status import describe_loop

    plan = run_loop(config, args.output_dir)
    print(describe_loop(config, plan, args.output_dir))


def _status(argv: Sequence[str]) -> None:
    parser = _folder_parser("status", "Show the rounds of a loop as a table.")
    folder = parser.parse_args(list(argv)).folder
    from ste_fairseq2.loop.load import read_loop_folder
    from ste_fairseq2.loop.status import describe_loop

    config, plan = read_loop_folder(folder)
    print(describe_loop(config, plan, folder))


def _lineage(argv: Sequence[str]) -> None:
    parser = _folder_parser("lineage", "Lead from each judge back to the data it was made of.")
    parser.add_argument("--example", metavar="ID", help="lead from this training example to its rows")
    args = parser.parse_args(list(argv))
    from ste_fairseq2.loop.example import describe_example
    from ste_fairseq2.loop.lineage import describe_lineage
    from ste_fairseq2.loop.load import read_loop_folder

    _, plan = read_loop_folder(args.folder)
    if args.example is not None:
        print(describe_example(plan, args.example))
    else:
        print(describe_lineage(plan, args.folder))


def _folder_parser(name: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"ste loop {name}", description=description)
    parser.add_argument("folder", type=Path, metavar="D", help="output folder of `ste loop`")

    return parser
