"""The alarm desk: the state machine of all alarms behind one lock, with its journal, its board and its links."""

import threading
from collections.abc import Callable, Sequence

from kilnsense.live.alarms import Alarms
from kilnsense.live.board import Board
from kilnsense.monitor.watch import Clocks
from kilnsense.types import AlarmEvent, Moment, Reading

Hear = Callable[[AlarmEvent], None]
"""Takes one line of the journal; it must not block for long."""


class Desk:
    """Alarms for many threads: cameras report, people answer, and everybody who wants to hears of it.

    Args:
        alarms: the state machine; from here on nobody else calls it.
        board: shows the alarms.
        hear: are told of every event in order, the journal first.
        clocks: the time.
    """

    def __init__(self, alarms: Alarms, board: Board, hear: Sequence[Hear], *, clocks: Clocks) -> None:
        self._alarms, self._board, self._hear, self._clocks = alarms, board, tuple(hear), clocks
        self._lock = threading.RLock()  # who hears of an event may report a fault
        board.post(alarms.statuses())

    def observe(self, reading: Reading) -> None:
        """A camera has a new reading."""
        self._do(lambda now: self._alarms.observe(reading, now))

    def fault(self, active: bool, text: str) -> None:
        """Something cannot be kept, or it can again."""
        self._do(lambda now: self._alarms.fault("storage", active, text, now))

    def tick(self) -> None:
        """Time has passed."""
        self._do(self._alarms.tick)

    def tell(self, events: Sequence[AlarmEvent]) -> None:
        """Events that happened outside, such as at a restart."""
        self._do(lambda _: list(events))

    def acknowledge(self, alarm: str, *, user: str) -> None:
        """See `live.board.AlarmDesk`."""
        self._do(lambda now: self._alarms.acknowledge(alarm, user, now))

    def shelve(self, alarm: str, *, user: str, reason: str, seconds: float) -> None:
        """See `live.board.AlarmDesk`."""
        self._do(lambda now: self._alarms.shelve(alarm, user, reason, seconds, now))

    def unshelve(self, alarm: str, *, user: str) -> None:
        """See `live.board.AlarmDesk`."""
        self._do(lambda now: self._alarms.unshelve(alarm, user, now))

    def memory(self) -> dict[str, object]:
        """What must outlast a restart, as plain values for JSON."""
        with self._lock:
            return self._alarms.to_memory()

    def _do(self, act: Callable[[Moment], list[AlarmEvent]]) -> None:
        with self._lock:
            now = Moment(self._clocks.wall(), self._clocks.monotonic())
            events = act(now)
            if not events:
                return
            for event in events:
                for hear in self._hear:
                    hear(event)
            self._board.post(self._alarms.statuses())
