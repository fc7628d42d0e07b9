"""One moment on the two clocks that a monitor lives by."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Moment:
    """Now, as both clocks tell it; whoever needs the time is handed one.

    Attributes:
        wall: seconds since 1970 (UTC); a label for people and files, which somebody may set.
        monotonic: seconds since some start; all durations are differences of these. It starts anew with the
            computer.
    """

    wall: float
    monotonic: float
