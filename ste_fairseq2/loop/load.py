"""Reads a loop's configuration: a YAML file, environment variables, and values that win over it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from ste_fairseq2.config_values import read_config_file, to_plain
from ste_fairseq2.errors import ConfigError, MissingPathError
from ste_fairseq2.jsonl import write_text
from ste_fairseq2.loop.config import LoopConfig
from ste_fairseq2.loop.methods import build_loop_config, make_plan
from ste_fairseq2.loop.plan import Plan

LOOP_NAME: Final = "loop.json"

_VARIABLE: Final = re.compile(r"\$\{env:([A-Za-z_]\w*)(?::([^}]*))?\}")


def load_loop_config(path: Path, assignments: Sequence[str] = ()) -> LoopConfig:
    """Read and validate a configuration.

    ``${env:NAME}`` and ``${env:NAME:VALUE WITHOUT IT}`` are filled in, as in training configurations.

    :param assignments: values that win over the file, such as ``rounds=2`` or ``annotate.samples=4``.
    :raises MissingPathError: there is no such file.
    :raises ConfigError: the file, a value or a variable is wrong.
    """
    values = read_config_file(path)
    for assignment in assignments:
        _assign(values, assignment)

    config = build_loop_config(_fill(values, "", os.environ))
    config.check_files()

    return config


def read_loop_folder(folder: Path) -> tuple[LoopConfig, Plan]:
    """Return the configuration that a loop last ran with, and its plan.

    :raises MissingPathError: the folder holds no loop.
    """
    path = folder / LOOP_NAME
    if not path.is_file():
        raise MissingPathError("loop", path)
    config = build_loop_config(json.loads(path.read_text(encoding="utf-8")))

    return config, make_plan(config, folder)


def write_loop_config(config: LoopConfig, folder: Path) -> None:
    """Write what :func:`read_loop_folder` reads."""
    write_text(folder / LOOP_NAME, json.dumps(to_plain(asdict(config)), indent=2) + "\n")


def _assign(values: dict[str, Any], assignment: str) -> None:
    import yaml

    name, separator, text = assignment.partition("=")
    if not separator or not name:
        raise ConfigError("set", f"takes FIELD=VALUE, such as rounds=2, but has {assignment!r}.")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    *sections, last = name.split(".")
    inner = values
    for section in sections:
        if inner.get(section) is None:
            inner[section] = {}
        inner = inner[section]
        if not isinstance(inner, dict):
            raise ConfigError("set", f"cannot set `{name}`: `{section}` is not a section.")
    inner[last] = value


def _fill(value: Any, name: str, environment: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: _fill(item, f"{name}.{key}" if name else str(key), environment)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_fill(item, name, environment) for item in value]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        text = environment.get(match[1], match[2])
        if text is None:
            raise ConfigError(name, f"needs the environment variable {match[1]}; set it.")
        return text

    return _VARIABLE.sub(replace, value)
