"""The console script `ste`: finds the command's module and hands it the arguments.

Nothing heavier than argparse is imported before a command begins its work, so `ste --help` and
`ste COMMAND --help` answer at once.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from ste_fairseq2 import __version__
from ste_fairseq2.errors import InputError, SteError


class _Command(NamedTuple):
    module: str
    """A module of this package with ``run(argv) -> int | None``."""
    summary: str


_COMMANDS: Final = {
    "demo": _Command("demo", "watch a small judge teach itself, on a CPU in minutes"),
    "select": _Command("select", "pick the instructions to train on out of a large source"),
    "self-instruct": _Command("self_instruct", "write new instructions from a few examples"),
    "respond": _Command("respond", "write a response to each instruction"),
    "worsen": _Command("worsen", "write a worse response to each instruction"),
    "annotate": _Command("annotate", "draw judgements on pairs whose better side is known"),
    "judge": _Command("judge", "judge pairs of answers with a model"),
    "evaluate": _Command("evaluate", "score judgements, judge a benchmark, compare evaluations"),
    "follow": _Command("follow", "test a model's own answers against known ones"),
    "prepare-sft": _Command("prepare_sft", "curate judgement samples into SFT examples"),
    "prepare-dpo": _Command("prepare_dpo", "curate judgement samples into preference pairs"),
    "prepare-preferences": _Command(
        "prepare_preferences", "pair the best and the worst of scored answers"
    ),
    "prepare-ranked": _Command(
        "prepare_ranked", "make seed data of human-ranked answers: IFT, and answers to score"
    ),
    "prepare-eft": _Command(
        "prepare_eft", "keep the scorings that agree with human ranks, as SFT examples"
    ),
    "fetch-dpo-data": _Command("fetch_dpo_data", "rebuild the released preference pairs from the Hub"),
    "loop": _Command("loop", "run rounds of all of this, or show how far they are"),
    "report": _Command("report", "write one page about a loop, with judgements to read"),
    "doctor": _Command("doctor", "check a training configuration and its data beforehand"),
    "make-tiny-model": _Command("make_tiny_model", "write a small, untrained Llama for trials"),
}


def main() -> None:
    sys.exit(dispatch(sys.argv[1:]))


def dispatch(argv: Sequence[str]) -> int:
    """Run one command and return its exit status: 0 done, 2 wrong input, 1 failed otherwise."""
    if not argv or argv[0] in ("-h", "--help"):
        print(_usage())
        return 0 if argv else 2
    if argv[0] == "--version":
        print(f"ste {__version__}")
        return 0
    command = _COMMANDS.get(argv[0])
    if command is None:
        print(f"ste: `{argv[0]}` is not a command; it has {', '.join(_COMMANDS)}.", file=sys.stderr)
        return 2

    return run_guarded(f"ste {argv[0]}", lambda: _load(command)(argv[1:]))


def run_guarded(prog: str, call: Callable[[], int | None]) -> int:
    """Call, and turn an error that was raised on purpose into one sentence and its exit status."""
    try:
        return call() or 0
    except InputError as ex:
        print(f"{prog}: {ex}", file=sys.stderr)
        return 2
    except SteError as ex:
        print(f"{prog}: {ex}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{prog}: interrupted; run the same command again to go on.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output (a pager, `head`) has gone; keep the interpreter's exit quiet too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _load(command: _Command) -> Callable[[Sequence[str]], int | None]:
    module = importlib.import_module(f"ste_fairseq2.cli.{command.module}")
    run: Callable[[Sequence[str]], int | None] = module.run

    return run


def _usage() -> str:
    width = max(len(name) for name in _COMMANDS)
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in _COMMANDS.items()]

    return "\n".join(
        [
            "usage: ste COMMAND [options]",
            "",
            "Self-Taught Evaluators: make training data for an LLM judge, use it and score it.",
            "",
            "commands:",
            *lines,
            "",
            "`ste COMMAND --help` tells a command's options; training is under `fairseq2 lm --help`.",
        ]
    )
