"""Worker processes that may die: each does the whole way from path to row, within limits of memory and time.

A damaged file can make a decoder hang, eat the memory or end its process. Here it ends one worker: the parent
knows which input that worker was reading, gives that input a row that says so, starts another worker, and has
the portion done again without it. So a portion's rows are those of one whole pass, whatever happened before.
"""

import contextlib
import multiprocessing
import os
import resource
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self

import cv2

from kilnsense.errors import KilnsenseError, SourceError
from kilnsense.label.portion import Job, Way, label_portion
from kilnsense.recogniser import Recogniser, open_recogniser
from kilnsense.record.store import Row

PATIENCE = 60.0
"""Seconds for the networks to look at a batch, and for a worker to start; beyond that it counts as lost."""
TRIES = 3
"""Times that a portion may end its worker without a culprit before all of it is given up."""


@dataclass(frozen=True)
class Orders:
    """What every worker is told.

    Attributes:
        bundle: folder of the model.
        root: what paths start from.
        every: of a video each so manieth frame is judged.
        min_confidence: no state is named below; None: as the bundle says.
        seconds: that one input may take to be read and decoded.
        megabytes: of memory that it may take beside what a worker needs for itself.
    """

    bundle: Path
    root: Path
    every: int = 25
    min_confidence: float | None = None
    seconds: float = 5.0
    megabytes: int = 500


@dataclass(frozen=True)
class _Begun:
    """A worker reads that input; None: its networks look at a batch."""

    input: int | None


@dataclass(frozen=True)
class _Finished:
    """The rows of a portion; None where it was only probed."""

    rows: list[Row] | None


@dataclass(frozen=True)
class _Fault:
    """What ended a worker that is no fault of an input."""

    text: str
    known: bool


@dataclass
class _Worker:
    """A process and what it is at."""

    process: BaseProcess
    pipe: Connection
    job: Job | None = None
    input: int | None = None
    since: float = field(default_factory=time.monotonic)


Written = Callable[[int, list[Row]], None]


class Guarded:
    """So many guarded workers. Use it in a `with` block.

    Args:
        orders: for all of them.
        processes: at once.
        way: from a portion to its rows; a function of a module, so that another process can find it.
    """

    def __init__(self, orders: Orders, *, processes: int, way: Way | None = None) -> None:
        self._orders, self._way = orders, way or label_portion
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
        if isinstance(said, _Begun):
            worker.input = said.input
        elif isinstance(said, _Fault):
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
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._orders, self._way), daemon=True)
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
        try:
            process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        theirs.close()  # so that its end is heard of
        return _Worker(process, ours)


def open_model(orders: Orders) -> Recogniser:
    """The model that the orders name, with its border of confidence. Raises BundleError."""
    recogniser = open_recogniser(orders.bundle)
    if orders.min_confidence is None:
        return recogniser
    return replace(recogniser, min_confidence=orders.min_confidence)


def _end(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.kill()
    worker.process.join()


def _serve(pipe: Connection, orders: Orders, way: Way) -> None:
    """The life of a worker. Whatever holds it up for too long ends it, also where its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device
        os.dup2(nowhere.fileno(), 2)  # what decoders print of broken files is said in their rows

    reading: int | None = None

    def begin(number: int | None) -> None:
        nonlocal reading
        reading = number
        signal.alarm(int(PATIENCE + orders.seconds) + 1)
        pipe.send(_Begun(number))

    cv2.setNumThreads(1)  # there is a worker for each core
    try:
        recogniser = open_model(orders)
        _limit_memory(orders.megabytes)
        while True:
            signal.alarm(0)
            job, probing = pipe.recv()
            if not probing:
                pipe.send(_Finished(way(job, recogniser, root=orders.root, every=orders.every, begin=begin)))
                continue
            for number, path in job.inputs:
                alone = Job(job.number, ((number, path),), job.lost)

                def fixed(_: int | None, number: int = number) -> None:
                    begin(number)  # whatever it is at, it is at this input

                way(alone, recogniser, root=orders.root, every=orders.every, begin=fixed)
            pipe.send(_Finished(None))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone or needs no more
    except KilnsenseError as error:
        _last_words(pipe, _Fault(str(error), known=True))
    except MemoryError:
        return  # as if it had been killed: the parent looks for the input that took so much
    except Exception:  # noqa: BLE001 - the parent must hear of it, whatever it is
        if reading is None:  # else that input alone is given up
            _last_words(pipe, _Fault(traceback.format_exc(), known=False))


def _limit_memory(megabytes: int) -> None:
    """From here on the process may take so much more address space; beyond that an allocation fails."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no file of ours
        pages = int(file.read().split()[0])
    most = pages * resource.getpagesize() + megabytes * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _last_words(pipe: Connection, words: _Fault) -> None:
    with contextlib.suppress(OSError):
        pipe.send(words)
