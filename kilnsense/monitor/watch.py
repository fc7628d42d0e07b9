"""One camera under watch: its capture, its model and its decisions, turned into readings."""

import math
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from kilnsense.config import CameraConfig, MonitorConfig
from kilnsense.errors import BundleError, InputError
from kilnsense.live.board import LivePicture
from kilnsense.live.capture import Camera
from kilnsense.live.decision import Decision, Observation, begin, resume, step, to_plain
from kilnsense.live.picture import PictureWatch
from kilnsense.monitor.judge import LOOK, SHOW, TEST, Answer, Judge, Model, Nothing, SelfTest
from kilnsense.monitor.sighting import JudgeOrders, Sighting
from kilnsense.types import CameraHealth, Reading

TURN_S = 0.05
"""Longest that a turn waits."""

IDLE_S = 1.0
"""Between readings while no frame is judged."""

FAULT_AFTER_S = 5.0
"""A process that died is back before that; only a longer absence is a fault of the model."""

PICTURE_FAULTS = {
    "frozen": "the picture stands still: restart the camera or its encoder",
    "dark": "the picture is dark: look whether the kiln is off, the shutter closed or the glass covered",
    "over_exposed": "the picture is over-exposed: lower the exposure, or look at the iris and the filter",
    "blurred": "the picture is blurred: look at the focus, and whether the camera was moved",
    "dusted": "nothing but dust is seen: look at the purge air and clean the glass",
}
"""What to do about a bad picture."""

PICTURE_S = 0.4
"""Least time between two pictures for the page."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a turn brought.

    Attributes:
        reading: to be published.
        picture: a new one, or None.
        seconds: that judging took; None where no frame was judged.
    """

    reading: Reading
    picture: LivePicture | None
    seconds: float | None


@dataclass(frozen=True)
class Clocks:
    """Seconds of the monotonic clock, for all durations, and seconds since 1970, for people."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


class Watch:
    """Turns one camera into readings. Call `turn` in a loop; it waits `TURN_S` at most. Close it.

    Args:
        camera: the camera and its model.
        config: of the monitor.
        classes: of its bundle, as the alarms know them.
        memory: what `memory` gave before a restart; empty: none.
        clocks: the time.
    """

    def __init__(
        self,
        camera: CameraConfig,
        config: MonitorConfig,
        *,
        classes: tuple[str, ...],
        memory: Mapping[str, object],
        clocks: Clocks | None = None,
    ) -> None:
        self._config, self._named, self._memory = config, camera, memory
        self._classes, self._tested_badly = classes, False
        self._clocks = clocks or Clocks()
        self._camera = Camera(camera, config.capture, wall=self._clocks.wall)
        self._camera.start()
        orders = JudgeOrders(camera.name, Path(camera.bundle), self._camera.memory, camera.clock, camera.bed)
        self._judge = Judge(orders, clock=self._clocks.monotonic)
        self._pictures = _picture_watch(config.capture.frozen_s, memory.get("pictures"))
        self._decision: Decision | None = None
        self._newest: Sighting | None = None
        self._shown = self._seq = 0
        now = self._clocks.monotonic()
        self._due = self._next_test = self._next_picture = self._told = now
        self._usable = False
        self._fault_since: float | None = None
        self._bad = ("", -math.inf)
        self._begun = self._clocks.wall()

    def turn(self) -> Outcome | None:
        """Looks what has come, asks for what is due; a reading at every decision, and once a second else."""
        now = self._clocks.monotonic()
        health = self._camera.poll(now)
        answer = self._judge.poll(min(TURN_S, max(0.0, self._due - now)) or TURN_S)
        now = self._clocks.monotonic()
        if isinstance(answer, Sighting) and now - answer.arrived > self._config.decision.stale_s:
            answer = Nothing()  # of before the camera was lost, or of a process that hung
        picture = self._hear(answer, now)
        self._ask(health, now)
        if isinstance(answer, Sighting):
            return self._tell(health, answer, picture, now)
        if now - self._told >= IDLE_S:
            return self._tell(health, None, None, now)
        return None

    @property
    def processes(self) -> tuple[int | None, int | None]:
        """Ids of the processes of the model and of the camera; None where one is just being replaced."""
        return self._judge.pid, self._camera.process_id

    def memory(self) -> dict[str, object]:
        """What should outlast a restart, as plain values for JSON."""
        kept: dict[str, object] = {"pictures": self._pictures.usual()}
        if self._decision is not None:
            kept["decision"] = to_plain(self._decision, self._clocks.wall())
        return kept

    def close(self) -> None:
        """Ends both processes."""
        self._judge.close()
        self._camera.close()

    def _hear(self, answer: Answer | None, now: float) -> LivePicture | None:
        if isinstance(answer, Model):
            self._usable, self._next_test = False, now
            self._meet(answer)
            if self._decision is None:
                self._decision = self._begin(answer.classes, now)
        elif isinstance(answer, SelfTest):
            self._next_test = now + self._config.golden_every_s
            if answer.fault:
                self._judge.replace(answer.fault)
                self._usable, self._fault_since = False, now - FAULT_AFTER_S
            else:
                self._usable = True
                if self._tested_badly or not self._judge.failing:
                    self._well()
            self._tested_badly = bool(answer.fault)
        elif isinstance(answer, Sighting):
            self._well()
            self._newest = answer
            if answer.plain:
                self._shown += 1
                return LivePicture(self._shown, answer.at, answer.plain, answer.overlay)
        if self._judge.trouble and self._fault_since is None:
            self._fault_since = now
        return None

    def _well(self) -> None:
        self._judge.recovered()
        self._fault_since = None

    def _meet(self, model: Model) -> None:
        """A model was loaded. Raises BundleError where it has other classes than the alarms were made for."""
        if model.classes != self._classes:
            raise BundleError(
                f"camera {self._named.name}: bundle {self._named.bundle} was replaced by one with the "
                f"classes {', '.join(model.classes)}; the station starts anew with them"
            )
        if not model.tested:
            sys.stderr.write(
                f"kilnsense: {self._named.name}: bundle {self._named.bundle} holds no reference frames, so "
                "that the model cannot test itself; train it again with this release\n"
            )

    def _ask(self, health: CameraHealth, now: float) -> None:
        if not self._judge.idle:
            return
        if now >= self._next_test:
            self._next_test = now + self._config.golden_every_s
            self._judge.ask(TEST)
        elif self._usable and health.state == "LIVE" and now >= self._due:
            # A judge that was late does not hurry afterwards.
            self._due = max(self._due + 1 / self._named.rate, now)
            showing = now >= self._next_picture
            if showing:
                self._next_picture = now + PICTURE_S
            self._judge.ask(SHOW if showing else LOOK)

    def _begin(self, classes: tuple[str, ...], now: float) -> Decision:
        kept = self._memory.get("decision")
        if isinstance(kept, Mapping):
            return resume(kept, classes, now, self._clocks.wall(), self._config.decision)
        return begin(classes, now)

    def _tell(
        self, health: CameraHealth, sighting: Sighting | None, picture: LivePicture | None, now: float
    ) -> Outcome:
        self._told = now
        self._seq += 1
        health = self._looked_at(health, sighting, now)
        fault = self._fault_since is not None and now - self._fault_since >= FAULT_AFTER_S
        if self._decision is None:
            return Outcome(self._without_model(health, now, fault=fault), None, None)
        seen = Observation(
            health.state,
            verdict=sighting.verdict if sighting else None,
            frame_at=sighting.arrived if sighting else None,
            fault=fault,
        )
        self._decision = step(self._decision, seen, now, self._config.decision)
        reading = self._reading(self._decision, health, sighting, now)
        return Outcome(reading, picture, sighting.seconds if sighting else None)

    def _looked_at(self, health: CameraHealth, sighting: Sighting | None, now: float) -> CameraHealth:
        """The health with what the picture itself says: a camera that sends nonsense is not LIVE."""
        if health.state != "LIVE":
            self._bad = ("", -math.inf)
            return health
        if sighting is not None:
            kind = self._pictures.see(sighting.quality, sighting.luma, sighting.arrived)
            if kind != self._bad[0]:
                self._bad = (kind, now)
        kind, since = self._bad
        if not kind:
            return replace(health, since=max(health.since, self._clocks.wall() - (now - since)))
        return replace(
            health,
            state="BAD_PICTURE",
            detail=kind,
            message=PICTURE_FAULTS[kind],
            since=self._clocks.wall() - (now - since),
        )

    def _reading(
        self, decision: Decision, health: CameraHealth, sighting: Sighting | None, now: float
    ) -> Reading:
        wall, newest, model = self._clocks.wall(), self._newest, self._judge.model
        verdict = sighting.verdict if sighting else None
        return Reading(
            camera=self._named.name,
            seq=self._seq,
            at=wall,
            classes=decision.classes,
            state=decision.state,
            reason=decision.reason,
            confidence=decision.confidence,
            since=wall - (now - decision.since),
            health=health,
            model_id=model.model_id if model else "",
            probabilities=decision.probabilities if decision.state is not None else (),
            raw=verdict.probabilities if verdict else (),
            unfamiliarity=verdict.unfamiliarity if verdict else 0.0,
            trend=decision.trend,
            frame_at=newest.at if newest else None,
            frame_age=now - newest.arrived if newest else None,
            regions=sighting.regions if sighting else (),
            bed_edge=sighting.bed_edge if sighting else None,
        )

    def _without_model(self, health: CameraHealth, now: float, *, fault: bool) -> Reading:
        wall = self._clocks.wall()
        since = wall - (now - self._fault_since) if fault and self._fault_since is not None else self._begun
        return Reading(
            camera=self._named.name,
            seq=self._seq,
            at=wall,
            classes=(),
            state=None,
            reason="model_fault" if fault else "starting",
            confidence=0.0,
            since=since,
            health=health,
            model_id="",
        )


def _picture_watch(frozen_s: float, usual: object) -> PictureWatch:
    """With what was learnt before a restart; what cannot be used is learnt anew within a minute."""
    if isinstance(usual, Mapping):
        with suppress(InputError, TypeError):
            return PictureWatch(frozen_s, usual=usual)
    return PictureWatch(frozen_s)
