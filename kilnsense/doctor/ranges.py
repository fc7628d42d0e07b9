"""Versions and ranges of package metadata; small, because a sick installation may lack the usual reader.

It reads what this project writes: a name, an optional extra in brackets, clauses with commas, and no marker
but ``extra == "..."``.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from kilnsense.errors import InputError

_REQUIREMENT = re.compile(
    r"""\s*(?P<name>[A-Za-z0-9._-]+)\s*(\[[^\]]*\])?\s*\(?(?P<allowed>[^;()]*)\)?\s*"""
    r"""(;\s*extra\s*==\s*['"](?P<extra>[A-Za-z0-9._-]+)['"]\s*)?"""
)
_CLAUSE = re.compile(r"(>=|<=|==|!=|>|<)\s*([^\s*]+)")
_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)(?:[-_.]?(dev|a|b|c|rc|alpha|beta|pre|preview|post)\d*)?.*")
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    ">=": ge, "<=": le, "==": eq, "!=": ne, ">": gt, "<": lt
}  # fmt: skip
_DEPTH = 6  # numbers of a version that are compared

Key = tuple[tuple[int, ...], int]


@dataclass(frozen=True)
class Need:
    """One package that the metadata ask for.

    Attributes:
        name: normalised, so that ``PyYAML`` and ``pyyaml`` are one.
        allowed: the range, such as ``>=2.0``; "" for any version.
        extra: which extra asks for it; "" for the base installation.
    """

    name: str
    allowed: str
    extra: str = ""

    @property
    def text(self) -> str:
        """As `pip install` takes it."""
        return self.name + self.allowed


def normal_name(name: str) -> str:
    """A package name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_need(text: str) -> Need:
    """Reads one line of ``Requires-Dist``.

    Raises:
        InputError: it is of a form that this project does not use.
    """
    found = _REQUIREMENT.fullmatch(text)
    if found is None:
        raise InputError(f"requirement: got {text!r}, allowed: name, range and one extra; extend the reader")
    allowed = found["allowed"].strip().replace(" ", "")
    for clause in _clauses(allowed):
        if _CLAUSE.fullmatch(clause) is None:
            raise InputError(f"requirement: got {text!r}, allowed: {' '.join(_COMPARED)}; extend the reader")
    return Need(normal_name(found["name"]), allowed, found["extra"] or "")


def within(version: str, allowed: str) -> bool:
    """Whether a version lies in a range such as ``>=2.0,<3``; False for what is no version.

    A pre-release lies below its release. A local part such as ``+cpu`` is not compared.
    """
    found = _key(version)
    if found is None:
        return False
    return all(_holds(found, clause) for clause in _clauses(allowed))


def _clauses(allowed: str) -> list[str]:
    return [clause.strip() for clause in allowed.split(",") if clause.strip()]


def _holds(found: Key, clause: str) -> bool:
    matched = _CLAUSE.fullmatch(clause)
    wanted = _key(matched[2]) if matched else None
    if matched is None or wanted is None:
        raise InputError(f"range: got {clause!r}, allowed: one of {' '.join(_COMPARED)} and a version")
    return _COMPARED[matched[1]](found, wanted)


def _key(version: str) -> Key | None:
    matched = _VERSION.fullmatch(version.strip().lower())
    if matched is None:
        return None
    numbers = [int(number) for number in matched[1].split(".")][:_DEPTH]
    phase = 0 if matched[2] is None else 1 if matched[2] == "post" else -1
    return (*numbers, *[0] * (_DEPTH - len(numbers))), phase
