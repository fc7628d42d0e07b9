"""What a person should look at first: the least certain, the unfamiliar, and the pictures judged bad.

The rule. Two lists are made, and a share of all pictures is taken from them. In the first stand all pictures
with a probability, the least certain first: by smallest margin, by largest entropy, or by largest
unfamiliarity. In the second stand those that were not named for what they look like: ``unfamiliar`` ones,
the farthest first, and ``bad_image`` ones, those with most flags first, the two kinds in turn. Of every three
places the first two are filled from the first list and the third from the second; where one list ends the
other fills its places. So a third of the places is theirs as long as there are any, and where all pictures
are familiar and good all places go to the least certain. A picture stands once, at its first place. Equals
are in the order of their paths. Files that are no pictures have nothing to be looked at and never stand here.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest

from kilnsense.errors import ConfigError
from kilnsense.parts import pick
from kilnsense.record.sinks import FLAG_SEPARATOR, columns
from kilnsense.record.store import Cell, Row, Store

OWN_MEASURE = ("unfamiliar", "bad_image")
"""Reasons whose pictures have a third of the places."""

_ALONE = columns(())
_BEFORE = _ALONE.index("margin")
"""Columns before that of the first class; `_BEHIND` stand behind that of the last."""
_BEHIND = len(_ALONE) - _BEFORE
_FLAGS = _ALONE.index("quality_flags") - len(_ALONE)


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a queue.

    Attributes:
        input, part: the row of the store.
        path: of the picture.
    """

    input: int
    part: int
    path: str


def probabilities(cells: tuple[Cell, ...]) -> tuple[float, ...]:
    """The probabilities in the cells of a row, in the order of the classes; empty where none was scored."""
    found = cells[_BEFORE : len(cells) - _BEHIND]
    return tuple(float(cell) for cell in found if cell is not None)


def flags(cells: tuple[Cell, ...]) -> tuple[str, ...]:
    """The quality flags in the cells of a row."""
    cell = cells[_FLAGS]
    return tuple(str(cell).split(FLAG_SEPARATOR)) if cell else ()


def _margin(row: Row) -> float:
    return 1.0 if row.margin is None else row.margin


def _entropy(row: Row) -> float:
    return sum(share * math.log(share) for share in probabilities(row.cells) if share > 0)


def _unfamiliarity(row: Row) -> float:
    return -(row.unfamiliarity or 0.0)


STRATEGIES: dict[str, Callable[[Row], float]] = {
    "margin": _margin,
    "entropy": _entropy,
    "unfamiliar": _unfamiliarity,
}
"""Name to what is smallest for the picture that should come first."""


def queue(rows: Iterable[Row], share: float = 1.0, strategy: str = "margin") -> list[Place]:
    """The places of a review, the most worth looking at first; see the rule above.

    Args:
        rows: of a run, in any order; only a small part of each is kept in memory.
        share: of all pictures, above 0 up to 1; rounded up to a whole picture.
        strategy: a name of `STRATEGIES`.

    Raises:
        ConfigError: an unknown strategy, or a share out of range.
    """
    measure = pick(STRATEGIES, strategy, kind="review strategy")
    if not 0.0 < share <= 1.0:
        raise ConfigError(f"share of the review: got {share:g}, allowed: above 0, up to 1")
    scored: list[tuple[float, str, Place]] = []
    own: dict[str, list[tuple[float, str, Place]]] = {reason: [] for reason in OWN_MEASURE}
    count = 0
    for row in rows:
        if row.status == "bad":
            continue
        count += 1
        path = str(row.cells[0])
        place = Place(row.input, row.part, path)
        if row.confidence is not None:
            scored.append((measure(row), path, place))
        if row.reason in own:
            last = -len(flags(row.cells)) if row.reason == "bad_image" else _unfamiliarity(row)
            own[row.reason].append((last, path, place))
    for listed in (scored, *own.values()):
        listed.sort(key=lambda entry: entry[:2])
    return _merged(scored, own, math.ceil(share * count - 1e-9))


def rows_of(store: Store, places: Iterable[Place]) -> Iterator[Row]:
    """The rows of places, in their order."""
    for place in places:
        yield from store.rows(where="input = ? AND part = ?", values=(place.input, place.part))


def parse_share(text: str) -> float:
    """A share 0..1 from ``20%`` or ``0.2``. Raises ConfigError for anything else, and for 0."""
    number = text.strip()
    try:
        share = float(number[:-1]) / 100 if number.endswith("%") else float(number)
    except ValueError:
        share = math.nan
    if not 0.0 < share <= 1.0:
        raise ConfigError(f"share of the review: got {text!r}, allowed: above 0% up to 100%, such as 20%")
    return share


def _merged(
    scored: list[tuple[float, str, Place]], own: dict[str, list[tuple[float, str, Place]]], most: int
) -> list[Place]:
    taken: dict[tuple[int, int], Place] = {}
    certain = iter([place for _, _, place in scored])
    turns = zip_longest(*([place for _, _, place in listed] for listed in own.values()))
    odd = iter([place for turn in turns for place in turn if place is not None])
    while len(taken) < most:
        first, second = (odd, certain) if len(taken) % 3 == 2 else (certain, odd)
        place = next(first, None) or next(second, None)
        if place is None:  # a picture that neither was scored nor has a reason of its own
            break
        taken[place.input, place.part] = place  # one that is there already takes no place
    return list(taken.values())
