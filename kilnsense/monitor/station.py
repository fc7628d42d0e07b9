"""The station: every camera under watch in a thread of its own, one desk, one history, links and page."""

import json
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import Full, Queue
from typing import TextIO

from starlette.applications import Starlette

from kilnsense.bundle import read_identity
from kilnsense.config import CameraConfig, MonitorConfig
from kilnsense.errors import ConfigError, SourceError, StorageError
from kilnsense.links.link import Link
from kilnsense.links.metrics import Tallies, metrics_text
from kilnsense.links.newest import Heard
from kilnsense.links.open import open_links
from kilnsense.links.payload import encoded, state_payload
from kilnsense.live.alarms import Alarms
from kilnsense.live.board import Board
from kilnsense.live.source import camera_source
from kilnsense.monitor.desk import Desk
from kilnsense.monitor.keeper import Keeper
from kilnsense.monitor.watch import Clocks, Outcome, Watch
from kilnsense.record.history import HistoryWriter
from kilnsense.record.publish import publish
from kilnsense.types import Moment, Reading
from kilnsense.web.dashboard import DOORS, DashboardOptions, dashboard_app
from kilnsense.web.guard import Pass
from kilnsense.web.keys import kept_keys
from kilnsense.web.serve import Site, check_web, serve

PAGE, KEY_FILE = "monitor", "page.key"
TICK_S = 1.0
NOTE_S = 10.0
"""Between two notes of what must outlast a kill."""

TIDY_S = 60.0
MOVED_S = 20.0
"""A camera's loop that has not gone round for so long hangs."""

MOST_LINES = 100
"""Readings that wait for whoever reads them."""

PATIENCE_S = 10.0
"""For the threads to end."""


def run_station(
    config: MonitorConfig,
    *,
    stop: threading.Event,
    ready: Callable[[str], None],
    beat: Callable[[], None],
    tell: TextIO | None = None,
) -> None:
    """Watches all cameras until `stop` is set.

    Args:
        config: of the monitor.
        stop: ends it.
        ready: is told the address of the page, with its key, once it can be opened.
        beat: is called every second as long as every camera's loop goes round.
        tell: takes every reading as a line of JSON; None: nobody wants them.

    Raises:
        KilnsenseError: a bundle, the history, a link or the page cannot be opened.
    """
    check_monitor_parts(config)
    classes = {camera.name: _classes(camera) for camera in config.cameras}
    folder = Path(config.history.folder)
    with ExitStack() as stack:
        history = stack.enter_context(HistoryWriter(folder, config.history))
        links = open_links(config.links, site=config.site, folder=folder, cameras=classes)
        for link in links.values():
            stack.callback(link.close)
        floor = Floor(config, classes, history, links)
        threads = [
            threading.Thread(target=floor.watch, args=(camera, stop), name=camera.name, daemon=True)
            for camera in config.cameras
        ]
        threads.append(threading.Thread(target=floor.mind, args=(stop, beat), name="mind", daemon=True))
        if tell is not None:
            floor.tell(tell)
        for thread in threads:
            thread.start()
        try:
            floor.serve(ready, stop)
        finally:
            stop.set()
            for thread in threads:
                thread.join(PATIENCE_S)
            floor.desk.note()


def _classes(camera: CameraConfig) -> tuple[str, ...]:
    """Of the bundle of a camera. Raises ConfigError for a bed that is no region of it, BundleError."""
    model, _ = read_identity(Path(camera.bundle))
    regions = model.segment.names
    if camera.bed not in regions and "bed" in camera.model_fields_set:
        raise ConfigError(f"camera {camera.name}: bed: got {camera.bed!r}, allowed: {', '.join(regions)}")
    return model.classes


def check_monitor_parts(config: MonitorConfig) -> None:
    """Refuses sources, logins, addresses and certificates that cannot be meant. Raises ConfigError."""
    check_web(config.web)
    for camera in config.cameras:
        camera_source(camera)


class Floor:
    """What the threads of a station share.

    Args:
        config: of the monitor.
        classes: name of each camera -> its burning states.
        history: the writer.
        links: to the plant, by name.
    """

    def __init__(
        self,
        config: MonitorConfig,
        classes: Mapping[str, tuple[str, ...]],
        history: HistoryWriter,
        links: Mapping[str, Link],
    ) -> None:
        self._config, self._classes, self._history = config, classes, history
        self._links = links
        self._lines: Queue[Reading] | None = None
        self._clocks = Clocks()
        self._moved = dict.fromkeys(classes, self._clocks.monotonic())
        self._health: dict[str, tuple[str, str]] = {}
        self._board = Board(config.site, list(classes))
        self._keeper = Keeper(history, every_s=config.history.picture_every_s)
        self._tallies = Tallies(classes, stale_s=config.links.stale_s)
        self._hearers: tuple[Link, ...] = (*links.values(), self._tallies)
        alarms = Alarms(config.alarms, classes, Moment(self._clocks.wall(), self._clocks.monotonic()))
        hear = (self._keeper.alarm, *(link.alarm for link in self._hearers))
        self.desk = Desk(alarms, self._board, history.add_alarms, hear, clocks=self._clocks)
        self.desk.restore(_alarm_memory(history))

    def watch(self, camera: CameraConfig, stop: threading.Event) -> None:
        """The life of a camera's thread. A fault of the program ends the station, which is started again."""
        note = Path(self._config.history.folder) / f"watch-{camera.name}.json"
        try:
            classes, memory = self._classes[camera.name], _read(note)
            watch = Watch(camera, self._config, classes=classes, memory=memory, clocks=self._clocks)
            try:
                noted = self._clocks.monotonic()
                while not stop.is_set():
                    outcome = watch.turn()
                    now = self._moved[camera.name] = self._clocks.monotonic()
                    if outcome is not None:
                        self._publish(outcome, now)
                    if now - noted >= NOTE_S:
                        noted = now
                        _write(note, watch.memory())
                _write(note, watch.memory())
            finally:
                watch.close()
        except Exception:  # noqa: BLE001 - whatever it is: a screen that stands still must not look alive
            sys.stderr.write(f"kilnsense: camera {camera.name}: {traceback.format_exc()}")
            stop.set()

    def mind(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """The life of the thread that lets time pass: delays, storage, and what must be kept."""
        try:
            self._mind(stop, beat)
        except Exception:  # noqa: BLE001 - as in `watch`: without it delays would stand still unseen
            sys.stderr.write(f"kilnsense: {traceback.format_exc()}")
            stop.set()

    def _mind(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        tidied = noted = 0.0
        remarks = 0
        troubles = dict.fromkeys(self._links, "")
        while not stop.wait(TICK_S):
            now = self._clocks.monotonic()
            if all(now - moved < MOVED_S for moved in self._moved.values()):
                beat()
            self.desk.tick()
            trouble = self._history.trouble
            self.desk.fault(bool(trouble), trouble)
            for remark in self._history.remarks[remarks:]:
                sys.stderr.write(f"kilnsense: {remark}\n")
                remarks += 1
            for name, link in self._links.items():
                if (said := link.trouble()) != troubles[name]:
                    troubles[name] = said
                    sys.stderr.write(f"kilnsense: {name}: {said or 'works again'}\n")
            if now - noted >= NOTE_S:
                noted = now
                self.desk.note()
            if now - tidied >= TIDY_S:
                tidied = now
                self._history.tidy()

    def _tell_health(self, reading: Reading) -> None:
        """A line for people where a camera comes, goes or gets worse."""
        health = reading.health
        if self._health.get(reading.camera) != (health.state, health.detail):
            self._health[reading.camera] = (health.state, health.detail)
            said = f"{health.state} {health.detail}".rstrip()
            message = f": {health.message}" if health.message else ""
            sys.stderr.write(f"kilnsense: {reading.camera}: {said}{message}\n")

    def tell(self, to: TextIO) -> None:
        """From now on every reading is a line of JSON there."""
        self._lines = Queue(MOST_LINES)
        given = (self._lines, to, self._config.site)
        threading.Thread(target=_write_lines, args=given, name="tell", daemon=True).start()

    def serve(self, ready: Callable[[str], None], stop: threading.Event) -> None:
        """Serves the page until `stop` is set. Raises SourceError, ConfigError, StorageError."""
        web = self._config.web
        keys = kept_keys(Path(web.token_file or Path(self._config.history.folder) / KEY_FILE))
        site = Site(PAGE, keys, web.host, web.port, web.certificate, web.key, doors=DOORS)
        options = DashboardOptions(
            metrics=self._metrics if self._config.links.metrics else None,
            longest_shelf_s=self._config.alarms.longest_shelf_s,
        )

        def make(known: Pass, hosts: tuple[str, ...]) -> Starlette:
            return dashboard_app(
                self._board, self.desk, self._history.past, known, hosts, stop=stop, options=options
            )

        serve(make, site, ready=lambda known: ready(known.address), stop=stop)

    def _metrics(self) -> str:
        folder = Path(self._config.history.folder)
        return metrics_text(self._tallies, self._board.alarms(), self._links, folder=folder)

    def _publish(self, outcome: Outcome, now: float) -> None:
        reading = outcome.reading
        self._tell_health(reading)
        self._board.publish(reading)
        if outcome.picture is not None:
            self._board.show(reading.camera, outcome.picture)
        for link in self._hearers:
            link.reading(reading)
        self.desk.observe(reading)
        self._history.add(reading)
        self._keeper.take(outcome, now)
        if outcome.seconds is not None:
            self._tallies.inferred(reading.camera, outcome.seconds)
        if self._lines is not None:
            with suppress(Full):  # whoever reads too slowly misses readings, and holds nobody up
                self._lines.put_nowait(reading)


def _write_lines(lines: Queue[Reading], to: TextIO, site: str) -> None:
    """The life of the thread that tells readings to whoever wants them, and may wait for him."""
    try:
        while True:
            heard = Heard(lines.get(), 0.0, stale=False)
            to.write(encoded(state_payload(heard, site=site)) + "\n")
            to.flush()
    except OSError as error:
        sys.stderr.write(f"kilnsense: nobody takes the readings any more ({error.strerror})\n")


def _alarm_memory(history: HistoryWriter) -> Mapping[str, object] | None:
    """What the alarms remembered; None: nothing, or it cannot be read, which no start may wait for."""
    try:
        return history.past.alarm_memory() or None
    except SourceError as error:
        sys.stderr.write(f"kilnsense: what the alarms remembered cannot be read: {error}\n")
        return None


def _read(note: Path) -> dict[str, object]:
    """What a watch knew before a restart; nothing where it cannot be read: it is learnt anew."""
    try:
        values = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _write(note: Path, memory: Mapping[str, object]) -> None:
    try:
        publish(note, [json.dumps(memory, allow_nan=False).encode()])
    except StorageError:
        return  # the history meets the same disk, and raises the alarm
