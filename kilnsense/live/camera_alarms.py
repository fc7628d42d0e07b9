"""All alarms of one camera, and how they hold each other back.

Burning alarms run on a clock that stands still while no burning state is published: what cannot be seen
neither raises nor clears. An active alarm of the camera or of its model suppresses them. Where they come and
go too often, one alarm says that the kiln is unstable, and they are held back until it is quiet.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from kilnsense.config import AlarmConfig
from kilnsense.errors import ConfigError
from kilnsense.live.alarm import Alarm, Rules
from kilnsense.live.alarm_texts import burning_text, camera_text, model_text, unstable_text
from kilnsense.types import AlarmEvent, AlarmStatus, Moment, Reading

STALE_S = 10.0
"""A camera that nothing was heard of for so long has nothing to say any more, seconds."""

LIVE = "LIVE"
MODEL_FAULT = "model_fault"


class Stopwatch:
    """Seconds that run only at times."""

    def __init__(self) -> None:
        self._gathered, self._from = 0.0, 0.0
        self.running = False

    def run(self, running: bool, monotonic: float) -> None:
        """Starts or stops it."""
        self._gathered, self._from, self.running = self.read(monotonic), monotonic, running

    def read(self, monotonic: float) -> float:
        """What it shows."""
        return self._gathered + (monotonic - self._from) if self.running else self._gathered


class CameraAlarms:
    """The alarms of one camera.

    Args:
        camera: its name.
        classes: its burning states, from cold to hot.
        config: delays and limits.
        now: the start of the monitor.

    Raises:
        ConfigError: two of its alarms would have the same name.
    """

    def __init__(self, camera: str, classes: Sequence[str], config: AlarmConfig, now: Moment) -> None:
        self.camera = camera
        self._config = config
        burning, other = _rules(config)
        ends = dict.fromkeys((classes[0], classes[-1]))
        states = [one for one in classes if one in (ends if config.states is None else config.states)]
        self._burning = {one: _alarm(camera, one, "burning", "medium", burning) for one in states}
        self._unstable = _alarm(camera, "unstable", "unstable", "medium", _at_once(config))
        self._camera = _alarm(camera, "camera", "camera", "low", other)
        self._model = _alarm(camera, "model", "model", "low", other)
        every = [*self._burning.values(), self._unstable, self._camera, self._model]
        self.alarms = {alarm.status.id: alarm for alarm in every}
        if len(self.alarms) < len(every):
            raise ConfigError(
                f"alarms of {camera}: two have the same name for the classes {', '.join(classes)}; "
                "camera, model and unstable are taken: rename the class"
            )
        self._known, self._watch = Stopwatch(), Stopwatch()
        self._activations: list[float] = []
        self._reading: Reading | None = None
        self._heard, self._stale = now.monotonic, False

    def observe(self, reading: Reading, now: Moment) -> list[AlarmEvent]:
        """Takes in what is published of the camera."""
        events = self._grow_stale(now)
        self._reading, self._heard, self._stale = reading, now.monotonic, False
        self._known.run(reading.state is not None, now.monotonic)
        self._watch.run(True, now.monotonic)
        clock = self._watch.read(now.monotonic)
        self._camera.follow(reading.health.state != LIVE, clock)
        self._model.follow(reading.reason == MODEL_FAULT, clock)
        if reading.state is not None:
            clock = self._known.read(now.monotonic)
            for state, alarm in self._burning.items():
                self._count(alarm.follow(state == reading.state, clock), clock)
        return events + self._announce(now)

    def tick(self, now: Moment) -> list[AlarmEvent]:
        """Takes in that time has passed."""
        events = self._grow_stale(now)
        watched, known = self._watch.read(now.monotonic), self._known.read(now.monotonic)
        for alarm in (self._camera, self._model):
            alarm.follow(alarm.condition, watched)
        for alarm in self._burning.values():
            self._count(alarm.follow(alarm.condition, known), known)
        return events + self._announce(now)

    def clock_of(self, alarm: Alarm, monotonic: float) -> float:
        """What the clock of one of its alarms shows."""
        watched = alarm is self._camera or alarm is self._model
        return (self._watch if watched else self._known).read(monotonic)

    def remember(self, now: Moment) -> dict[str, Any]:
        """All that must outlive a restart, for JSON."""
        known = self._known.read(now.monotonic)
        kept = {
            name: alarm.remember(self.clock_of(alarm, now.monotonic)) for name, alarm in self.alarms.items()
        }
        return {"alarms": kept, "activations_ago": [known - each for each in self._activations]}

    def recall(self, memory: Mapping[str, Any], now: Moment) -> list[str]:
        """Goes on from what `remember` gave; all clocks stand until the camera is heard of. What is lost."""
        self._known, self._watch = Stopwatch(), Stopwatch()
        self._reading, self._heard, self._stale = None, now.monotonic, False
        ago = memory.get("activations_ago", [])
        sound = isinstance(ago, list) and all(type(each) in (int, float) for each in ago)
        self._activations = [-each for each in ago] if sound else []
        alarms, lost = memory.get("alarms"), []
        for name, kept in alarms.items() if isinstance(alarms, dict) else ():
            try:
                self.alarms[name].recall(kept, 0.0, now)
            except (KeyError, TypeError, ValueError):
                lost.append(name)
        return lost

    def _grow_stale(self, now: Moment) -> list[AlarmEvent]:
        """Notices that nothing was heard for too long, as if somebody had looked at that very moment."""
        edge = self._heard + STALE_S
        if self._stale or now.monotonic <= edge:
            return []
        self._stale = True
        events = self._due(edge, now)
        self._known.run(False, edge)
        self._watch.run(True, edge)
        self._camera.follow(True, self._watch.read(edge))
        return events

    def _due(self, edge: float, now: Moment) -> list[AlarmEvent]:
        """What became due while the camera could still be believed."""
        known = self._known.read(edge)
        for alarm in self._burning.values():
            self._count(alarm.follow(alarm.condition, known), known)
        return self._announce(Moment(now.wall - (now.monotonic - edge), edge))

    def _count(self, activated: bool, clock: float) -> None:
        if activated:
            self._activations.append(clock)

    def _announce(self, now: Moment) -> list[AlarmEvent]:
        reading, camera = self._reading, self.camera
        watched, known = self._watch.read(now.monotonic), self._known.read(now.monotonic)
        told = partial(camera_text, reading, camera, stale=self._stale)
        events = [event for alarm in self.alarms.values() for event in alarm.leave_shelf(now)]
        events += self._camera.announce(watched, now, told)
        events += self._model.announce(watched, now, partial(model_text, reading, camera))
        blind = self._camera.status.active or self._model.status.active
        events += self._unstable.suppress(blind, now)
        if self._known.running:
            events += self._announce_unstable(known, now)
        held = blind or self._unstable.status.active
        for state, alarm in self._burning.items():
            events += alarm.suppress(held, now)
            if self._known.running:
                events += alarm.announce(known, now, partial(self._burning_text, state))
        return events

    def _announce_unstable(self, clock: float, now: Moment) -> list[AlarmEvent]:
        """Enough activations start it; it is over when the last of them is long ago."""
        config = self._config
        self._activations = [each for each in self._activations if clock - each < config.chatter_s]
        count = len(self._activations)
        unstable = count >= config.chatter_count or (self._unstable.condition and count > 0)
        self._unstable.follow(unstable, clock)
        told = partial(unstable_text, self._reading, self.camera, count, config.chatter_s)
        return self._unstable.announce(clock, now, told)

    def _burning_text(self, state: str) -> str:
        assert self._reading is not None  # the clock of the burning alarms stands until there is one
        return burning_text(self._reading, state)


def _alarm(camera: str, name: str, kind: str, priority: str, rules: Rules) -> Alarm:
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    return Alarm(AlarmStatus(f"{camera}.{plain}", camera, kind, priority), rules)


def _rules(config: AlarmConfig) -> tuple[Rules, Rules]:
    """Those of burning states, and those of camera and model."""
    last = (config.realarm_s, config.longest_shelf_s)
    burning = Rules(config.on_delay_s, config.off_delay_s, *last, config.high_after_s)
    return burning, Rules(config.camera_on_delay_s, config.off_delay_s, *last, config.camera_high_after_s)


def _at_once(config: AlarmConfig) -> Rules:
    """For what is a fact as soon as it is known."""
    return Rules(0.0, 0.0, config.realarm_s, config.longest_shelf_s)
