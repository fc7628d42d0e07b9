"""How well the alarms of a station served its people: the figures of ISA-18.2 and EEMUA 191.

An alarm that comes often, stays for days or comes with ten others helps nobody; the figures say so. They
count what was put before people: an alarm that was raised while it was shelved is no part of them.
"""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kilnsense.types import AlarmEvent

WINDOW_S = 600.0
"""Rates and floods are counted in ten minutes."""

FLOOD = 10
"""More alarms in ten minutes are a flood."""

CHATTER, CHATTER_S = 3, 60.0
"""So many activations of one alarm within so many seconds are chattering."""

STALE_S = 86_400.0
"""An alarm that is active for longer is stale."""

MOST_LISTED = 10


@dataclass(frozen=True)
class Episode:
    """One activation of an alarm.

    Attributes:
        alarm, camera, kind: as in `AlarmStatus`.
        priority: the highest that it had.
        raised, cleared: moments; cleared None: it is still active.
        acknowledged, by: when somebody first said to have seen it, and who; None and "": nobody.
        shelved: reason with which it was shelved while it lasted, or before; "" if it was not.
        text: what it said last.
    """

    alarm: str
    camera: str
    kind: str
    priority: str
    raised: float
    cleared: float | None = None
    acknowledged: float | None = None
    by: str = ""
    shelved: str = ""
    text: str = ""


@dataclass(frozen=True)
class AlarmKpis:
    """The figures of a stretch of time.

    Attributes:
        raised: alarms that were put before people.
        per_ten_minutes: mean; aim: below 1.
        most_in_ten_minutes: in any ten minutes.
        floods: (first alarm, last alarm, alarms) of each time with more than 10 alarms in ten minutes.
        flood_share: of the time, 0..1; aim: below 0.01.
        chattering: alarms that were raised three times within a minute.
        stale: alarms that were active for more than a day.
        most_frequent: (alarm, times raised), the ten most frequent.
        by_priority: priority -> alarms.
        acknowledged: share of the raised that somebody has seen; None where none was raised.
        median_acknowledge_s: from raised to seen; None where none was seen.
    """

    raised: int
    per_ten_minutes: float
    most_in_ten_minutes: int
    floods: tuple[tuple[float, float, int], ...]
    flood_share: float
    chattering: tuple[str, ...]
    stale: tuple[str, ...]
    most_frequent: tuple[tuple[str, int], ...]
    by_priority: dict[str, int]
    acknowledged: float | None
    median_acknowledge_s: float | None


def episodes_of(events: Sequence[AlarmEvent]) -> list[Episode]:
    """The activations that a journal tells of, in the order in which they were raised."""
    found: list[Episode] = []
    newest: dict[str, int] = {}
    for event in events:
        status = event.status
        if event.action == "raised":
            newest[status.id] = len(found)
            told = (status.id, status.camera, status.kind, status.priority, event.at)
            found.append(Episode(*told, shelved=status.shelve_reason, text=status.text))
        elif status.id in newest:
            place = newest[status.id]
            found[place] = _follow(found[place], event)
    return found


def _follow(one: Episode, event: AlarmEvent) -> Episode:
    over = one.cleared is not None
    if event.action == "acknowledged" and one.acknowledged is None:
        return replace(one, acknowledged=event.at, by=event.user)
    if event.action in ("cleared", "configured") and not over:
        return replace(one, cleared=event.at)
    if event.action in ("escalated", "realarmed") and not over:
        return replace(one, priority=event.status.priority, text=event.status.text)
    if event.action == "shelved" and not over:
        return replace(one, shelved=event.reason)
    return one


def alarm_kpis(events: Sequence[AlarmEvent], *, since: float, until: float) -> AlarmKpis:
    """The figures from `since` to `until`.

    Args:
        events: the journal up to `until`; what was active before `since` is in it.
        since, until: moments.
    """
    known = episodes_of([event for event in events if event.at < until])
    hidden = {
        (e.status.id, e.at) for e in events if e.action == "raised" and e.status.shelved_until is not None
    }
    shown = [one for one in known if since <= one.raised and (one.alarm, one.raised) not in hidden]
    moments = sorted(one.raised for one in shown)
    floods = _floods(moments)
    seen = [one.acknowledged - one.raised for one in shown if one.acknowledged is not None]
    per_alarm = Counter(one.alarm for one in shown)
    lasting = [one for one in known if one.cleared is None or one.cleared >= since]
    stale = {one.alarm for one in lasting if (one.cleared or until) - one.raised > STALE_S}
    return AlarmKpis(
        raised=len(shown),
        per_ten_minutes=len(shown) * WINDOW_S / (until - since),
        most_in_ten_minutes=max((_within(moments, start, WINDOW_S) for start in moments), default=0),
        floods=tuple(floods),
        flood_share=sum(last - first for first, last, _ in floods) / (until - since),
        chattering=tuple(name for name in sorted(per_alarm) if _chatters(shown, name)),
        stale=tuple(sorted(stale)),
        most_frequent=tuple(sorted(per_alarm.items(), key=lambda each: (-each[1], each[0]))[:MOST_LISTED]),
        by_priority=dict(Counter(one.priority for one in shown)),
        acknowledged=len(seen) / len(shown) if shown else None,
        median_acknowledge_s=statistics.median(seen) if seen else None,
    )


def _within(moments: Sequence[float], start: float, seconds: float) -> int:
    """How many lie in [start, start + seconds)."""
    return sum(start <= each < start + seconds for each in moments)


def _floods(moments: Sequence[float]) -> list[tuple[float, float, int]]:
    """Stretches in which every alarm lies in ten minutes of a flood."""
    found: list[tuple[float, float, int]] = []
    for start in moments:
        inside = [each for each in moments if start <= each < start + WINDOW_S]
        if len(inside) <= FLOOD:
            continue
        first = found.pop()[0] if found and start <= found[-1][1] else start
        count = sum(first <= each <= inside[-1] for each in moments)
        found.append((first, inside[-1], count))
    return found


def _chatters(shown: Sequence[Episode], name: str) -> bool:
    moments = sorted(one.raised for one in shown if one.alarm == name)
    return any(_within(moments, start, CHATTER_S) >= CHATTER for start in moments)
