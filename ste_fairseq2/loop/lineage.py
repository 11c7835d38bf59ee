"""Leads from a judge back to the raw data: what each step read, with its digest then and now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ste_fairseq2.loop.digests import digest_place
from ste_fairseq2.loop.journal import StepState, read_journal
from ste_fairseq2.loop.plan import Plan, Round
from ste_fairseq2.loop.sizes import num_written
from ste_fairseq2.store.manifest import read_manifest

_SHOWN_DIGITS = 12


def describe_lineage(plan: Plan, folder: Path) -> str:
    """Return, for each round's judge that is there, the steps and files it came of."""
    states = read_journal(folder)
    parts = [
        "\n".join([f"round {round_.name}: {round_.judge}", *_trace(plan, round_, states)])
        for round_ in plan.rounds[1:]
        if round_.judge.is_dir()
    ]

    return "\n\n".join(parts) if parts else "No round has a judge yet."


def _trace(plan: Plan, round_: Round, states: Mapping[str, StepState]) -> Iterator[str]:
    """Yield a line for each step and file, indented below what was made of it."""
    shown: set[str] = set()

    def walk(place: str, role: str, made_from: Mapping[str, str], depth: int) -> Iterator[str]:
        step = plan.maker_of(place)
        indent = "  " * depth
        name = place if step is None else f"{step.name}{place.removeprefix(str(step.output))}"
        yield f"{indent}{role} {name}{_size(Path(place))}{_mark(place, made_from.get(place))}"
        if step is None or place in shown:
            return
        shown.add(place)
        state = states.get(step.name)
        known = state.made_from if state is not None else {}
        for read in step.reads:
            yield from walk(read, "from", known, depth + 1)
        if step.model is not None:
            yield from walk(step.model, "with", known, depth + 1)

    yield from walk(str(round_.judge), "is", {}, 1)


def _size(path: Path) -> str:
    manifest = read_manifest(path) if path.is_dir() else None

    return "" if manifest is None else f", {num_written(manifest):,} records"


def _mark(place: str, then: str | None) -> str:
    """Say whether something is still what it was when the next step read it."""
    if then is None:
        return ""
    now = digest_place(Path(place))
    state = "gone" if now is None else "unchanged" if now == then else "CHANGED since"

    return f", sha256 {then[:_SHOWN_DIGITS]} {state}"
