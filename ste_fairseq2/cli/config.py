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
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ste_fairseq2.config_values import (
    ConfigT,
    build_config,
    is_required,
    read_config_file,
    unwrap_optional,
)
from ste_fairseq2.errors import ConfigError, MissingFieldError


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
    for item in sorted(fields, key=lambda item: not is_required(item)):
        _add_flag(parser, item, hints[item.name], docs.get(item.name, ""))
    given = vars(parser.parse_args(list(argv)))
    file = given.pop("config")
    values = read_config_file(file) if file is not None else {}
    values |= {name: value for name, value in given.items() if value is not None}
    try:
        return build_config(kls, values)
    except MissingFieldError as ex:
        flag = "--" + ex.field.replace("_", "-")
        raise ConfigError(
            ex.field, f"must be given; pass `{flag}` or set it in the `--config` file."
        ) from None


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
    kind, _ = unwrap_optional(hint)
    text = " ".join(doc.split()).replace("%", "%%")
    if item.default not in (dataclasses.MISSING, None, ()):
        text += f" (default: {item.default})"
    elif is_required(item):
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
