"""Worker processes that may die: each does the whole way from path to row, within limits of memory and time.

A damaged file can make a decoder hang, eat the memory or end its process. Here it ends one worker: the parent
knows which input that worker was reading, gives that input a row that says so, starts another worker, and has
the portion done again without it. So a portion's rows are those of one whole pass, whatever happened before.
"""

import contextlib
import multiprocessing
import multiprocessing.forkserver
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Self

from kilnsense.errors import SourceError
from kilnsense.label.orders import PATIENCE, Begun, Fault, Job, Orders, Way
from kilnsense.record.store import Row

TRIES = 3
"""Times that a portion may end its worker without a culprit before all of it is given up."""


@dataclass
class _Worker:
    """A process and what it is at."""

    process: BaseProcess
    pipe: Connection
    job: Job | None = None
    input: int | None = None
    since: float = field(default_factory=time.monotonic)


Written = Callable[[int, list[Row]], None]


def prepare_workers() -> None:
    """Begins to import what workers need, in a process from which they are then forked; returns at once.

    `Guarded` does so too: call this where there is something else to do before.
    """
    multiprocessing.set_forkserver_preload(["kilnsense.label.worker"])
    multiprocessing.forkserver.ensure_running()


class Guarded:
    """So many guarded workers. Use it in a `with` block.

    Args:
        orders: for all of them.
        processes: at once.
        way: from a portion to its rows; a function of a module, so that another process can find it. None:
            `label.portion.label_portion`.
    """

    def __init__(self, orders: Orders, *, processes: int, way: Way | None = None) -> None:
        prepare_workers()
        self._orders, self._way = orders, way
        self._workers = [self._start() for _ in range(processes)]
        self._again: deque[tuple[Job, bool]] = deque()  # a job, and whether it is only probed
        self._tries: dict[int, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            _end(worker)

    def run(self, jobs: Iterable[Job], written: Written) -> None:
        """Does all portions; `written` gets the number and the rows of each as soon as they are there.

        Raises:
            KilnsenseError: the bundle cannot be opened, or what `written` raises.
            RuntimeError: a fault of the program in a worker, with its traceback.
        """
        waiting = iter(jobs)
        while True:
            for worker in self._workers:
                if worker.job is None and self._again:
                    job, probing = self._again.popleft()
                    self._give(worker, job, probing=probing)
                elif worker.job is None and (fresh := next(waiting, None)) is not None:
                    self._give(worker, fresh, probing=False)
            busy = [worker for worker in self._workers if worker.job is not None]
            if not busy:
                return
            ready = wait([worker.pipe for worker in busy], timeout=self._seconds_left(busy))
            for worker in busy:
                if worker.pipe in ready:
                    self._hear(worker, written)
                elif self._left(worker) <= 0:
                    self._lose(worker, "too_slow")

    def _give(self, worker: _Worker, job: Job, *, probing: bool) -> None:
        worker.job, worker.input, worker.since = job, None, time.monotonic()
        with contextlib.suppress(OSError):  # it died while it waited: that is heard at once
            worker.pipe.send((job, probing))

    def _hear(self, worker: _Worker, written: Written) -> None:
        try:
            said = worker.pipe.recv()
        except (EOFError, OSError):
            self._lose(worker, "crashed")
            return
        worker.since = time.monotonic()
        if isinstance(said, Begun):
            worker.input = said.input
        elif isinstance(said, Fault):
            raise SourceError(said.text) if said.known else RuntimeError(f"in a worker:\n{said.text}")
        else:
            job = worker.job
            assert job is not None  # it speaks only of its job
            worker.job = None
            if said.rows is None:
                self._again.append((job, False))
            else:
                written(job.number, said.rows)

    def _lose(self, worker: _Worker, reason: str) -> None:
        """Names the input that ended a worker, or looks for it; another worker takes its place."""
        job = worker.job
        assert job is not None  # only busy workers are listened to
        _end(worker)
        self._workers[self._workers.index(worker)] = self._start()
        if worker.input is not None:
            self._again.append((replace(job, lost={**job.lost, worker.input: reason}), False))
            return
        self._tries[job.number] = self._tries.get(job.number, 0) + 1
        if self._tries[job.number] > TRIES:
            everything = {number: reason for number, _ in job.inputs}
            self._again.append((replace(job, lost={**everything, **job.lost}), False))
        else:
            self._again.append((job, True))

    def _left(self, worker: _Worker) -> float:
        patience = self._orders.seconds if worker.input is not None else PATIENCE
        return worker.since + patience - time.monotonic()

    def _seconds_left(self, busy: list[_Worker]) -> float:
        return max(0.0, min(self._left(worker) for worker in busy))

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("forkserver")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._orders, self._way), daemon=True)
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
        try:
            process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        theirs.close()  # so that its end is heard of
        return _Worker(process, ours)


def _end(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.kill()
    worker.process.join()


def _serve(pipe: Connection, orders: Orders, way: Way | None) -> None:
    """What a worker runs. The parent has no use for what its module imports."""
    from kilnsense.label.worker import serve

    serve(pipe, orders, way)
