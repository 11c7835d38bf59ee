"""The recipes' metrics and how they are displayed; `regime.score_metric` takes these names."""

from __future__ import annotations

from typing import Final

from fairseq2.metrics import format_as_float
from fairseq2.metrics.recorders import MetricDescriptor

DPO_LOSS: Final = "dpo_loss"
NLL_LOSS: Final = "nll_loss"
CHOSEN_LOGPS: Final = "chosen_logps"
REJECTED_LOGPS: Final = "rejected_logps"
CHOSEN_REWARD: Final = "chosen_reward"
REJECTED_REWARD: Final = "rejected_reward"
REWARD_MARGIN: Final = "reward_margin"
REWARD_ACCURACY: Final = "reward_accuracy"
VERDICT_ACCURACY: Final = "verdict_accuracy"
BOTH_ORDERS_RIGHT: Final = "both_orders_right"
CHOSEN_LENGTH: Final = "chosen_length"
REJECTED_LENGTH: Final = "rejected_length"

_RANK: Final = 100
"""Where the metrics stand among fairseq2's own when they are printed."""

DESCRIPTORS: Final = (
    MetricDescriptor(DPO_LOSS, "DPO Loss", _RANK, format_as_float, higher_better=False),
    MetricDescriptor(REWARD_ACCURACY, "Reward Accuracy", _RANK + 1, format_as_float, higher_better=True),
    MetricDescriptor(REWARD_MARGIN, "Reward Margin", _RANK + 2, format_as_float, higher_better=True),
    MetricDescriptor(CHOSEN_REWARD, "Chosen Reward", _RANK + 3, format_as_float, higher_better=True),
    MetricDescriptor(
        REJECTED_REWARD, "Rejected Reward", _RANK + 4, format_as_float, higher_better=False
    ),
    MetricDescriptor(
        CHOSEN_LOGPS, "Chosen Log-Probability", _RANK + 5, format_as_float, higher_better=True
    ),
    MetricDescriptor(
        REJECTED_LOGPS, "Rejected Log-Probability", _RANK + 6, format_as_float, higher_better=False
    ),
    MetricDescriptor(
        VERDICT_ACCURACY, "Verdict Accuracy", _RANK + 7, format_as_float, higher_better=True
    ),
    MetricDescriptor(
        BOTH_ORDERS_RIGHT, "Both Orders Right", _RANK + 8, format_as_float, higher_better=True
    ),
    MetricDescriptor(CHOSEN_LENGTH, "Chosen Length (tokens)", _RANK + 9, format_as_float),
    MetricDescriptor(REJECTED_LENGTH, "Rejected Length (tokens)", _RANK + 10, format_as_float),
)
