"""The alarm desk: the machine of all alarms behind one lock, with those who hear of every event."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kilnsense.live.alarms import Alarms
from kilnsense.live.board import Board
from kilnsense.monitor.watch import Clocks
from kilnsense.types import AlarmEvent, Moment, Reading

Journal = Callable[[Sequence[AlarmEvent], Mapping[str, Any]], bool]
"""Keeps events together with what the alarms must remember; whether it could."""

Hear = Callable[[AlarmEvent], None]
"""Takes one event; it must not block for long, and not call the desk."""


class Desk:
    """Alarms for many threads: cameras report, people answer, and everybody who wants to hears of it.

    Args:
        alarms: the machine; from here on nobody else calls it.
        board: shows the alarms.
        journal: keeps every event before anybody hears of it.
        hear: are told of every event, in order.
        clocks: the time.
    """

    def __init__(
        self, alarms: Alarms, board: Board, journal: Journal, hear: Sequence[Hear], *, clocks: Clocks
    ) -> None:
        self._alarms, self._board, self._journal = alarms, board, journal
        self._hear, self._clocks = tuple(hear), clocks
        self._lock = threading.Lock()

    def restore(self, memory: Mapping[str, Any] | None) -> None:
        """Goes on from what the journal kept; None: there is nothing. Call it first.

        All who listen hear of every alarm as it stands, so that partners know of those that are quiet.
        """
        self._do(lambda now: self._alarms.restore(memory, now) if memory is not None else [])
        self._board.post(self._alarms.statuses())
        for status in self._board.alarms():
            event = AlarmEvent(self._clocks.wall(), "configured", status, monotonic=self._clocks.monotonic())
            for hear in self._hear:
                hear(event)

    def observe(self, reading: Reading) -> None:
        """A camera has a new reading."""
        self._do(lambda now: self._alarms.observe(reading, now))

    def fault(self, active: bool, text: str) -> None:
        """Something cannot be kept, or it can again."""
        self._do(lambda now: self._alarms.fault("storage", active, text, now))

    def tick(self) -> None:
        """Time has passed."""
        self._do(self._alarms.tick)

    def acknowledge(self, alarm: str, *, user: str) -> None:
        """See `live.board.AlarmDesk`."""
        self._do(lambda now: self._alarms.acknowledge(alarm, user, now))

    def shelve(self, alarm: str, *, user: str, reason: str, seconds: float) -> None:
        """See `live.board.AlarmDesk`."""
        self._do(lambda now: self._alarms.shelve(alarm, user, reason, seconds, now))

    def unshelve(self, alarm: str, *, user: str) -> None:
        """See `live.board.AlarmDesk`."""
        self._do(lambda now: self._alarms.unshelve(alarm, user, now))

    def note(self) -> None:
        """Keeps how far the delays have run, for a restart."""
        with self._lock:
            self._journal([], self._alarms.to_memory())

    def _do(self, act: Callable[[Moment], list[AlarmEvent]]) -> None:
        with self._lock:
            events = act(Moment(self._clocks.wall(), self._clocks.monotonic()))
            if not events:
                return
            self._journal(events, self._alarms.to_memory())
            self._board.post(self._alarms.statuses())
            for event in events:
                for hear in self._hear:
                    hear(event)
