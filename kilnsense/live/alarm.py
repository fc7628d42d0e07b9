"""The machine of one alarm, after ISA-18.2 and OPC UA part 9.

A condition becomes an active alarm when it has held for the on-delay, and is over when it has been gone for
the off-delay. An active alarm asks to be acknowledged, asks again after a while, and grows to high priority;
a high one that nobody acknowledged stays latched. It can be shelved by people and suppressed by other alarms.

There is no thread, no file and no clock in here. Delays run on a clock that the caller reads out as
`clock`: seconds that may stand still for a while, so that a delay can be held. Only a shelf runs on the
monotonic clock of the computer.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any

from kilnsense.errors import InputError
from kilnsense.types import AlarmEvent, AlarmStatus, Moment

HIGH = "high"

MOST_LETTERS = 500
"""Of a name or a reason that people give."""

_KEPT: dict[str, tuple[type, ...]] = {
    "priority": (str,),
    "active": (bool,),
    "acked": (bool,),
    "latched": (bool,),
    "shelved_until": (int, float, NoneType),
    "shelved_by": (str,),
    "shelve_reason": (str,),
    "suppressed": (bool,),
    "since": (int, float),
    "text": (str,),
}
"""What of a status outlives a restart, and the types that it has in JSON."""


@dataclass(frozen=True)
class Rules:
    """Delays of one alarm, seconds.

    Attributes:
        on_s: that the condition must hold before the alarm is raised.
        off_s: that it must be gone before the alarm is cleared.
        realarm_s: after an acknowledgement the alarm asks again, if it is still active.
        longest_shelf_s: nobody may shelve it for longer.
        high_after_s: after being active for so long it is of high priority; None: never.
    """

    on_s: float
    off_s: float
    realarm_s: float
    longest_shelf_s: float
    high_after_s: float | None = None


class Alarm:
    """One alarm.

    Args:
        quiet: its status while nothing is the matter.
        rules: its delays.
    """

    def __init__(self, quiet: AlarmStatus, rules: Rules) -> None:
        self.status = quiet
        self.condition = False
        self.settled = False
        self._base, self._rules = quiet.priority, rules
        self._turned = self._active_from = self._acked_from = 0.0  # on the clock of the caller
        self._shelf_ends = 0.0  # on the monotonic clock

    def follow(self, condition: bool, clock: float) -> bool:
        """Takes in whether the condition holds; whether it has just held for long enough to be an alarm."""
        if condition != self.condition:
            self.condition, self._turned = condition, clock
        delay = self._rules.on_s if condition else self._rules.off_s
        if condition == self.settled or clock - self._turned < delay:
            return False
        self.settled = condition
        return condition

    def announce(self, clock: float, now: Moment, text: Callable[[], str]) -> list[AlarmEvent]:
        """What there is to say now, after `follow` and `suppress`; `text` is asked when it is said.

        Nothing is raised or asked while the condition is gone, though the off-delay still runs.
        """
        events = []
        if self.settled and self.condition and not self.status.active and not self.status.suppressed:
            # What was high and is still unacknowledged stays so until somebody has seen it.
            priority = HIGH if self.status.latched else self._base
            self._active_from = clock
            raised = replace(self.status, active=True, acked=False, latched=False, priority=priority)
            events.append(self._become(replace(raised, since=now.wall, text=text()), "raised", now))
        elif self.status.active and not self.settled:
            events.append(self._clear(now))
        if self.status.active and self.condition and not self.status.suppressed:
            events += self._ask(clock, now, text)
        return events

    def suppress(self, suppressed: bool, now: Moment) -> list[AlarmEvent]:
        """Takes in whether other alarms make this one meaningless."""
        if suppressed == self.status.suppressed:
            return []
        action = "suppressed" if suppressed else "unsuppressed"
        return [self._become(replace(self.status, suppressed=suppressed), action, now)]

    def acknowledge(self, user: str, clock: float, now: Moment) -> list[AlarmEvent]:
        """Somebody has seen it; nothing happens where there is nothing to be seen. Raises InputError."""
        _expect_text("user", user)
        if self.status.latched:
            seen = replace(self.status, acked=True, latched=False, priority=self._base)
        elif self.status.active and not self.status.acked:
            seen = replace(self.status, acked=True)
        else:
            return []
        self._acked_from = clock
        return [self._become(seen, "acknowledged", now, user)]

    def shelve(self, user: str, reason: str, seconds: float, now: Moment) -> list[AlarmEvent]:
        """Takes it off the list for so long, whatever it does. Raises InputError."""
        _expect_text("user", user)
        _expect_text("reason", reason)
        most = self._rules.longest_shelf_s
        if not 0 < seconds <= most:
            raise InputError(
                f"{self.status.id}: shelved for {seconds:g} s, allowed: more than 0, at most {most:g}"
            )
        self._shelf_ends = now.monotonic + seconds
        shelved = replace(self.status, shelved_until=now.wall + seconds, shelved_by=user)
        return [self._become(replace(shelved, shelve_reason=reason), "shelved", now, user, reason)]

    def leave_shelf(self, now: Moment) -> list[AlarmEvent]:
        """It comes back by itself when the time of the shelf is over."""
        return self._unshelve("", now) if now.monotonic >= self._shelf_ends else []

    def unshelve(self, user: str, now: Moment) -> list[AlarmEvent]:
        """Puts it back; nothing happens where it is not shelved. Raises InputError."""
        _expect_text("user", user)
        return self._unshelve(user, now)

    def remember(self, clock: float) -> dict[str, Any]:
        """All that must outlive a restart, for JSON; delays as how long they have run."""
        return {
            "status": {name: getattr(self.status, name) for name in _KEPT},
            "condition": self.condition,
            "settled": self.settled,
            "turned_ago": clock - self._turned,
            "active_for": clock - self._active_from,
            "acked_ago": clock - self._acked_from,
        }

    def recall(self, memory: Mapping[str, Any], clock: float, now: Moment) -> None:
        """Goes on from what `remember` gave.

        Raises:
            ValueError, KeyError, TypeError: it is no such thing; nothing is changed then.
        """
        told = {name: _typed(memory["status"], name, types) for name, types in _KEPT.items()}
        condition, settled = (_typed(memory, name, (bool,)) for name in ("condition", "settled"))
        runs = [_typed(memory, name, (int, float)) for name in ("turned_ago", "active_for", "acked_ago")]
        try:
            self.status = replace(self.status, **told)
        except InputError as error:
            raise ValueError(str(error)) from error
        self.condition, self.settled = condition, settled
        self._turned, self._active_from, self._acked_from = (clock - ran for ran in runs)
        left = (self.status.shelved_until or now.wall) - now.wall
        self._shelf_ends = now.monotonic + min(left, self._rules.longest_shelf_s)

    def _ask(self, clock: float, now: Moment, text: Callable[[], str]) -> list[AlarmEvent]:
        """An active alarm grows, and asks again."""
        events, rules = [], self._rules
        grown = rules.high_after_s is not None and clock - self._active_from >= rules.high_after_s
        if grown and self.status.priority != HIGH:
            events.append(self._become(replace(self.status, priority=HIGH, text=text()), "escalated", now))
        due = self.status.acked and clock - self._acked_from >= rules.realarm_s
        if due and self.status.shelved_until is None:
            events.append(self._become(replace(self.status, acked=False, text=text()), "realarmed", now))
        return events

    def _clear(self, now: Moment) -> AlarmEvent:
        latched = self.status.priority == HIGH and not self.status.acked
        over = replace(self.status, active=False, since=now.wall, latched=latched, acked=not latched)
        return self._become(over if latched else replace(over, priority=self._base), "cleared", now)

    def _unshelve(self, user: str, now: Moment) -> list[AlarmEvent]:
        if self.status.shelved_until is None:
            return []
        back = replace(self.status, shelved_until=None, shelved_by="", shelve_reason="")
        return [self._become(back, "unshelved", now, user)]

    def _become(
        self, status: AlarmStatus, action: str, now: Moment, user: str = "", reason: str = ""
    ) -> AlarmEvent:
        self.status = status
        return AlarmEvent(now.wall, action, status, user, reason, now.monotonic)


def _expect_text(what: str, got: str) -> None:
    if not got.strip() or len(got) > MOST_LETTERS:
        raise InputError(f"{what}: got {got[:40]!r}, allowed: 1 to {MOST_LETTERS} letters, not only blanks")


def _typed(memory: Mapping[str, Any], name: str, types: tuple[type, ...]) -> Any:
    """A remembered value, if its type is one of these; a bool is no number."""
    value = memory[name]
    if type(value) not in types or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"{name}: got {value!r}")
    return value
