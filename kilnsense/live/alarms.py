"""All alarms of a station: a pure state machine that is told readings, faults, people's answers and the time.

Every call is handed the moment and returns what happened, for the journal. Nothing in here waits, writes or
locks; the caller does.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from kilnsense.config import AlarmConfig
from kilnsense.errors import ConfigError, InputError
from kilnsense.live.alarm import Alarm, Rules
from kilnsense.live.camera_alarms import CameraAlarms, Stopwatch
from kilnsense.types import AlarmEvent, AlarmStatus, Moment, Reading

FORMAT = 1
STORAGE = "storage"
"""The one alarm of the whole station: something cannot be kept."""


class Alarms:
    """All alarms of a station.

    Args:
        config: delays and limits.
        cameras: name of each camera -> its burning states, from cold to hot.
        now: the start of the monitor.

    Raises:
        ConfigError: a state that shall raise an alarm is a class of no camera, or two alarms have one name.
    """

    def __init__(self, config: AlarmConfig, cameras: Mapping[str, Sequence[str]], now: Moment) -> None:
        known = {name for classes in cameras.values() for name in classes}
        if strange := sorted(set(config.states or ()) - known):
            raise ConfigError(f"alarms.states: got {', '.join(strange)}, allowed: {', '.join(sorted(known))}")
        self._cameras = {name: CameraAlarms(name, each, config, now) for name, each in cameras.items()}
        rules = Rules(0.0, config.off_delay_s, config.realarm_s, config.longest_shelf_s)
        self._storage = Alarm(AlarmStatus(STORAGE, "", "storage", "low"), rules)
        self._storage_text = ""
        self._watch = Stopwatch()
        self._watch.run(True, now.monotonic)
        self._now = now

    def observe(self, reading: Reading, now: Moment) -> list[AlarmEvent]:
        """Takes in what is published of a camera. Raises InputError for an unknown camera."""
        camera = self._cameras.get(reading.camera)
        if camera is None:
            raise InputError(f"camera {reading.camera!r}: allowed: {', '.join(self._cameras)}")
        self._now = now
        return camera.observe(reading, now)

    def fault(self, kind: str, active: bool, text: str, now: Moment) -> list[AlarmEvent]:
        """Takes in whether the station has a fault.

        Args:
            kind: ``storage``.
            active: whether something cannot be kept now.
            text: what, where, and what to do about it.
            now: the moment.

        Raises:
            InputError: there is no such kind.
        """
        if kind != STORAGE:
            raise InputError(f"fault {kind!r}: allowed: {STORAGE}")
        self._now = now
        if active:
            self._storage_text = text
        return self._step_storage(active, now)

    def tick(self, now: Moment) -> list[AlarmEvent]:
        """Takes in that time has passed: delays and shelves end, silent cameras are noticed."""
        self._now = now
        events = [event for camera in self._cameras.values() for event in camera.tick(now)]
        return events + self._step_storage(self._storage.condition, now)

    def acknowledge(self, alarm: str, user: str, now: Moment) -> list[AlarmEvent]:
        """Somebody has seen this activation; nothing happens where there is none. Raises InputError."""
        found, clock = self._find(alarm, now)
        return found.acknowledge(user, clock, now)

    def shelve(self, alarm: str, user: str, reason: str, seconds: float, now: Moment) -> list[AlarmEvent]:
        """Takes it off the list for so long. Raises InputError: unknown, no reason, or for too long."""
        return self._find(alarm, now)[0].shelve(user, reason, seconds, now)

    def unshelve(self, alarm: str, user: str, now: Moment) -> list[AlarmEvent]:
        """Puts it back; nothing happens where it is not shelved. Raises InputError."""
        return self._find(alarm, now)[0].unshelve(user, now)

    def statuses(self) -> tuple[AlarmStatus, ...]:
        """All alarms, those that are quiet included; the same order always."""
        return tuple(alarm.status for alarm in self._every().values())

    def to_memory(self) -> dict[str, Any]:
        """All that must outlive a restart, for JSON; delays as how long they have run at the last call."""
        cameras = {name: camera.remember(self._now) for name, camera in self._cameras.items()}
        storage = self._storage.remember(self._watch.read(self._now.monotonic))
        return {"format": FORMAT, "cameras": cameras, STORAGE: storage, "text": self._storage_text}

    def restore(self, memory: Mapping[str, Any], now: Moment) -> list[AlarmEvent]:
        """Goes on from what `to_memory` gave, as if the time between had not been; shelves run on.

        Delays of a camera run again from its first reading on. What cannot be taken up, because the camera,
        the state or the form is no longer known, is left out, and an event says so.
        """
        self._now = now
        if memory.get("format") != FORMAT:
            return [_dropped("alarms", f"of format {memory.get('format')!r}, not {FORMAT}", now)]
        events: list[AlarmEvent] = []
        cameras = memory.get("cameras")
        for name, kept in cameras.items() if isinstance(cameras, dict) else ():
            lost = ["alarms"]
            if isinstance(kept, dict):
                known, alarms = self._cameras.get(name), kept.get("alarms")
                lost = known.recall(kept, now) if known else [*alarms] if isinstance(alarms, dict) else lost
            why = f"camera {name} has no such alarm any more, or what was kept of it cannot be read"
            events += [_dropped(alarm, why, now) for alarm in lost]
        try:
            self._storage.recall(memory[STORAGE], self._watch.read(now.monotonic), now)
            self._storage_text = str(memory["text"])
        except (KeyError, TypeError, ValueError):
            events.append(_dropped(STORAGE, "cannot be read", now))
        return events

    def _step_storage(self, active: bool, now: Moment) -> list[AlarmEvent]:
        clock = self._watch.read(now.monotonic)
        self._storage.follow(active, clock)
        events = self._storage.leave_shelf(now)
        return events + self._storage.announce(clock, now, lambda: self._storage_text)

    def _every(self) -> dict[str, Alarm]:
        every = {name: alarm for camera in self._cameras.values() for name, alarm in camera.alarms.items()}
        return {**every, STORAGE: self._storage}

    def _find(self, alarm: str, now: Moment) -> tuple[Alarm, float]:
        """An alarm, and what its clock shows."""
        self._now = now
        for camera in self._cameras.values():
            if alarm in camera.alarms:
                found = camera.alarms[alarm]
                return found, camera.clock_of(found, now.monotonic)
        if alarm == STORAGE:
            return self._storage, self._watch.read(now.monotonic)
        raise InputError(f"alarm {alarm!r}: allowed: {', '.join(self._every())}")


def _dropped(alarm: str, why: str, now: Moment) -> AlarmEvent:
    quiet = AlarmStatus(alarm, "", "storage", "low")
    return AlarmEvent(now.wall, "configured", quiet, reason=f"dropped: {why}", monotonic=now.monotonic)
