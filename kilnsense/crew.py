"""Processes that work through jobs, each of which prepares what it needs once.

A process talks to its parent through one pipe: a job in, messages and the end of the job out. The end of the
pipe tells either side when the other one is gone, killed or not.
"""

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from kilnsense.errors import (
    BundleError,
    ConfigError,
    GateError,
    InputError,
    KilnsenseError,
    MissingExtraError,
    SourceError,
    StorageError,
)

Ready = TypeVar("Ready")
Job = TypeVar("Job")
Message = TypeVar("Message")

_KINDS: dict[str, type[KilnsenseError]] = {
    kind.__name__: kind
    for kind in (
        KilnsenseError,
        ConfigError,
        MissingExtraError,
        InputError,
        GateError,
        SourceError,
        BundleError,
        StorageError,
    )
}
"""What can be made again from its text alone; another class comes over as its nearest parent in here."""

_LIMITS = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
_PATIENCE = 5.0  # seconds that a process has to go by itself


@dataclass(frozen=True)
class Done:
    """Said last of every job: it is over, and its result is where `work` left it."""


DONE = Done()


@dataclass(frozen=True)
class _Stop:
    """Why a process ended in the middle of a job.

    Attributes:
        kind: a key of `_KINDS`; "" for a fault in the program.
        text: the message; for a fault, its traceback.
    """

    kind: str
    text: str


class Crew(Generic[Job, Message]):
    """So many processes that work through jobs; 1: the calling process itself.

    Use it in a `with` block: whatever ends the block ends the processes. They start at the first jobs, never
    more of them than jobs, and stay for the next `run`. A job in a process cannot start processes by
    `multiprocessing`. The main module of a program that asks for more than one process must allow a second
    import.

    Args:
        prepare: gives what all jobs need; called once in every process, at its first job.
        work: does one job with what was prepared, and leaves the result on disk; what it hands to its third
            argument is heard of in the parent. As `prepare` a function of a module or a `partial` of one, so
            that another process can find it; jobs and messages must be small and picklable.
        processes: at once.
        name: what a message calls a job.

    Raises:
        ConfigError: less than one process.
    """

    def __init__(
        self,
        prepare: Callable[[], Ready],
        work: Callable[[Ready, Job, Callable[[Message], None]], None],
        *,
        processes: int = 1,
        name: Callable[[Job], str] = str,
    ) -> None:
        if processes < 1:
            raise ConfigError(f"--processes: got {processes}, allowed: 1 and up")
        self.processes = processes
        self._name = name
        self._prepare: Callable[[], Any] = cache(prepare)
        self._work: Callable[[Any, Job, Callable[[Message], None]], None] = work
        self._life = partial(_serve, prepare=prepare, work=work)
        self._members: list[tuple[BaseProcess, Connection]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(at_once=kind is not None)

    def run(self, jobs: Sequence[Job], hear: Callable[[Job, Message | Done], None]) -> None:
        """Does all jobs; `hear` is told of every message of each, and of its end by `DONE`.

        One process does them in order; several take the next one when they are free. An error ends all
        processes; those of a later run start anew.

        Raises:
            KilnsenseError: as `prepare` and `work` raise it; from another process in the same class with the
                same text (an ImageError as an InputError).
            SourceError: a process was lost.
            RuntimeError: another exception in another process, with its traceback.
        """
        if self.processes == 1:
            for job in jobs:
                self._work(self._prepare(), job, partial(hear, job))
                hear(job, DONE)
            return
        try:
            self._run_together(list(jobs), hear)
        except BaseException:
            self._end(at_once=True)  # in the middle of a job, whose messages the next run would hear
            raise

    def _run_together(self, waiting: list[Job], hear: Callable[[Job, Message | Done], None]) -> None:
        while len(self._members) < min(self.processes, len(waiting)):
            self._members.append(self._start())
        waiting.reverse()
        busy: dict[Connection, Job] = {}
        for _, pipe in self._members:
            if waiting:
                self._give(pipe, waiting.pop(), busy)
        while busy:
            ready = wait(list(busy))
            for pipe in [pipe for pipe in busy if pipe in ready]:
                said = self._listen(pipe, busy[pipe])
                hear(busy[pipe], said)
                if isinstance(said, Done):
                    del busy[pipe]
                    if waiting:
                        self._give(pipe, waiting.pop(), busy)

    def _start(self) -> tuple[BaseProcess, Connection]:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=self._life, args=(theirs,), daemon=True)
        with _deaf(), _few_threads():
            process.start()
        theirs.close()  # so that its end is heard of
        return process, ours

    def _give(self, pipe: Connection, job: Job, busy: dict[Connection, Job]) -> None:
        try:
            pipe.send(job)
        except OSError as error:
            raise self._lost(job) from error
        busy[pipe] = job

    def _listen(self, pipe: Connection, job: Job) -> Message | Done:
        try:
            said: Message | Done | _Stop = pipe.recv()
        except (EOFError, OSError) as error:
            raise self._lost(job) from error
        if not isinstance(said, _Stop):
            return said
        if said.kind in _KINDS:
            raise _KINDS[said.kind](said.text)
        raise RuntimeError(f"in {self._name(job)}:\n{said.text}")

    def _lost(self, job: Job) -> SourceError:
        return SourceError(
            f"{self._name(job)}: its process was lost, often for want of memory; let fewer run at once "
            "(--processes, --jobs)"
        )

    def _end(self, *, at_once: bool) -> None:
        for process, pipe in self._members:
            pipe.close()
            if at_once:
                process.terminate()
        for process, _ in self._members:
            process.join(_PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()
        self._members.clear()


@contextmanager
def _deaf() -> Iterator[None]:
    """What starts in here is deaf to Ctrl-C from its first moment; only a main thread can see to that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _few_threads() -> Iterator[None]:
    """What starts in here computes with one thread, unless somebody has set the variables already.

    Libraries read them when they are loaded, and take all cores otherwise: N processes would start N times
    as many threads as there are cores, and those that wait for work would spin and hold up the others. The
    training of a network gives the same numbers either way, because it tells torch its number of threads
    itself; sums in NumPy and scikit-learn can differ from those of several threads in their last digits.
    """
    added = {name: value for name, value in _LIMITS.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _serve(
    pipe: Connection,
    *,
    prepare: Callable[[], Ready],
    work: Callable[[Ready, Job, Callable[[Message], None]], None],
) -> None:
    """The life of a process: one job after the other, until there are no more or nobody wants them."""
    # Ctrl-C reaches the parent, which ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepared, say = cache(prepare), partial(_say, pipe)
    try:
        while True:
            job = _next_job(pipe)
            work(prepared(), job, say)
            say(DONE)
    except KilnsenseError as error:
        kind = next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _KINDS)
        say(_Stop(kind, str(error)))
    except Exception:  # noqa: BLE001 - the parent must hear of it, whatever it is
        say(_Stop("", traceback.format_exc()))


def _next_job(pipe: Connection) -> Any:
    """Waits for it; ends the process where the parent is gone or needs no more."""
    try:
        return pipe.recv()
    except (EOFError, OSError) as error:
        raise SystemExit from error


def _say(pipe: Connection, said: object) -> None:
    """Ends the process where the parent is gone: no `except Exception` of a job may go on alone."""
    try:
        pipe.send(said)
    except OSError as error:
        raise SystemExit from error
