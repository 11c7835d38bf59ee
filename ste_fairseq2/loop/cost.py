"""What the steps of a loop will cost, from what the steps of a pilot took.

The pilot is a loop that has run, on a few instructions say, with the same stages; also the loop's own
finished steps. A stage's cost is taken to be proportional to its records, and GPU time not to depend on
how many GPUs share the work; starting up is counted once for each step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from ste_fairseq2.evaluation.following import RESPONSES_NAME
from ste_fairseq2.evaluation.judging import JUDGEMENTS_NAME
from ste_fairseq2.loop.config import TRAINING_KINDS, LoopConfig, Phase
from ste_fairseq2.loop.devices import num_devices
from ste_fairseq2.loop.journal import is_done, read_journal
from ste_fairseq2.loop.plan import Plan, Step
from ste_fairseq2.loop.sizes import num_records, num_written
from ste_fairseq2.store.manifest import Manifest, read_manifest

_NO_RECORDS: Final = (*TRAINING_KINDS, "follow")
"""Kinds of steps whose output is not one of records."""

_TESTS: Final = ("choose", "evaluate", "follow")
"""Kinds of steps that ask the same questions each time."""

_TOKEN_NAMES: Final = ("num_prompt_tokens", "num_output_tokens")


@dataclass(kw_only=True)
class Measured:
    """Sums over the finished steps of one kind."""

    steps: int = 0
    inputs: float = 0.0
    """Records that were worked on; for a stage that draws several samples of each, the samples; for
    `choose` and `evaluate` judgements asked for; for a training examples."""
    kept: float = 0.0
    tokens: float = 0.0
    """Of prompts and outputs."""
    device_seconds: float = 0.0
    """Of the work itself, times the devices that shared it."""
    startup: float = 0.0
    """Seconds."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a step will take; ``None`` where the pilot does not tell."""

    inputs: int | None = None
    outputs: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    device_hours: float | None = None


def measure(config: LoopConfig, plan: Plan, folder: Path) -> dict[str, Measured]:
    """Return what the finished steps of a loop took, by kind."""
    states = read_journal(folder)
    sums: dict[str, Measured] = {}
    for step in plan.steps:
        state = states.get(step.name)
        if state is None or not is_done(step, state):
            continue
        measured = sums.setdefault(step.kind, Measured())
        measured.steps += 1
        manifest = _manifest_of(step)
        work = state.seconds
        if manifest is not None:
            measured.inputs += _num_inputs(step, manifest)
            measured.kept += num_written(manifest)
            measured.tokens += sum(manifest.details.get("tokens", {}).get(n, 0) for n in _TOKEN_NAMES)
            work = min(work, manifest.details.get("seconds_of_last_run", work))
        elif step.kind in ("sft", "dpo"):
            measured.inputs += num_records(Path(step.reads[0])) or 0
        measured.startup += state.seconds - work
        measured.device_seconds += work * num_devices(config, step)

    return sums


def estimate(
    config: LoopConfig, plan: Plan, folder: Path, measured: Mapping[str, Measured]
) -> dict[str, Estimate]:
    """Return an estimate of each step that is still to do, by its name."""
    states = read_journal(folder)
    sizes: dict[str, int | None] = {}
    estimates: dict[str, Estimate] = {}
    for step in plan.steps:
        rate = measured.get(step.kind)
        inputs = _inputs(config, step, sizes, rate)
        outputs = _outputs(config, step, inputs, rate)
        if is_done(step, states.get(step.name)):
            outputs = None if step.kind in _NO_RECORDS else num_records(step.output)
        else:
            estimates[step.name] = _estimate(config, step, inputs, outputs, rate)
        sizes[str(step.output)] = outputs

    return estimates


def _estimate(
    config: LoopConfig, step: Step, inputs: float | None, outputs: int | None, rate: Measured | None
) -> Estimate:
    whole = None if inputs is None else round(inputs)
    if rate is None or not rate.steps or (inputs is None and rate.inputs):
        return Estimate(inputs=whole, outputs=outputs)
    scale = inputs / rate.inputs if inputs is not None and rate.inputs else 1.0 / rate.steps
    if step.kind in ("sft", "dpo") and not _trains_by_epochs(config, step.kind):
        # So many steps, whatever the data.
        scale = 1.0 / rate.steps
    device_seconds = rate.device_seconds * scale
    devices = num_devices(config, step)
    startup = rate.startup / rate.steps

    return Estimate(
        inputs=whole,
        outputs=outputs,
        tokens=round(rate.tokens * scale) or None,
        seconds=startup + device_seconds / devices,
        device_hours=(device_seconds + startup * devices) / 3600,
    )


def _inputs(
    config: LoopConfig, step: Step, sizes: Mapping[str, int | None], rate: Measured | None
) -> float | None:
    """Return how many records a step will work on, in the unit of :attr:`Measured.inputs`."""
    if step.kind in _TESTS:
        return rate.inputs / rate.steps if rate is not None and rate.inputs else None
    if step.kind == "self_instruct":
        return _wanted(step)
    if not step.reads:
        return None
    found = [sizes[path] if path in sizes else num_records(Path(path)) for path in step.reads]
    if any(size is None for size in found):
        return None
    total = sum(size for size in found if size is not None)

    return total * _samples_per_record(step)


def _outputs(config: LoopConfig, step: Step, inputs: float | None, rate: Measured | None) -> int | None:
    if step.kind in _NO_RECORDS:
        return None
    wanted = step.options.get("count") if step.kind in ("select", "self_instruct") else None
    if inputs is None or rate is None or not rate.inputs:
        return wanted
    outputs = round(inputs * rate.kept / rate.inputs)
    if wanted is not None:
        # The pilot may have been asked for fewer than qualified.
        outputs = min(wanted, round(inputs))

    return outputs


def _num_inputs(step: Step, manifest: Manifest) -> int:
    if step.kind == "self_instruct":
        return manifest.counts["kept"]
    # Instructions are counted where pairs are made of answers; these are what was read.
    counts = manifest.details.get("answers", manifest.counts)

    return sum(n for reason, n in counts.items() if reason != "malformed")


def _samples_per_record(step: Step) -> int:
    """Return how many samples a stage draws for each record, as its manifest counts them."""
    from ste_fairseq2.synthesis.annotate import AnnotateConfig

    if step.kind == "annotate":
        return 2 * int(step.options.get("samples", AnnotateConfig.samples))

    return int(step.options.get("samples", 1)) if step.kind in ("respond", "candidates") else 1


def _wanted(step: Step) -> int:
    from ste_fairseq2.synthesis.self_instruct import SelfInstructConfig

    return int(step.options.get("count", SelfInstructConfig.count))


def _trains_by_epochs(config: LoopConfig, phase: str) -> bool:
    sections: Mapping[Phase, Any] = config.trainings()
    section = sections["sft" if phase == "sft" else "dpo"]
    file = yaml.safe_load(section.config_file.read_text(encoding="utf-8")) or {}
    num_steps = (file.get("regime") or {}).get("num_steps")
    for name, value in section.config.items():
        if name == "regime.num_steps":
            num_steps = value
        elif name == "regime":
            num_steps = value.get("num_steps", num_steps)

    return num_steps is None


def _manifest_of(step: Step) -> Manifest | None:
    if step.kind == "evaluate":
        return read_manifest(step.output / JUDGEMENTS_NAME)
    if step.kind == "follow":
        return read_manifest(step.output / RESPONSES_NAME)

    return None if step.kind in _NO_RECORDS else read_manifest(step.output)
