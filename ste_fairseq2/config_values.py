"""Builds configuration dataclasses from plain values, as YAML files and command lines hold them.

A configuration is a ``kw_only`` dataclass; a field may be a configuration itself, or a mapping of names
to configurations. A dataclass may have a ``validate()`` that raises
:class:`~ste_fairseq2.errors.ConfigError`.
"""

from __future__ import annotations

import dataclasses
import types
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ste_fairseq2.errors import ConfigError, MissingFieldError, MissingPathError

ConfigT = TypeVar("ConfigT")


def build_config(kls: type[ConfigT], values: dict[str, Any]) -> ConfigT:
    """Build and validate a configuration.

    :raises ConfigError: with the path of the field, such as ``sft.checkpoint``.
    """
    hints = get_type_hints(kls)
    fields = {f.name: f for f in dataclasses.fields(kls)}  # type: ignore[arg-type]
    for name in values:
        if name not in fields:
            known = ", ".join(fields)
            raise ConfigError(name, f"is not a field of this command; it has {known}.")
    for name, item in fields.items():
        if name not in values and is_required(item):
            raise MissingFieldError(name)
    config = kls(**{name: _coerce(name, hints[name], value) for name, value in values.items()})
    validate = getattr(config, "validate", None)
    if validate is not None:
        validate()

    return config


def to_plain(value: Any) -> Any:
    """Return a value as JSON and YAML hold it: paths as text, tuples as lists."""
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]

    return str(value) if isinstance(value, Path) else value


def read_config_file(path: Path) -> dict[str, Any]:
    """Return the top-level values of a YAML file; dashes in their names are read as underscores.

    :raises MissingPathError:
    :raises ConfigError: it is not a YAML mapping.
    """
    import yaml

    if not path.is_file():
        raise MissingPathError("configuration file", path)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as ex:
        raise ConfigError("config", f"file `{path}` is not valid YAML: {ex}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError("config", f"file `{path}` must hold field: value lines.")

    return {str(name).replace("-", "_"): value for name, value in values.items()}


def is_required(item: dataclasses.Field[Any]) -> bool:
    """Whether a field has no default."""
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING


def unwrap_optional(hint: Any) -> tuple[Any, bool]:
    """Return a type without its ``None``, and whether it had one."""
    if get_origin(hint) in (Union, types.UnionType):
        rest = [arg for arg in get_args(hint) if arg is not type(None)]
        return rest[0], True

    return hint, False


def _coerce(name: str, hint: Any, value: Any) -> Any:
    if hint is Any:
        return value
    kind, optional = unwrap_optional(hint)
    if value is None:
        if optional:
            return None
        raise ConfigError(name, "must not be empty.")
    if get_origin(kind) is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(_coerce(name, get_args(kind)[0], item) for item in items)
    if get_origin(kind) is dict:
        return _coerce_mapping(name, kind, value)
    if dataclasses.is_dataclass(kind):
        return _coerce_section(name, kind, value)
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            choices = ", ".join(str(c) for c in get_args(kind))
            raise ConfigError(name, f"must be one of {choices}, but is {value!r}.")
        return value
    if kind is bool:
        if not isinstance(value, bool):
            raise ConfigError(name, f"must be true or false, but is {value!r}.")
        return value
    if kind in (int, float):
        try:
            number = kind(value)
        except (TypeError, ValueError, OverflowError):
            number = None
        is_cut = kind is int and isinstance(value, float) and number != value
        if number is None or isinstance(value, bool) or is_cut:
            noun = "a whole number" if kind is int else "a number"
            raise ConfigError(name, f"must be {noun}, but is {value!r}.")
        return number
    if isinstance(value, bool) or not isinstance(value, str | Path | int | float):
        raise ConfigError(name, f"must be text, but is {value!r}.")

    return kind(value)


def _coerce_mapping(name: str, kind: Any, value: Any) -> dict[str, Any]:
    """Accept a YAML mapping, or the ``NAME=VALUE`` items of a flag."""
    if isinstance(value, list):
        pairs = [str(item).partition("=") for item in value]
        if any(not separator for _, separator, _ in pairs):
            raise ConfigError(name, f"must be given as NAME=VALUE, but is {value!r}.")
        value = {key: text for key, _, text in pairs}
    if not isinstance(value, dict):
        raise ConfigError(name, f"must be a mapping, but is {value!r}.")

    return {str(key): _coerce(f"{name}.{key}", get_args(kind)[1], item) for key, item in value.items()}


def _coerce_section(name: str, kind: Any, value: Any) -> Any:
    if not isinstance(value, dict):
        raise ConfigError(name, f"must hold field: value lines, but is {value!r}.")
    try:
        return build_config(kind, value)
    except ConfigError as ex:
        raise ex.within(name) from None
