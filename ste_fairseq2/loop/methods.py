"""The methods that `ste loop` knows: a configuration and a planner for each."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from ste_fairseq2.config_values import build_config
from ste_fairseq2.errors import ConfigError
from ste_fairseq2.loop.config import LoopConfig
from ste_fairseq2.loop.plan import Plan
from ste_fairseq2.loop.self_rewarding.config import SelfRewardingConfig
from ste_fairseq2.loop.self_rewarding.plan import SelfRewardingPlanner
from ste_fairseq2.loop.self_taught.config import SelfTaughtConfig
from ste_fairseq2.loop.self_taught.plan import SelfTaughtPlanner

_CONFIGS: Final[dict[str, type[LoopConfig]]] = {
    "self_taught": SelfTaughtConfig,
    "self_rewarding": SelfRewardingConfig,
}


def build_loop_config(values: dict[str, Any]) -> LoopConfig:
    """Build and validate the configuration of the method that ``method`` names; without it that of
    Self-Taught Evaluators.

    :raises ConfigError:
    """
    method = values.get("method", "self_taught")
    if method not in _CONFIGS:
        raise ConfigError("method", f"must be one of {', '.join(_CONFIGS)}, but is {method!r}.")

    return build_config(_CONFIGS[method], values)


def make_plan(config: LoopConfig, folder: Path) -> Plan:
    """Return all steps in the order they run in.

    :param folder: the loop's folder.
    """
    if isinstance(config, SelfRewardingConfig):
        return SelfRewardingPlanner(config, folder).plan()
    assert isinstance(config, SelfTaughtConfig)

    return SelfTaughtPlanner(config, folder).plan()
