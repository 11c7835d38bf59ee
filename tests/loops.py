"""Loops for tests: small configurations, and what finished steps leave behind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ste_fairseq2.config_values import build_config
from ste_fairseq2.loop.self_rewarding.config import SelfRewardingConfig
from ste_fairseq2.loop.self_taught.config import SelfTaughtConfig
from ste_fairseq2.store import Manifest, write_manifest


def loop_config(**values: Any) -> SelfTaughtConfig:
    """Return one round of the paper's policy, with values that win."""
    common = {
        "model": "seed-model",
        "sources": {"main": {"instructions": "in.jsonl"}},
        "rounds": 1,
        "sft": {"config_file": "sft.yaml"},
        "dpo": {"config_file": "dpo.yaml"},
    }

    return build_config(SelfTaughtConfig, common | values)


def rewarding_config(**values: Any) -> SelfRewardingConfig:
    """Return two rounds of Self-Rewarding, with values that win."""
    common = {
        "method": "self_rewarding",
        "model": "seed-model",
        "ranked": "r.jsonl",
        "sft": {"config_file": "sft.yaml"},
        "dpo": {"config_file": "dpo.yaml"},
    }

    return build_config(SelfRewardingConfig, common | values)


def leave_manifest(
    folder: Path,
    counts: Mapping[str, int],
    *,
    config: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Leave what a finished stage does, without its records."""
    manifest = Manifest(stage="any", config=config or {}, counts=counts, details=details or {})
    write_manifest(folder, manifest)


def note(folder: Path, *rows: Mapping[str, Any]) -> None:
    """Add rows to a loop's journal."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "steps-00000.jsonl").open("a") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)


def started(step: str, time: float = 1000.0) -> dict[str, Any]:
    return {"event": "start", "step": step, "time": time}


def ended(step: str, seconds: float, status: int = 0, **made_from: str) -> dict[str, Any]:
    return {
        "event": "end",
        "step": step,
        "status": status,
        "seconds": seconds,
        "made_from": made_from,
    }


def finish(folder: Path, step: str, seconds: float = 1.0, made_from: Mapping[str, str] = {}) -> None:
    """Note that a step has ended well, and leave its folder."""
    note(folder, started(step), ended(step, seconds) | {"made_from": dict(made_from)})
    (folder / step).mkdir(parents=True, exist_ok=True)
