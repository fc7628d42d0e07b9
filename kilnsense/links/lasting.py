"""A thread whose work is begun anew, after growing waits, whatever ended it."""

import threading
from collections.abc import Callable

SOON = 1.0
"""Seconds until work that failed is begun anew; doubled each time that it fails again."""


class LastingThread:
    """Does some work until it is closed. What the work raises is its trouble, and the reason to begin anew.

    Args:
        name: of the thread.
        work: runs until `ending`; calls `well` once what it needs is there.
        longest_wait: seconds between two attempts.
    """

    def __init__(self, name: str, work: Callable[[], None], *, longest_wait: float = 30.0) -> None:
        self._work, self._longest = work, longest_wait
        self._end, self._stirred = threading.Event(), threading.Event()
        self._wait, self._trouble = SOON, ""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    @property
    def ending(self) -> bool:
        """Whether the work is to return."""
        return self._end.is_set()

    @property
    def trouble(self) -> str:
        """What is wrong now, one sentence; "" where the work is well."""
        return self._trouble

    def well(self) -> None:
        """The work has what it needs: there is no trouble, and the next failure is a first one."""
        self._trouble, self._wait = "", SOON

    def ail(self, trouble: str) -> None:
        """Says what is wrong while the work goes on."""
        self._trouble = trouble

    def stir(self) -> None:
        """Ends a `rest` of the work. Any thread may call it."""
        self._stirred.set()

    def rest(self, seconds: float) -> None:
        """The work waits so long, or until it is stirred or closed."""
        self._stirred.wait(seconds)
        self._stirred.clear()

    def close(self, patience: float) -> None:
        """Tells the work to return and waits at most so many seconds for it."""
        self._end.set()
        self._stirred.set()
        if self._thread.ident is not None:
            self._thread.join(patience)

    def _run(self) -> None:
        while not self.ending:
            try:
                self._work()
            except Exception as error:  # noqa: BLE001 - a link outlives whatever its partner or a library does
                self._trouble = str(error) or type(error).__name__
                self._end.wait(self._wait)
                self._wait = min(2 * self._wait, self._longest)
