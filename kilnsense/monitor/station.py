"""The station: every camera under watch in a thread of its own, one desk, one history, the links and the page."""

import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TextIO

from kilnsense.bundle import identify_bundle
from kilnsense.config import CameraConfig, MonitorConfig
from kilnsense.links.link import Link, Station
from kilnsense.links.metrics import Metrics
from kilnsense.links.open import open_links
from kilnsense.links.payload import encoded, state_payload
from kilnsense.live.alarms import Alarms
from kilnsense.live.board import Board
from kilnsense.monitor.desk import Desk
from kilnsense.monitor.keeper import Keeper
from kilnsense.monitor.watch import Clocks, Outcome, Watch
from kilnsense.record.history import open_history
from kilnsense.types import Moment
from kilnsense.web.dashboard import DOORS, DashboardOptions, dashboard_app
from kilnsense.web.guard import Pass
from kilnsense.web.keys import kept_keys
from kilnsense.web.serve import Site, check_web, serve

KEY_FILE = "page.key"
PAGE = "dashboard"
TICK_S = 1.0

Publish = Callable[[Outcome], None]


def run_station(
    config: MonitorConfig,
    *,
    stop: threading.Event,
    ready: Callable[[str], None],
    tell: TextIO | None = None,
) -> None:
    """Watches all cameras until `stop` is set.

    Args:
        config: of the monitor.
        stop: ends it.
        ready: is told the address of the page, with its key, once it can be opened.
        tell: takes every reading as a line of JSON; None: nobody wants them.

    Raises:
        KilnsenseError: a bundle, the history, a link or the page cannot be opened.
    """
    check_web(config.web)
    clocks = Clocks()
    classes = {camera.name: identify_bundle(Path(camera.bundle))[1] for camera in config.cameras}
    folder = Path(config.history.folder)
    board = Board(config.site, list(classes))
    with ExitStack() as stack:
        history = stack.enter_context(closing(open_history(folder, config.history)))
        links = open_links(config.links, Station(config.site, folder, classes))
        for link in links.values():
            stack.callback(link.close)
        now = Moment(clocks.wall(), clocks.monotonic())
        alarms, metrics = Alarms(config.alarms, classes, now), Metrics(board)
        keeper = Keeper(history, config.history)
        hear = (keeper.alarm, metrics.alarm, *(link.alarm for link in links.values()))
        desk = Desk(alarms, board, hear, clocks=clocks)
        desk.tell(alarms.restore(history.alarm_memory(), now))
        publish = _publisher(board, desk, keeper, metrics, links, tell)
        stack.callback(lambda: keeper.remember_alarms(desk.memory()))
        threads = [
            threading.Thread(
                target=_watch, args=(camera, config, keeper, publish, stop), name=camera.name, daemon=True
            )
            for camera in config.cameras
        ]
        threads.append(threading.Thread(target=_tick, args=(desk, keeper, stop), name="tick", daemon=True))
        for thread in threads:
            thread.start()
        try:
            _serve(config, board, desk, history, metrics, stop, ready)
        finally:
            stop.set()
            for thread in threads:
                thread.join(10.0)
