"""The methods that have a page, by the configuration of a loop."""

from __future__ import annotations

from typing import Any

from ste_fairseq2.loop.config import LoopConfig
from ste_fairseq2.loop.self_rewarding.config import SelfRewardingConfig
from ste_fairseq2.loop.self_taught.config import SelfTaughtConfig
from ste_fairseq2.report.method import ReportMethod
from ste_fairseq2.report.self_rewarding.method import SelfRewardingReport
from ste_fairseq2.report.self_taught.method import SelfTaughtReport


def method_of(config: LoopConfig) -> ReportMethod[Any]:
    """Return how a loop's page is made."""
    if isinstance(config, SelfRewardingConfig):
        return SelfRewardingReport(config)
    assert isinstance(config, SelfTaughtConfig)

    return SelfTaughtReport(config)
