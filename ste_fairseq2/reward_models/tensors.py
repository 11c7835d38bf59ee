"""Makes a batch of tensors of conversations, filled up on the right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ste_fairseq2.reward_models.protocol import Encoded

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def to_tensors(batch: Sequence[Encoded], *, filler: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return token ids and attention mask.

    On the right, filling moves no token to another position, whatever kind of positions a model has.

    :param filler: the token to fill with.
    """
    import torch

    shape = (len(batch), max(len(encoded) for encoded in batch))
    ids = torch.full(shape, filler, dtype=torch.int64)
    mask = torch.zeros(shape, dtype=torch.int64)
    for row, encoded in enumerate(batch):
        ids[row, : len(encoded)] = torch.tensor(encoded.ids, dtype=torch.int64)
        mask[row, : len(encoded)] = 1

    return ids.to(device), mask.to(device)
