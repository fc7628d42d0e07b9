"""An OPC UA server that shows readings and alarms, and takes nothing.

The server runs in a thread with an event loop of its own. A process of its own would cost about 60 MB and
one more thing to watch over, for a few written values a second; what a flood of clients can do is limited
instead (see `kilnsense.links.opcua_server`).
"""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from kilnsense.config.monitor import OpcUaConfig
from kilnsense.errors import MissingExtraError, SourceError
from kilnsense.links.lasting import LastingThread
from kilnsense.links.link import Station
from kilnsense.links.newest import Newest
from kilnsense.links.secret import read_secret
from kilnsense.types import AlarmEvent, Reading

if TYPE_CHECKING:
    from kilnsense.links.opcua_server import Access

TICK = 0.1
"""Seconds at most until something new is shown."""


def open_opcua(
    config: OpcUaConfig, station: Station, *, clock: Callable[[], float] = time.monotonic
) -> "OpcUaLink":
    """A server, begun in its own thread; a taken port is a trouble, and is tried again for ever.

    Raises:
        MissingExtraError: asyncua is not installed.
        ConfigError: a file that the settings name cannot be used.
        StorageError: the certificate cannot be kept.
    """
    try:
        from kilnsense.links.opcua_server import make_access
    except ImportError as error:
        raise MissingExtraError("links.opcua needs asyncua; install kilnsense[plant]") from error
    password = read_secret(config.password_file, key="opcua.password_file")
    return OpcUaLink(make_access(config, station, password=password), station, clock=clock)


class OpcUaLink:
    """See the module; made by `open_opcua`.

    Args:
        access: address, certificate and who may read.
        station: who speaks.
        clock: seconds that never jump.
    """

    def __init__(self, access: "Access", station: Station, *, clock: Callable[[], float]) -> None:
        self._access, self._station, self._clock = access, station, clock
        self._readings = Newest(station.stale_s, clock=clock)
        self._lock = threading.Lock()
        self._alarms: dict[str, AlarmEvent] = {}
        self._thread = LastingThread("opcua", lambda: asyncio.run(self._serve()))
        self._thread.ail(f"OPC UA server {access.url}: not begun yet")
        self._thread.start()

    def reading(self, reading: Reading) -> None:
        """As of `Link`."""
        self._readings.put(reading)

    def alarm(self, event: AlarmEvent) -> None:
        """As of `Link`."""
        with self._lock:
            self._alarms[event.status.id] = event

    def trouble(self) -> str:
        """As of `Link`."""
        return self._thread.trouble

    def close(self) -> None:
        """As of `Link`."""
        self._thread.close(5.0)

    async def _serve(self) -> None:
        from kilnsense.links.opcua_nodes import Shown
        from kilnsense.links.opcua_server import open_server

        try:
            async with open_server(self._access) as server:
                shown = Shown(server, self._station)
                await shown.make_nodes()
                self._thread.well()
                began = self._clock()
                while not self._thread.ending:
                    with self._lock:
                        alarms = tuple(self._alarms.values())
                    for camera in self._station.cameras:
                        await shown.show(camera, self._readings.get(camera), round(self._clock() - began))
                    for event in alarms:
                        await shown.show_alarm(event)
                    await asyncio.sleep(TICK)
        except OSError as error:
            raise SourceError(
                f"OPC UA server {self._access.url}: cannot be served ({error.strerror or error}); "
                f"choose another port"
            ) from error
