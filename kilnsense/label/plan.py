"""What a labelling run would do, found without reading or writing a file."""

import heapq
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from kilnsense.label.inputs import PORTION, Source, is_video, list_inputs

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
"""Endings that pictures have; a run looks into every file, whatever its name."""

FIRST = 5
"""Paths that are shown."""


@dataclass(frozen=True)
class Plan:
    """The inputs of a run.

    Attributes:
        total: of the source.
        share: of them, in the shard that is asked for.
        kinds: how many by kind and ending, such as ``("picture", ".jpg")``, most first.
        first: paths, in the order of the table.
    """

    total: int
    share: int
    kinds: Mapping[tuple[str, str], int]
    first: tuple[str, ...]


def plan_inputs(source: Source, *, shard: int = 1, shards: int = 1) -> Plan:
    """Looks through a source. Raises SourceError where a folder cannot be listed."""
    kinds = Counter[tuple[str, str]]()

    def counted() -> Iterator[str]:
        for path in list_inputs(source):
            kinds[_kind(path)] += 1
            yield path

    first = heapq.nsmallest(FIRST, counted(), key=os.fsencode)
    total = kinds.total()
    portions = range(shard - 1, -(-total // PORTION), shards)
    share = sum(min(PORTION, total - number * PORTION) for number in portions)
    return Plan(total, share, dict(kinds.most_common()), tuple(first))


def _kind(path: str) -> tuple[str, str]:
    ending = PurePosixPath(path).suffix.lower()
    if is_video(path):
        return "video", ending
    return ("picture" if ending in PICTURES else "other"), ending
