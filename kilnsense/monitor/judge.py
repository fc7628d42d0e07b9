"""The process that judges the newest frame of one camera: it may die, hang or err, and is replaced.

Frames come to it through shared memory and never cross a pipe; only what was made of them goes back. Before
its first answer, and again from time to time, it must answer the reference frames of its bundle as ever.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import cv2

from kilnsense.bundle import load_bundle
from kilnsense.errors import KilnsenseError
from kilnsense.golden import golden_fault, has_references
from kilnsense.growing_wait import growing_wait
from kilnsense.live.shared_frame import SharedFrame
from kilnsense.monitor.sighting import JudgeOrders, Sighting, sight_of
from kilnsense.process_name import name_process
from kilnsense.recogniser import open_recogniser

PATIENCE_S = 20.0
"""For an answer; beyond that the process counts as hung."""

START_PATIENCE_S = 90.0
"""To load the model on a busy machine."""

LONGEST_WAIT_S = 30.0


@dataclass(frozen=True)
class Model:
    """The model was loaded.

    Attributes:
        model_id, classes: of the bundle.
        tested: whether it holds reference frames.
    """

    model_id: str
    classes: tuple[str, ...]
    tested: bool


@dataclass(frozen=True)
class SelfTest:
    """The outcome of a self-test; no fault is ""."""

    fault: str


@dataclass(frozen=True)
class Nothing:
    """There is no frame that was not judged already."""


@dataclass(frozen=True)
class Fault:
    """What ended the process."""

    text: str


Answer = Sighting | Model | SelfTest | Nothing
LOOK, SHOW, TEST = "look", "show", "test"
"""What may be asked: judge the newest frame, judge it and draw pictures, test yourself."""


class Judge:
    """The process and its replacement. Call `poll` often; nothing here blocks but `close`.

    Args:
        orders: see there.
        clock: monotonic seconds.

    Attributes:
        trouble: what ended the model last; "" once it is well again.
        model: facts of the loaded model; None until it was loaded once.
    """

    def __init__(self, orders: JudgeOrders, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._orders, self._clock = orders, clock
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._asked: str | None = None
        self._since = self._next_try = clock()
        self._failures = 0
        self.trouble = ""
        self.model: Model | None = None
        self._ready = False

    @property
    def idle(self) -> bool:
        """Whether it may be asked."""
        return self._ready and self._asked is None

    @property
    def pid(self) -> int | None:
        """Of the process; None where there is none now."""
        return self._process.pid if self._process is not None else None

    def ask(self, what: str) -> None:
        """Asks for `LOOK`, `SHOW` or `TEST`; only when it is idle."""
        assert self.idle  # the caller's business
        assert self._pipe is not None  # as it is ready
        self._asked, self._since = what, self._clock()
        with contextlib.suppress(OSError):  # it has just died: heard at the next poll
            self._pipe.send(what)

    def poll(self, wait: float = 0.0) -> Answer | None:
        """The next answer; None if there is none within `wait` seconds. Starts and replaces the process."""
        if self._process is None:
            if self._clock() >= self._next_try:
                self._start()
            elif wait:
                time.sleep(wait)
            return None
        assert self._pipe is not None  # as there is a process
        if not self._pipe.poll(wait):
            busy = not self._ready or self._asked is not None
            patience = PATIENCE_S if self._ready else START_PATIENCE_S
            if busy and self._clock() - self._since > patience:
                self.replace(f"the model of {self._orders.camera} has not answered for {patience:.0f} s")
            return None
        try:
            said = self._pipe.recv()
        except (EOFError, OSError):
            self.replace(f"the process with the model of {self._orders.camera} died")
            return None
        if isinstance(said, Fault):
            self.replace(said.text)
            return None
        if isinstance(said, Model):
            self.model, self._ready = said, True
        self._asked = None
        if isinstance(said, Sighting):
            self._failures = 0
        assert isinstance(said, Answer)  # the process says nothing else
        return said

    @property
    def failing(self) -> bool:
        """Whether it has not judged a frame since it failed last."""
        return self._failures > 0

    def recovered(self) -> None:
        """The model answers as it should."""
        self.trouble = ""

    def replace(self, trouble: str) -> None:
        """Ends the process; another one starts after a while that grows from failure to failure."""
        self.trouble = trouble
        self._end()
        sys.stderr.write(f"kilnsense: {self._orders.camera}: {trouble}; the model is started again\n")
        self._failures += 1
        self._next_try = self._clock() + growing_wait(self._failures, longest=LONGEST_WAIT_S, sooner=0.5)

    def close(self) -> None:
        """Ends the process for good."""
        self._end()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        name = f"kilnsense judge {self._orders.camera}"
        process = context.Process(target=_serve, args=(theirs, self._orders), name=name, daemon=True)
        try:
            process.start()
        except OSError as error:
            ours.close()
            theirs.close()
            self.replace(f"the system gives no process ({error.strerror})")
            return
        theirs.close()  # so that its end is heard of
        self._process, self._pipe, self._since = process, ours, self._clock()

    def _end(self) -> None:
        if self._process is not None and self._pipe is not None:
            self._pipe.close()
            self._process.kill()
            self._process.join(PATIENCE_S)
            with contextlib.suppress(ValueError):  # the system cannot end it: it hangs in a driver
                self._process.close()
        self._process = self._pipe = self._asked = None
        self._ready = False


def _serve(pipe: Connection, orders: JudgeOrders) -> None:
    """The life of the process. Whatever holds it up for too long ends it, also where its parent is gone."""
    name_process("kiln-judge")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(START_PATIENCE_S) + 1)
    cv2.setNumThreads(1)
    try:
        bundle = load_bundle(orders.bundle)
        recogniser = open_recogniser(bundle)
        tested = has_references(bundle.arrays)
        pipe.send(Model(bundle.model_id, bundle.classes, tested))
        with SharedFrame(orders.frames) as frames:
            last = 0
            while True:
                signal.alarm(0)
                asked = pipe.recv()
                signal.alarm(int(PATIENCE_S) + 1)
                if asked == TEST:
                    pipe.send(SelfTest(golden_fault(bundle.arrays, recogniser) if tested else ""))
                    continue
                taken = frames.newest(after=last)
                if taken is None:
                    pipe.send(Nothing())
                    continue
                last = taken.seq
                pipe.send(sight_of(taken, recogniser, orders, pictures=asked == SHOW))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the parent is gone or needs no more
    except KilnsenseError as error:
        _say(pipe, Fault(str(error)))
    except Exception:  # noqa: BLE001 - the parent must hear of it, whatever it is
        _say(pipe, Fault(f"fault of the program while judging:\n{traceback.format_exc()}"))
    os._exit(0)  # libraries' threads may hang at an ordinary end


def _say(pipe: Connection, words: Fault) -> None:
    with contextlib.suppress(OSError):
        pipe.send(words)
