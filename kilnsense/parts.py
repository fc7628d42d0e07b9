"""Tables of swappable parts: from a name in the config to an object.

A table is a plain upper-case dict in the file that owns the parts, from name to a keyword-only builder.
`build` is the one way to use such a table from a config; it is strict about names and options.
"""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from kilnsense.errors import ConfigError

T = TypeVar("T")


def near_match(name: str, allowed: Iterable[str]) -> str:
    """A hint such as ``; did you mean 'knn'?`` for a mistyped name, or an empty string."""
    close = difflib.get_close_matches(name, list(allowed), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def pick(table: Mapping[str, T], name: str, *, kind: str) -> T:
    """The entry `name` of a table.

    Raises:
        ConfigError: unknown name; lists the allowed ones and the nearest.
    """
    if name not in table:
        allowed = ", ".join(sorted(table))
        raise ConfigError(f"{kind}: got {name!r}, allowed: {allowed}{near_match(name, table)}")
    return table[name]


def build(table: Mapping[str, Callable[..., T]], name: str, options: Mapping[str, Any], *, kind: str) -> T:
    """Calls the builder `name` of a table with `options` as keyword arguments.

    Raises:
        ConfigError: unknown name, or an option that the builder does not take, or a required one missing.
    """
    builder = pick(table, name, kind=kind)
    parameters = inspect.signature(builder).parameters
    for option in options:
        if option not in parameters:
            allowed = ", ".join(parameters) or "none"
            hint = near_match(option, parameters)
            raise ConfigError(f"{kind} {name!r}: unknown option {option!r}, allowed: {allowed}{hint}")
    for key, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and key not in options:
            raise ConfigError(f"{kind} {name!r}: option {key!r} is missing; give it a value")
    return builder(**options)
