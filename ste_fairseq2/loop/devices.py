"""How many devices share a step's work, as far as the configuration says."""

from __future__ import annotations

import math
import re
from typing import Final

from ste_fairseq2.loop.config import LoopConfig
from ste_fairseq2.loop.launch import Launch
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

    return math.prod(int(step.options.get(name, 1)) for name in _PARALLEL_FIELDS)


def _of_launch(launch: Launch) -> int:
    if launch.way == "torchrun":
        return launch.processes
    text = " ".join(launch.options)
    nodes, per_node = _NODES.search(text), _PER_NODE.search(text)

    return (int(nodes[1]) if nodes else 1) * (int(per_node[1]) if per_node else 1)
