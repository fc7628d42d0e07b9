"""What a worker is told and what it says: all that passes between the parent and its processes.

Light on purpose: the parent imports this and nothing that judges.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kilnsense.record.store import Row

if TYPE_CHECKING:
    from kilnsense.recogniser import Recogniser

PATIENCE = 60.0
"""Seconds for the networks to look at a batch, and for a worker to start; beyond that it counts as lost."""

Begin = Callable[[int | None], None]
"""Told of the input that is being read; of None when none is, and the networks look."""


@dataclass(frozen=True)
class Orders:
    """What every worker is told.

    Attributes:
        bundle: folder of the model.
        root: what paths start from.
        every: of a video each so manieth frame is judged.
        min_confidence: no state is named below; None: as the bundle says.
        seconds: that one input may take to be read and decoded.
        megabytes: of memory that it may take beside what a worker needs for itself.
    """

    bundle: Path
    root: Path
    every: int = 25
    min_confidence: float | None = None
    seconds: float = 5.0
    megabytes: int = 500


@dataclass(frozen=True)
class Job:
    """A portion of the inputs.

    Attributes:
        number: of the portion.
        inputs: (number, path below the root) of each.
        lost: number of an input to the reason why it is not read again: it killed a process, or was too slow.
    """

    number: int
    inputs: tuple[tuple[int, str], ...]
    lost: Mapping[int, str]


class Way(Protocol):
    """From a portion to its rows, in a process that may die of it."""

    def __call__(
        self, job: Job, recogniser: "Recogniser", *, root: Path, every: int, begin: Begin
    ) -> list[Row]:
        """As `label.portion.label_portion`."""
        ...


@dataclass(frozen=True)
class Begun:
    """A worker reads that input; None: its networks look at a batch."""

    input: int | None


@dataclass(frozen=True)
class Finished:
    """The rows of a portion; None where it was only probed."""

    rows: list[Row] | None


@dataclass(frozen=True)
class Fault:
    """What ended a worker that is no fault of an input."""

    text: str
    known: bool
