"""Turns a configuration dataclass into command-line flags and a YAML file into its values.

A command's configuration is a ``kw_only`` dataclass; each field is a flag of the same name
(``max_tokens`` → ``--max-tokens``) and a key of the ``--config`` file, and its attribute docstring is
the flag's help. A flag wins over the file, the file over the default. A dataclass may have a
``validate()`` that raises :class:`~ste_fairseq2.errors.ConfigError`.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import itertools
import textwrap
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ste_fairseq2.errors import ConfigError, MissingPathError

ConfigT = TypeVar("ConfigT")


def parse_config(
    kls: type[ConfigT], argv: Sequence[str], *, prog: str, description: str, epilog: str = ""
) -> ConfigT:
    """Build a configuration from ``argv``.

    :raises ConfigError: a value is missing, unknown or of the wrong type.
    :raises MissingPathError: the ``--config`` file does not exist.
    """
    hints = get_type_hints(kls)
    docs = attribute_docs(kls)
    parser = argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog=textwrap.dedent(epilog),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--config", type=Path, metavar="F.yaml", help="YAML file with these fields")
    fields = dataclasses.fields(kls)  # type: ignore[arg-type]
    for item in sorted(fields, key=lambda item: not _is_required(item)):
        _add_flag(parser, item, hints[item.name], docs.get(item.name, ""))
    given = vars(parser.parse_args(list(argv)))
    file = given.pop("config")
    values = _read_file(file, kls) if file is not None else {}
    values |= {name: value for name, value in given.items() if value is not None}

    return build_config(kls, values)


def build_config(kls: type[ConfigT], values: dict[str, Any]) -> ConfigT:
    """Build and validate a configuration from plain values, as a YAML file holds them.

    :raises ConfigError:
    """
    hints = get_type_hints(kls)
    fields = {f.name: f for f in dataclasses.fields(kls)}  # type: ignore[arg-type]
    for name in values:
        if name not in fields:
            known = ", ".join(fields)
            raise ConfigError(name, f"is not a field of this command; it has {known}.")
    for name, item in fields.items():
        if name not in values and _is_required(item):
            flag = "--" + name.replace("_", "-")
            raise ConfigError(name, f"must be given; pass `{flag}` or set it in the `--config` file.")
    config = kls(**{name: _coerce(name, hints[name], value) for name, value in values.items()})
    validate = getattr(config, "validate", None)
    if validate is not None:
        validate()

    return config


def attribute_docs(kls: type) -> dict[str, str]:
    """Return the docstring that follows each attribute of a class, by name, base classes included."""
    docs: dict[str, str] = {}
    for base in reversed(kls.__mro__[:-1]):
        tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for node, after in itertools.pairwise(body):
            if (
                isinstance(node, ast.AnnAssign)
                and isinstance(node.target, ast.Name)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                docs[node.target.id] = inspect.cleandoc(str(after.value.value))

    return docs


def _add_flag(
    parser: argparse.ArgumentParser, item: dataclasses.Field[Any], hint: Any, doc: str
) -> None:
    kind, _ = _unwrap_optional(hint)
    text = " ".join(doc.split()).replace("%", "%%")
    if item.default not in (dataclasses.MISSING, None, ()):
        text += f" (default: {item.default})"
    elif _is_required(item):
        text += " (required)"
    flag = "--" + item.name.replace("_", "-")
    if kind is bool:
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
    elif get_origin(kind) is Literal:
        parser.add_argument(flag, choices=get_args(kind), default=None, help=text)
    elif get_origin(kind) is tuple:
        parser.add_argument(flag, nargs="+", default=None, help=text)
    elif get_origin(kind) is dict:
        parser.add_argument(flag, nargs="+", metavar="NAME=VALUE", default=None, help=text)
    else:
        parser.add_argument(flag, default=None, metavar=item.name.upper(), help=text)


def _read_file(path: Path, kls: type) -> dict[str, Any]:
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


def _is_required(item: dataclasses.Field[Any]) -> bool:
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING


def _unwrap_optional(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) in (Union, types.UnionType):
        rest = [arg for arg in get_args(hint) if arg is not type(None)]
        return rest[0], True

    return hint, False


def _coerce(name: str, hint: Any, value: Any) -> Any:
    kind, optional = _unwrap_optional(hint)
    if value is None:
        if optional:
            return None
        raise ConfigError(name, "must not be empty.")
    if get_origin(kind) is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(_coerce(name, get_args(kind)[0], item) for item in items)
    if get_origin(kind) is dict:
        return _coerce_mapping(name, kind, value)
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
