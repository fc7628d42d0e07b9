"""Which labelled frames belong together, so that no fold has some of them on both sides.

A manifest or folders say it best. Where they do not, time stamps give blocks: frames of the same hour
resemble each other, and near the border of two blocks they still do, so frames that lie closer than an
embargo to a frame that is judged are not learned from. Where there is nothing at all, stretches of
consecutive file names stand in: frames filmed one after the other are mostly named one after the other.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from kilnsense.data.folders import Sample
from kilnsense.errors import ConfigError, InputError
from kilnsense.types import Frame

WAYS = ("auto", "given", "time", "names", "none")
"""How to group: by what the data say, or else by time, or else by names; or by one of them alone."""

STRETCHED = "stretches of consecutive file names"
MOST_SECONDS = 1e11
"""Of a time stamp; larger numbers are milliseconds or no times."""
STRETCHES = 10
"""Stretches of names for each class."""

_STAMP = re.compile(
    r"(?<!\d)(20\d\d)[-_.]?([01]\d)[-_.]?([0-3]\d)[-_.T ]{0,2}"
    r"([0-2]\d)[-_.:h]?([0-5]\d)(?:[-_.:m]?([0-5]\d))?(?!\d)"
)


@dataclass(frozen=True, eq=False)
class Grouping:
    """The groups of N frames.

    Attributes:
        way: ``given``, ``time``, ``names`` or ``none``.
        groups: (N,) str.
        times: (N,) float64 seconds, for way ``time``; else empty.
        embargo: seconds; frames closer than this to a judged frame are not learned from.
        words: what the groups are, for people.
        guessed: frames whose group is a guess: those in stretches of names.
    """

    way: str
    groups: NDArray[np.str_]
    times: NDArray[np.float64]
    embargo: float
    words: str
    guessed: int = 0

    @property
    def sure(self) -> bool:
        """Whether all groups rest on more than a guess."""
        return self.way in ("given", "time") and not self.guessed

    def purged(self, train: NDArray[np.intp], test: NDArray[np.intp]) -> NDArray[np.intp]:
        """The training rows without those that lie within the embargo of a test row."""
        if not len(self.times) or self.embargo <= 0:
            return train
        known = np.sort(self.times[test])
        place = np.searchsorted(known, self.times[train])
        before = self.times[train] - known[np.maximum(place - 1, 0)]
        after = known[np.minimum(place, len(known) - 1)] - self.times[train]
        return train[np.minimum(np.abs(before), np.abs(after)) >= self.embargo]


def group_frames(
    samples: Sequence[Sample],
    frames: Sequence[Frame],
    *,
    way: str = "auto",
    block: float = 3600.0,
    embargo: float = 900.0,
) -> Grouping:
    """Groups N labelled frames.

    Args:
        samples, frames: N of each; the samples carry what the manifest or the folders say.
        way: one of `WAYS`.
        block: seconds, of time stamps.
        embargo: seconds, of time stamps.

    Raises:
        ConfigError: another way.
        InputError: time stamps or groups are asked for and missing; names the first frame without.
    """
    if way not in WAYS:
        raise ConfigError(f"--group-by: got {way!r}, allowed: columns of the manifest, or {', '.join(WAYS)}")
    given = np.array([sample.group for sample in samples])
    stated = any(sample.group != sample.source for sample in samples)
    if way == "given" and not stated:
        raise InputError(
            "--group-by given: neither a manifest nor folders name a camera run; put the frames of each run "
            "into a folder of its own, or take --group-by time or names"
        )
    if way == "none":
        return _plain("none", np.array([sample.source for sample in samples]), "every frame on its own")
    if stated and way in ("auto", "given"):
        return _given(samples, given)
    times = [_time(sample, frame) for sample, frame in zip(samples, frames, strict=True)]
    missing = [sample.source for sample, time in zip(samples, times, strict=True) if time is None]
    if way == "time" and missing:
        raise InputError(
            f"--group-by time: {len(missing)} of {len(samples)} frames have no time stamp (the first: "
            f"{missing[0]}); name a column in data.time_column, or take --group-by names"
        )
    if way != "names" and not missing:
        stamps = np.array(times, np.float64)
        words = f"blocks of {block / 60:g} minutes with an embargo of {embargo / 60:g}"
        return Grouping("time", _blocks(stamps, block), stamps, embargo, words)
    return _plain("names", _stretches(samples), STRETCHED, guessed=len(samples))


def _given(samples: Sequence[Sample], groups: NDArray[np.str_]) -> Grouping:
    """What the data say; frames without a run, beside those with one, are put into stretches of names."""
    alone = [row for row, sample in enumerate(samples) if sample.group == sample.source]
    if not alone:
        return _plain("given", groups, "camera runs")
    filled = groups.astype(object)
    filled[alone] = _stretches([samples[row] for row in alone])
    words = f"camera runs, and {STRETCHED} where none is named"
    return _plain("given", filled.astype(np.str_), words, guessed=len(alone))


def _plain(way: str, groups: NDArray[np.str_], words: str, *, guessed: int = 0) -> Grouping:
    return Grouping(way, groups, np.zeros(0), 0.0, words, guessed)


def _time(sample: Sample, frame: Frame) -> float | None:
    """Seconds since 1970, or as the manifest counts them; None where nothing says."""
    for text in (sample.time, frame.captured_at):
        if text:
            return _seconds(text, sample)
    return _stamped(PurePosixPath(sample.source).name)


def _stamped(text: str) -> float | None:
    """The moment that a text names, such as 20260301_140500; None where it names none."""
    found = _STAMP.search(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:  # digits that are no date
        return None


def _seconds(text: str, sample: Sample) -> float:
    refused = InputError(
        f"{sample.source}: got time {text!r}, allowed: ISO 8601, such as 2026-03-01T14:05:00Z, or seconds "
        f"(below {MOST_SECONDS:.0e}: milliseconds are none)"
    )
    if (moment := _stamped(text)) is not None and text.replace(".", "", 1).isdecimal():
        return moment  # 20260301140500 is a date, not a number of seconds
    try:
        number = float(text)
    except ValueError:
        try:
            date = datetime.fromisoformat(text)
        except ValueError:
            raise refused from None
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    if not abs(number) < MOST_SECONDS:  # nor NaN
        raise refused
    return number


def _blocks(times: NDArray[np.float64], block: float) -> NDArray[np.str_]:
    """(N,) name of the block of each frame; one starts where the last has lasted so long."""
    order = np.argsort(times, kind="stable")
    names, number, start = np.empty(len(times), "U16"), -1, -np.inf
    for row in order:
        if times[row] - start >= block:
            number, start = number + 1, times[row]
        names[row] = f"block{number:04d}"
    return names


def _stretches(samples: Sequence[Sample]) -> NDArray[np.str_]:
    """(N,) name of the stretch of each frame: about `STRETCHES` a class, none across two folders."""
    order = sorted(range(len(samples)), key=lambda row: _natural(samples[row].source))
    classes = len({sample.label for sample in samples})
    length = max(2, -(-len(samples) // (STRETCHES * classes)))
    groups = np.empty(len(samples), dtype=object)
    first, folder, count = "", None, 0
    for row in order:
        path = PurePosixPath(samples[row].source)
        if path.parent != folder or count == length:
            first, folder, count = f"from {path}", path.parent, 0
        groups[row], count = first, count + 1
    return groups.astype(np.str_)


def _natural(text: str) -> list[tuple[int, str]]:
    """A key that sorts img2 before img10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]
