"""Options of the stages' command lines: checked by the stages' own configurations, written as flags."""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from ste_fairseq2.config_values import build_config
from ste_fairseq2.errors import ConfigError

Options: TypeAlias = dict[str, Any]


class _Stage(NamedTuple):
    module: str
    kls: str
    """The stage's configuration; it is imported when it is asked for."""
    fixed: Mapping[str, Any]
    """What the loop sets itself, with a stand-in."""
    defaults: Mapping[str, Any] = {}
    """What the loop sets where the user does not, with a stand-in."""

    def config(self) -> type[Any]:
        kls: type[Any] = getattr(importlib.import_module(f"ste_fairseq2.{self.module}"), self.kls)

        return kls


_PLACES: Final = {"inputs": "…", "output": Path("…")}
_CURATION_PLACES: Final = {"generation_dir": ["…/judgements"], "output_dir": Path("…/data")}

STAGES: Final = {
    "select": _Stage("synthesis.select_config", "SelectConfig", _PLACES, {"seed": 2}),
    "respond": _Stage("synthesis.respond", "RespondConfig", _PLACES, {"model": "…", "seed": 2}),
    "worsen": _Stage("synthesis.worsen", "WorsenConfig", _PLACES, {"model": "…", "seed": 2}),
    "annotate": _Stage("synthesis.annotate", "AnnotateConfig", _PLACES | {"model": "…"}, {"seed": 2}),
    "judge": _Stage(
        "synthesis.judge", "JudgeConfig", _PLACES | {"model": Path("…"), "both_orders": True}
    ),
    "prepare-sft": _Stage("curation.config", "PrepareSftConfig", _CURATION_PLACES, {"seed": 2}),
    "prepare-dpo": _Stage("curation.config", "PrepareDpoConfig", _CURATION_PLACES, {"seed": 2}),
    "prepare-ranked": _Stage(
        "curation.ranked_config",
        "PrepareRankedConfig",
        {"inputs": ["…"], "output_dir": Path("…")},
        {"seed": 2},
    ),
    "prepare-eft": _Stage(
        "curation.ranked_config",
        "PrepareEftConfig",
        {"scores_dir": ["…/scores"], "ift": Path("…/ift"), "output_dir": Path("…/data")},
        {"seed": 2},
    ),
    "prepare-preferences": _Stage(
        "curation.config",
        "PreparePreferencesConfig",
        {"scores_dir": ["…/scores"], "output_dir": Path("…/data")},
        {"seed": 2},
    ),
    "self-instruct": _Stage(
        "synthesis.self_instruct", "SelfInstructConfig", _PLACES, {"model": "…", "seed": 2}
    ),
    "candidates": _Stage("synthesis.respond", "RespondConfig", _PLACES | {"model": "…"}, {"seed": 2}),
    "score": _Stage("synthesis.judge", "JudgeConfig", _PLACES | {"model": Path("…")}, {"seed": 2}),
    "follow": _Stage(
        "evaluation.follow_config",
        "FollowConfig",
        {"output": Path("…"), "model": "…"},
        {"inputs": "…", "seed": 2},
    ),
    "evaluate": _Stage("evaluation.config", "EvaluateConfig", {"output": Path("…"), "model": Path("…")}),
}


def check_options(section: str, stage: str, options: Mapping[str, Any]) -> None:
    """Check options of a stage as the stage itself will, without what the loop sets.

    :param section: where the options stand in the loop's configuration, for messages.
    :raises ConfigError:
    """
    known = STAGES[stage]
    for name in known.fixed.keys() & options.keys():
        raise ConfigError(f"{section}.{name}", "cannot be set, since the loop sets it itself.")
    kls = known.config()
    try:
        build_config(kls, {**known.defaults, **options, **known.fixed})
        _check_flags(kls, options)
    except ConfigError as ex:
        raise ex.within(section) from None


def check_evaluation(section: str, engine: Options, options: Options) -> None:
    """Check options of `ste evaluate`, and those of `ste judge` that it takes.

    :param engine: what all generating stages share.
    :raises ConfigError:
    """
    import yaml

    check_options(section, "evaluate", options)
    name = f"{section}.judge_options"
    judge_options = options.get("judge_options", {})
    if not isinstance(judge_options, dict):
        raise ConfigError(name, f"must hold field: value lines, but is {judge_options!r}.")
    # The evaluation reads them from text.
    read = {
        option: yaml.safe_load(value) if isinstance(value, str) else value
        for option, value in judge_options.items()
    }
    # A judge of single answers knows no orders.
    stage = "score" if read.get("mode") == "score" else "judge"
    check_options(name, stage, engine | read)


def _check_flags(kls: type[Any], options: Mapping[str, Any]) -> None:
    """Refuse what no flag can say: that an option which has a default has no value.

    :raises ConfigError:
    """
    for item in dataclasses.fields(kls):
        default = item.default
        if item.default_factory is not dataclasses.MISSING:
            default = item.default_factory()
        if _is_empty(options.get(item.name, default)) and not _is_empty(default):
            raise ConfigError(
                item.name, f"cannot be empty in a loop; its default is {default!r}, so give a value."
            )


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, Mapping | list | tuple) and not value)


def to_flags(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return options as a command line has them: ``{"top_p": 0.9}`` as ``--top-p 0.9``.

    Those without a value are left out.
    """
    flags: list[str] = []
    for name, value in options.items():
        flag = name.replace("_", "-")
        if _is_empty(value):
            continue
        if isinstance(value, bool):
            flags.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, Mapping):
            flags += [f"--{flag}", *(f"{key}={_text(item)}" for key, item in value.items())]
        elif isinstance(value, list | tuple):
            flags += [f"--{flag}", *map(_text, value)]
        else:
            flags += [f"--{flag}", _text(value)]

    return tuple(flags)


def to_assignments(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return values as fairseq2's ``--config`` takes them: ``regime.num_steps=300``."""
    return tuple(f"{name}={_text(value)}" for name, value in values.items())


def _text(value: Any) -> str:
    """Write a value so that YAML reads it again."""
    if isinstance(value, str | Path):
        return str(value)

    return json.dumps(value, ensure_ascii=False)
