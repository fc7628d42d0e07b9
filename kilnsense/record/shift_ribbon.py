"""The ribbon of a shift: a lane for each word and each alarm, so that place says what colour says too."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from kilnsense.record.alarm_kpis import Episode
from kilnsense.record.shift import CameraShift
from kilnsense.types import UNKNOWN

STEPS_S = (300, 600, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800)
MOST_TICKS = 9


@dataclass(frozen=True)
class Segment:
    """A stretch of a lane: its start and length in percent of the ribbon, and what it says."""

    left: float
    width: float
    title: str


@dataclass(frozen=True)
class Lane:
    """A line of the ribbon.

    Attributes:
        name: what it shows.
        style: ``cold``, ``mid``, ``hot``, ``unknown``, ``low``, ``medium`` or ``high``.
        total: how long altogether, as text.
        segments: when.
    """

    name: str
    style: str
    total: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Tick:
    """A mark of the time axis, percent from the left."""

    left: float
    text: str


@dataclass(frozen=True)
class Ribbon:
    """The ribbon of one camera; `gaps` is when no monitor ran, across all lanes."""

    lanes: tuple[Lane, ...]
    gaps: tuple[Segment, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Period:
    """The time that the ribbon covers, and the zone in which people read it; None: that of this computer."""

    since: float
    until: float
    zone: tzinfo | None

    def local(self, at: float) -> datetime:
        """A moment as people read it."""
        return datetime.fromtimestamp(at, UTC).astimezone(self.zone)

    def clock(self, at: float) -> str:
        """A moment as text, with its day where the time covers more than one."""
        same = self.until - self.since < 86_400
        return f"{self.local(at):%H:%M:%S}" if same else f"{self.local(at):%d %b %H:%M}"

    def place(self, at: float) -> float:
        """Percent from the left, within the ribbon."""
        share = (at - self.since) / (self.until - self.since)
        return 100 * min(1.0, max(0.0, share))

    def segment(self, start: float, end: float, what: str) -> Segment:
        """From start to end."""
        left = self.place(start)
        title = f"{what}: {self.clock(start)} to {self.clock(end)}, {duration(end - start)}"
        return Segment(left, self.place(end) - left, title)


def duration(seconds: float) -> str:
    """A duration as people read it: ``42 s``, ``12 min``, ``3 h 05 min``, ``2 d 4 h``."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h"


def style_of(word: str, classes: Sequence[str]) -> str:
    """How a word is drawn."""
    if word == UNKNOWN:
        return "unknown"
    return "cold" if word == classes[0] else "hot" if word == classes[-1] else "mid"


def draw_ribbon(camera: CameraShift, alarms: Sequence[Episode], period: Period) -> Ribbon:
    """The ribbon of a camera: hot above cold, then UNKNOWN, then the alarms that there were.

    Args:
        camera: what was published.
        alarms: of that camera and of the station.
        period: that it covers.
    """
    lanes = []
    for word in (*reversed(camera.classes), UNKNOWN):
        segments = tuple(
            period.segment(span.start, span.end, _said(span.word, span.reason))
            for span in camera.spans
            if span.word == word
        )
        total = duration(camera.seconds[word]) if word in camera.seconds else "–"
        lanes.append(Lane(word, style_of(word, camera.classes), total, segments))
    for name in dict.fromkeys(one.alarm for one in alarms):
        mine = [one for one in alarms if one.alarm == name]
        priority = max((one.priority for one in mine), key=("low", "medium", "high").index)
        drawn = tuple(
            period.segment(
                max(one.raised, period.since), one.cleared or period.until, f"{name} ({one.priority})"
            )
            for one in mine
        )
        short = name.removeprefix(f"{camera.camera}.")
        lanes.append(Lane(f"⚑ {short}", priority, f"{len(mine)} ×", drawn))
    return Ribbon(tuple(lanes), _gaps(camera, period), _ticks(period))


def _said(word: str, reason: str) -> str:
    return f"{word}, {reason.replace('_', ' ')}" if reason else word


def _gaps(camera: CameraShift, period: Period) -> tuple[Segment, ...]:
    """Where nothing was published."""
    edges = [period.since, *(at for span in camera.spans for at in (span.start, span.end)), period.until]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return tuple(period.segment(start, end, "monitor did not run") for start, end in pairs if end - start > 1)


def _ticks(period: Period) -> tuple[Tick, ...]:
    step = next((each for each in STEPS_S if (period.until - period.since) / each <= MOST_TICKS), STEPS_S[-1])
    midnight = period.local(period.since).replace(hour=0, minute=0, second=0, microsecond=0)
    number = math.ceil((period.since - midnight.timestamp()) / step)
    ticks = []
    while (at := (midnight + timedelta(seconds=number * step)).timestamp()) <= period.until:
        text = f"{period.local(at):%H:%M}" if step < 86_400 else f"{period.local(at):%d %b}"
        ticks.append(Tick(period.place(at), text))
        number += 1
    return tuple(ticks)
