"""How many devices share a step's work, as far as the configuration says."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from ste_fairseq2.loop.config import LoopConfig
from ste_fairseq2.loop.launch import Launch
from ste_fairseq2.loop.options import Options
from ste_fairseq2.loop.plan import Step

_PARALLEL_FIELDS: Final = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")

_PER_NODE: Final = re.compile(r"--(?:gpus|ntasks)-per-node[= ](?:\w+:)?(\d+)")
_NODES: Final = re.compile(r"(?:--nodes[= ]|-N ?)(\d+)")


def num_devices(config: LoopConfig, step: Step) -> int:
    """Return the GPUs of a step, or 1 where it runs on a CPU.

    A stage that asks a model says so by its parallelism; a training, by its launcher.
    """
    if step.kind in ("sft", "dpo"):
        return _of_launch(config.launches()[step.kind])
    if step.kind in ("choose", "evaluate"):
        options = config.choose if step.kind == "choose" else config.evaluate[step.output.name]
        return _of_options(config.engine | (options or {}).get("judge_options", {}))
    if step.kind == "select":
        return _of_options(config.engine | selection_of(config, step))
    sections: Mapping[str, Any] = {
        "respond": config.respond,
        "worsen": config.worsen,
        "annotate": config.annotate,
    }
    if step.kind not in sections:
        return 1

    return _of_options(config.engine | sections[step.kind])


def selection_of(config: LoopConfig, step: Step) -> Options:
    """Return the options of a step of the kind `select`."""
    # It lies in the folder of its source.
    return config.selection_of(config.sources[step.output.parent.name]) or {}


def _of_options(options: Mapping[str, Any]) -> int:
    return math.prod(int(options.get(name, 1)) for name in _PARALLEL_FIELDS)


def _of_launch(launch: Launch) -> int:
    if launch.way == "torchrun":
        return launch.processes
    text = " ".join(launch.options)
    nodes, per_node = _NODES.search(text), _PER_NODE.search(text)

    return (int(nodes[1]) if nodes else 1) * (int(per_node[1]) if per_node else 1)
