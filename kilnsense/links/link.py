"""What every link to the plant can do."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kilnsense.types import AlarmEvent, Reading


class Link(Protocol):
    """Hands on readings and alarms. Links live in threads of their own.

    `reading` and `alarm` take note and return at once. They never wait for the partner or the disk, and
    never raise because one of them is gone; `trouble` tells.
    """

    def reading(self, reading: Reading) -> None:
        """What is published of a camera now."""
        ...

    def alarm(self, event: AlarmEvent) -> None:
        """A line of the alarm journal, as it happens."""
        ...

    def trouble(self) -> str:
        """What is wrong now, one sentence without passwords; "" if nothing is."""
        ...

    def close(self) -> None:
        """Takes leave of the partner, within a few seconds."""
        ...


@dataclass(frozen=True)
class Station:
    """Who speaks over the links.

    Attributes:
        site: its name.
        folder: where a link keeps what must survive a restart.
        cameras: name -> its classes, in order from cold to hot.
        stale_s: seconds without a new reading after which a camera's state is withdrawn.
    """

    site: str
    folder: Path
    cameras: Mapping[str, tuple[str, ...]]
    stale_s: float = 5.0
