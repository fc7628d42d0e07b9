"""Labelled frames in memory: what a model learns from."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilnsense.config import Config
from kilnsense.data.folders import Sample
from kilnsense.data.loader import load
from kilnsense.errors import InputError
from kilnsense.types import Failure, Frame

Track = Callable[[Iterable[Frame | Failure]], Iterator[Frame | Failure]]


@dataclass(frozen=True, eq=False)
class Labelled:
    """N frames with their labels.

    Attributes:
        classes: class names in the order of the config.
        frames: N frames, reduced to the working width.
        labels: (N,) int64, index into `classes`.
        groups: (N,) str, the camera run of each frame.
    """

    classes: tuple[str, ...]
    frames: tuple[Frame, ...]
    labels: NDArray[np.int64]
    groups: NDArray[np.str_]

    def __post_init__(self) -> None:
        if not len(self.frames) == len(self.labels) == len(self.groups):
            sizes = f"{len(self.frames)} frames, {len(self.labels)} labels, {len(self.groups)} groups"
            raise InputError(f"Labelled: got {sizes}, allowed: one label and one group for each frame")

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def names(self) -> NDArray[np.str_]:
        """(N,) class name of each frame."""
        return np.array(self.classes)[self.labels]

    def subset(self, rows: NDArray[np.int64]) -> "Labelled":
        """The frames of these rows, in that order."""
        return Labelled(
            self.classes, tuple(self.frames[row] for row in rows), self.labels[rows], self.groups[rows]
        )


def read_labelled(
    samples: Sequence[Sample], config: Config, *, base: Path = Path(), track: Track = iter
) -> tuple[Labelled, list[Failure]]:
    """Decodes labelled samples at the working width; files that cannot be used come back as failures.

    Raises:
        InputError: no sample could be decoded, or one picture is in two groups.
    """
    frames, labels, groups, failures = [], [], [], []
    seen: dict[str, Sample] = {}
    paths = [sample.path for sample in samples]
    items = track(load(paths, root=base / config.data.root, config=config.image))
    for sample, item in zip(samples, items, strict=True):
        if isinstance(item, Failure):
            failures.append(item)
            continue
        first_of = seen.setdefault(item.sha256, sample)
        if item.sha256 and first_of.group != sample.group:
            raise InputError(
                f"{sample.source} of group {sample.group!r} is the same picture as {first_of.source} of "
                f"group {first_of.group!r}, so a score would measure memory; keep one, or give both one group"
            )
        frames.append(item)
        labels.append(config.classes.index(sample.label))
        groups.append(sample.group)
    if not frames:
        first = f" (the first: {failures[0].message})" if failures else ""
        raise InputError(f"none of the {len(samples)} labelled files is a usable picture{first}")
    return Labelled(config.classes, tuple(frames), np.array(labels, np.int64), np.array(groups)), failures
