"""A board of two cameras with made-up readings and real rendered pictures, its alarms and its past; served.

The desk keeps the grammar of alarms no further than the page can see it: what is acknowledged is
acknowledged, what is shelved is off the list.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from typing import Any

import cv2
import numpy as np
from starlette.applications import Starlette

from kilnsense.errors import InputError
from kilnsense.live.board import Board, LivePicture
from kilnsense.render.sequence import live_frames, plan_run
from kilnsense.types import Aggregate, AlarmEvent, AlarmStatus, CameraHealth, Reading, Span, StoredPicture
from kilnsense.web.dashboard import DOORS, DashboardOptions, dashboard_app
from kilnsense.web.guard import Keys, Pass
from kilnsense.web.serve import Site, serve
from tests.asking import Answer, ask_page

CLASSES = ("under", "normal", "over")
CAMERAS = ("kiln1", "kiln2")
KEYS = Keys("operator-key-of-the-demo", "viewer-key-of-the-demo")
SHIFT = 8 * 3600.0
PLAIN = DashboardOptions()

OVER = AlarmStatus(
    "kiln1.over",
    "kiln1",
    "burning",
    "medium",
    text="Kiln 1 is burning over since 62 s, probability 0.93. Check fuel rate, draught and feed.",
)


@cache
def pictures(count: int = 6, size: tuple[int, int] = (640, 360)) -> tuple[tuple[bytes, bytes], ...]:
    """JPEG files of rendered frames: plain, and with the bed outlined."""
    plan = plan_run(np.random.default_rng(7), size=size)
    made = []
    for frame in islice(live_frames(plan, rate=0.02), count):
        plain = cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2BGR)
        drawn = plain.copy()
        for region in range(int(frame.regions.max()) + 1):
            mask = (frame.regions == region).astype(np.uint8)
            outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(drawn, outlines, -1, (255, 255 - 60 * region, 60 * region), 3)
        made.append(tuple(cv2.imencode(".jpg", one)[1].tobytes() for one in (plain, drawn)))
    return tuple((plain, overlay) for plain, overlay in made)


def healthy(rate: float = 25.0) -> CameraHealth:
    """A camera that does well."""
    return CameraHealth("LIVE", "", "", time.time() - 7200, frames=1000, reconnects=1, rate=rate)


def stalled() -> CameraHealth:
    """A camera that sends nothing new."""
    message = "No new picture for 14 s; check the network cable and the power of the camera."
    return CameraHealth("STALLED", "read_timeout", message, time.time() - 14, reconnects=3)


def reading(camera: str, seq: int = 1, state: str | None = "normal", **told: Any) -> Reading:
    """A reading of now; `told` takes the place of what it would say."""
    now = time.time()
    facts: dict[str, Any] = {
        "reason": "" if state else "camera_stalled",
        "confidence": 0.934 if state else 0.0,
        "since": now - 754,
        "health": healthy() if state else stalled(),
        "model_id": "demo",
        "trend": "steady" if state else "",
        "frame_at": now,
        "frame_age": 0.1,
    }
    return Reading(camera, seq, now, CLASSES, state, **{**facts, **told})


class Desk:
    """Alarms of a board, answered."""

    def __init__(self, board: Board) -> None:
        self.board, self.journal = board, list[AlarmEvent]()
        self._alarms: dict[str, AlarmStatus] = {}

    def post(self, alarm: AlarmStatus, action: str = "raised", user: str = "", reason: str = "") -> None:
        """Takes in an alarm and shows all."""
        self._alarms[alarm.id] = alarm
        self.journal.append(AlarmEvent(time.time(), action, alarm, user, reason))
        self.board.post(tuple(self._alarms.values()))

    def acknowledge(self, alarm: str, *, user: str) -> None:
        """As the protocol says."""
        self.post(replace(self._known(alarm), acked=True, latched=False), "acknowledged", user)

    def shelve(self, alarm: str, *, user: str, reason: str, seconds: float) -> None:
        """As the protocol says."""
        shelved = {"shelved_until": time.time() + seconds, "shelved_by": user, "shelve_reason": reason}
        self.post(replace(self._known(alarm), **shelved), "shelved", user, reason)  # type: ignore[arg-type]

    def unshelve(self, alarm: str, *, user: str) -> None:
        """As the protocol says."""
        back = replace(self._known(alarm), shelved_until=None, shelved_by="", shelve_reason="")
        self.post(back, "unshelved", user)

    def _known(self, alarm: str) -> AlarmStatus:
        if alarm not in self._alarms:
            raise InputError(f"alarm {alarm!r}: there is none")
        return self._alarms[alarm]


@dataclass
class DemoPast:
    """A past that was made up: normal, then over with an hour of UNKNOWN before, and a picture a minute."""

    desk: Desk
    begun: float = field(default_factory=time.time)

    def spans(self, camera: str, since: float, until: float) -> Sequence[Span]:  # noqa: ARG002
        """As the protocol says."""
        words = ("normal", "over", "normal", "under", "UNKNOWN", "normal", "over")
        ends = (2.0, 2.4, 3.6, 4.1, 5.0, 7.8, 8.0)
        start, found = self.begun - SHIFT, []
        for word, end in zip(words, ends, strict=True):
            stop = self.begun - SHIFT + end * 3600
            found.append(Span(word, "camera_offline" if word == "UNKNOWN" else "", start, stop))
            start = stop
        cut = [replace(one, start=max(one.start, since), end=min(one.end, until)) for one in found]
        return [one for one in cut if one.start < one.end]

    def aggregates(self, camera: str, since: float, until: float) -> Sequence[Aggregate]:  # noqa: ARG002
        """As the protocol says."""
        found = []
        for number in range(96):
            start, wave = self.begun - SHIFT + 300 * number, np.sin(number / 9)
            dead = 49 <= number < 60
            regions = {
                "coal": (0.08 + 0.02 * wave, 22 + 3 * wave),
                "flame": (0.3 + 0.05 * wave, 91 - 2 * wave),
                "material": (0.22 - 0.03 * wave, 61 + 5 * wave),
                "wall": (0.4 - 0.04 * wave, 38 + 2 * wave),
            }
            one = Aggregate(
                start,
                {"UNKNOWN": 1.0} if dead else {"normal": 1.0},
                () if dead else (0.1, 0.8, 0.1),
                None if dead else 0.85 + 0.1 * wave,
                {} if dead else regions,
                None if dead else 0.34 + 0.02 * wave,
                600,
            )
            found.append(one)
        return [one for one in found if since <= one.start < until]

    def pictures(self, camera: str, since: float, until: float) -> Sequence[StoredPicture]:
        """As the protocol says."""
        found = []
        for number in range(480):
            at = self.begun - SHIFT + 60 * number
            word = self.spans(camera, at, at + 1)[0].word
            why = "change" if number in (120, 144, 216, 246, 300, 468) else "regular"
            if word != "UNKNOWN":
                found.append(StoredPicture(number + 1, camera, at, why, word))
        return [one for one in found if since <= one.at < until]

    def picture(self, number: int, *, overlay: bool) -> bytes | None:
        """As the protocol says."""
        return pictures()[number % len(pictures())][overlay] if 1 <= number <= 480 else None

    def alarm_events(self, since: float, until: float) -> Sequence[AlarmEvent]:
        """As the protocol says."""
        return [line for line in self.desk.journal if since <= line.at < until]


@dataclass
class Demo:
    """What is served, and how to reach it."""

    board: Board
    desk: Desk
    past: DemoPast
    stop: threading.Event = field(default_factory=threading.Event)
    known: Pass | None = None
    app: Starlette | None = None

    @property
    def port(self) -> int:
        """Where it is served."""
        assert self.known is not None
        return int(self.known.home.rpartition(":")[2])

    def show(self, camera: str = "kiln1", seq: int = 1, **told: Any) -> None:
        """Publishes a reading and a picture of now."""
        self.board.publish(reading(camera, seq, **told))
        plain, overlay = pictures()[seq % len(pictures())]
        self.board.show(camera, LivePicture(seq, time.time(), plain, overlay))


def demo(cameras: Sequence[str] = CAMERAS) -> Demo:
    """A board that shows one reading and one picture of each camera."""
    board = Board("works", cameras)
    desk = Desk(board)
    made = Demo(board, desk, DemoPast(desk))
    for camera in cameras:
        made.show(camera)
    return made


@contextlib.contextmanager
def serving(made: Demo, *, port: int = 0, options: DashboardOptions = PLAIN) -> Iterator[Demo]:
    """Serves a demo in a thread of this process until the block ends."""
    ready = threading.Event()
    made.stop = threading.Event()

    def tell(known: Pass) -> None:
        made.known = known
        ready.set()

    def make(known: Pass, hosts: tuple[str, ...]) -> Starlette:
        made.app = dashboard_app(
            made.board, made.desk, made.past, known, hosts, stop=made.stop, options=options
        )
        return made.app

    site = Site("monitor", KEYS, "127.0.0.1", port, doors=DOORS)
    thread = threading.Thread(target=serve, args=(make, site), kwargs={"ready": tell, "stop": made.stop})
    thread.start()
    try:
        assert ready.wait(10)
        yield made
    finally:
        made.stop.set()
        thread.join(10)
        assert not thread.is_alive()


@contextlib.contextmanager
def going(made: Demo, told: Callable[[], dict[str, dict[str, Any]]], rate: float = 2.0) -> Iterator[None]:
    """Publishes readings and pictures of the cameras that `told` names, with what it says, all the while."""
    end = threading.Event()

    def run() -> None:
        seq = 1
        while not end.wait(1 / rate):
            seq += 1
            for camera, facts in told().items():
                made.show(camera, seq, **facts)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def ask(made: Demo, address: str, *, method: str = "GET", body: str = "", **headers: str | None) -> Answer:
    """As `ask_page`, of the dashboard."""
    return ask_page("monitor", made.port, KEYS.token, address, method=method, body=body, headers=headers)
