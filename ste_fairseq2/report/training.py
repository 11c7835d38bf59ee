"""Reads the metrics that fairseq2 writes of a training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from ste_fairseq2.jsonl import read_rows
from ste_fairseq2.loop.rounds import METRICS_NAME

METRICS: Final = {
    "DPO Loss": "DPO loss",
    "NLL Loss": "NLL loss",
    "Reward Accuracy": "reward accuracy",
    "Reward Margin": "reward margin",
    "Gradient Norm": "gradient norm",
}
"""What is drawn, in this order, and what it is called."""

_STEP: Final = "Step"


def read_metrics(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Return the values of the metrics by step; of a step that a resumed run did again, the last."""
    path = run / METRICS_NAME
    found: dict[str, dict[int, float]] = {}
    if not path.is_file():
        return {}
    for row in read_rows(path, on_error=lambda error: None):
        step = row.data.get(_STEP)
        if not isinstance(step, int):
            continue
        for name in METRICS:
            value = row.data.get(name)
            if isinstance(value, int | float) and math.isfinite(value):
                found.setdefault(name, {})[step] = float(value)

    return {name: sorted(found[name].items()) for name in METRICS if name in found}
