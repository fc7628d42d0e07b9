"""A shift as the history tells it: how long each state lasted, what changed, which alarms there were."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from kilnsense.errors import ConfigError, InputError
from kilnsense.record.alarm_kpis import AlarmKpis, Episode, alarm_kpis, episodes_of
from kilnsense.record.past import History
from kilnsense.stamp import stamp
from kilnsense.types import UNKNOWN, Span, StoredPicture

SCHEMA = "kilnsense.monitor-report/1"

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Change:
    """The published word changed.

    Attributes:
        at: moment.
        before, after: words.
        reason: why there is no state after it, or "".
    """

    at: float
    before: str
    after: str
    reason: str


@dataclass(frozen=True)
class CameraShift:
    """One camera.

    Attributes:
        camera: its name.
        classes: burning states, from cold to hot.
        spans: what was published.
        seconds: word -> how long.
        unknown: reason -> how long.
        ran: seconds in which anything was published.
        changes: of the word.
        turns: how often the burning state changed, UNKNOWN between or not.
        pictures: that were kept.
    """

    camera: str
    classes: tuple[str, ...]
    spans: tuple[Span, ...]
    seconds: Mapping[str, float]
    unknown: Mapping[str, float]
    ran: float
    changes: tuple[Change, ...]
    turns: int
    pictures: tuple[StoredPicture, ...]


@dataclass(frozen=True)
class Shift:
    """All that a report says.

    Attributes:
        since, until: moments.
        cameras: in order of their names.
        alarms: that were active at any time of it, in the order in which they were raised.
        kpis: of the alarms.
    """

    since: float
    until: float
    cameras: tuple[CameraShift, ...]
    alarms: tuple[Episode, ...]
    kpis: AlarmKpis


def parse_moment(text: str, now: float) -> float:
    """A moment from what people write: ``8h``, ``30m`` or ``7d`` before now, or an ISO time (else in UTC).

    Raises:
        ConfigError: it is neither.
    """
    number, unit = text[:-1].strip(), text[-1:]
    try:
        if unit in UNITS and number.replace(".", "", 1).isdecimal():
            return now - timedelta(**{UNITS[unit]: float(number)}).total_seconds()
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"time: got {text!r}, allowed: 8h, 30m or 7d ago, or a time such as 2026-03-01T06:00+01:00"
        ) from error


def gather_shift(past: History, *, since: float, until: float) -> Shift:
    """What a history says of a stretch of time.

    Raises:
        InputError: it ends before it begins.
        SourceError: the history cannot be read.
    """
    if not since < until:
        raise InputError(f"report: from {_iso(since)} to {_iso(until)}, allowed: an end after the beginning")
    events = past.alarm_events(0.0, until)
    alarms = [one for one in episodes_of(events) if one.cleared is None or one.cleared >= since]
    cameras = [
        _camera(past, name, classes, since=since, until=until) for name, classes in past.cameras().items()
    ]
    kpis = alarm_kpis(events, since=since, until=until)
    return Shift(since, until, tuple(cameras), tuple(alarms), kpis)


def shift_to_dict(shift: Shift) -> dict[str, Any]:
    """The shift as plain values for JSON; moments as UTC ISO-8601."""
    whole = shift.until - shift.since
    cameras = [
        {
            "camera": one.camera,
            "seconds": {word: round(seconds, 1) for word, seconds in one.seconds.items()},
            "unknown_seconds": {reason: round(seconds, 1) for reason, seconds in one.unknown.items()},
            "ran_share": round(one.ran / whole, 5),
            "state_changes": one.turns,
            "changes": [{**asdict(change), "at": _iso(change.at)} for change in one.changes],
            "pictures": [{**asdict(picture), "at": _iso(picture.at)} for picture in one.pictures],
        }
        for one in shift.cameras
    ]
    moments = ("raised", "cleared", "acknowledged")
    alarms = [{**asdict(one), **{name: _iso(getattr(one, name)) for name in moments}} for one in shift.alarms]
    floods = [{"start": _iso(first), "end": _iso(last), "alarms": n} for first, last, n in shift.kpis.floods]
    return {
        "schema": SCHEMA,
        "since": _iso(shift.since),
        "until": _iso(shift.until),
        "cameras": cameras,
        "alarms": alarms,
        "kpis": {**asdict(shift.kpis), "floods": floods, "most_frequent": dict(shift.kpis.most_frequent)},
    }


def _camera(
    past: History, camera: str, classes: tuple[str, ...], *, since: float, until: float
) -> CameraShift:
    spans = past.spans(camera, since, until)
    seconds: dict[str, float] = {}
    unknown: dict[str, float] = {}
    for span in spans:
        seconds[span.word] = seconds.get(span.word, 0.0) + span.end - span.start
        if span.word == UNKNOWN:
            unknown[span.reason] = unknown.get(span.reason, 0.0) + span.end - span.start
    states = [span.word for span in spans if span.word != UNKNOWN]
    return CameraShift(
        camera=camera,
        classes=tuple(dict.fromkeys((*classes, *states))),
        spans=tuple(spans),
        seconds=seconds,
        unknown=dict(sorted(unknown.items(), key=lambda each: -each[1])),
        ran=sum(seconds.values()),
        changes=_changes(spans),
        turns=sum(one != other for one, other in pairwise(states)),
        pictures=tuple(past.pictures(camera, since, until)),
    )


def _changes(spans: Sequence[Span]) -> tuple[Change, ...]:
    """Where one word gave way to another; a restart with the same word is none."""
    return tuple(
        Change(after.start, before.word, after.word, after.reason)
        for before, after in pairwise(spans)
        if (before.word, before.reason) != (after.word, after.reason)
    )


def _iso(at: float | None) -> str | None:
    if at is None:
        return None
    return stamp(datetime.fromtimestamp(at, UTC))
