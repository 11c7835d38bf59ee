"""A small formal world on which the whole method runs on a CPU: instructions, pairs, seed model."""

from ste_fairseq2.small_world.benchmark import held_out_pairs, write_held_out_pairs
from ste_fairseq2.small_world.instructions import (
    KINDS,
    Task,
    draw_training_instructions,
    write_training_instructions,
)

__all__ = [
    "KINDS",
    "Task",
    "draw_training_instructions",
    "held_out_pairs",
    "write_held_out_pairs",
    "write_training_instructions",
]
