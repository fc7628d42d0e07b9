"""Trials in one process or in several, each of which prepares its data once.

A process talks to its parent through one pipe: a trial in, epochs and the finished trial out. The end of the
pipe tells either side when the other one is gone, killed or not.
"""

import multiprocessing
import shutil
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any

from kilnsense.config import StudyConfig
from kilnsense.errors import (
    ConfigError,
    InputError,
    KilnsenseError,
    MissingExtraError,
    SourceError,
    StorageError,
)
from kilnsense.record.publish import publish
from kilnsense.study.outcome import Outcome, read_outcome, write_outcome
from kilnsense.study.plan import Trial, trial_config
from kilnsense.study.prepared import Prepared
from kilnsense.training.history import Epoch

Task = Callable[[StudyConfig], Prepared]
"""Reads the data of a study. A function of a module, so that another process can find it."""

OUTCOME, FAILURE = "outcome.json", "failure.txt"
"""What a finished trial leaves in its folder: one of the two."""

_STOPS = {kind.__name__: kind for kind in (StorageError, SourceError, ConfigError, InputError)}
_PATIENCE = 5.0  # seconds that a stopped process has to go by itself


@dataclass(frozen=True, eq=False)
class Finished:
    """A trial that is over.

    Attributes:
        trial: which.
        outcome: None where it failed.
        message: why it failed.
    """

    trial: Trial
    outcome: Outcome | None
    message: str = ""


Tell = Callable[[Trial, Epoch | Finished], None]
"""Told of every epoch of a running trial, and of its end."""


def trial_folder(folder: Path, trial: Trial) -> Path:
    """Where a trial of the study in `folder` keeps its files."""
    return folder / "trials" / trial.name


def read_finished(folder: Path, trial: Trial) -> Finished | None:
    """What an earlier run of the study left of a trial; None where it did not end. Raises SourceError."""
    place = trial_folder(folder, trial)
    if (place / OUTCOME).exists():
        return Finished(trial, read_outcome(place / OUTCOME))
    try:
        return Finished(trial, None, (place / FAILURE).read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        return None


class Workers:
    """So many processes that train trials of one study; 1: the calling process itself.

    Use it in a `with` block: whatever ends the block ends the processes. The main module of a program that
    asks for more than one process must allow a second import.
    """

    def __init__(self, study: StudyConfig, task: Task, folder: Path, *, processes: int = 1) -> None:
        if processes < 1:
            raise ConfigError(f"--processes: got {processes}, allowed: 1 and up")
        self.study, self.task, self.folder, self.processes = study, task, folder, processes
        self._prepared: Prepared | None = None
        self._crew: list[tuple[BaseProcess, Connection]] = []

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process, pipe in self._crew:
            pipe.close()
            if kind is not None:
                process.terminate()
        for process, _ in self._crew:
            process.join(_PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()

    def run(self, trials: Sequence[Trial], tell: Tell) -> None:
        """Runs all of them; a trial that cannot be trained is told of as failed, and the others go on.

        Raises:
            KilnsenseError: the data cannot be prepared, a folder not written, a process was lost.
        """
        if self.processes > 1:
            self._run_together(list(trials), tell)
            return
        for trial in trials:
            if self._prepared is None:
                self._prepared = self.task(self.study)
            tell(trial, _run_trial(self.study, trial, self._prepared, self.folder, tell))

    def _run_together(self, waiting: list[Trial], tell: Tell) -> None:
        while len(self._crew) < min(self.processes, len(waiting)):
            self._crew.append(self._start())
        waiting.reverse()
        busy: dict[Connection, Trial] = {}
        for _, pipe in self._crew:
            if waiting:
                self._give(pipe, waiting.pop(), busy)
        while busy:
            heard = wait(list(busy))
            for pipe in [pipe for pipe in busy if pipe in heard]:
                trial = busy[pipe]
                said = self._hear(pipe, trial)
                tell(trial, said)
                if isinstance(said, Finished):
                    del busy[pipe]
                    if waiting:
                        self._give(pipe, waiting.pop(), busy)

    def _start(self) -> tuple[BaseProcess, Connection]:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(theirs, self.study, self.task, self.folder), daemon=True
        )
        with _deaf():
            process.start()
        theirs.close()  # so that its end is heard of
        return process, ours

    def _give(self, pipe: Connection, trial: Trial, busy: dict[Connection, Trial]) -> None:
        try:
            pipe.send(trial)
        except OSError as error:
            raise _lost(trial) from error
        busy[pipe] = trial

    def _hear(self, pipe: Connection, trial: Trial) -> Epoch | Finished:
        try:
            said: Epoch | str | tuple[str, str] = pipe.recv()
        except (EOFError, OSError) as error:
            raise _lost(trial) from error
        if isinstance(said, Epoch):
            return said
        if isinstance(said, tuple):
            name, text = said
            raise _STOPS[name](text) if name in _STOPS else RuntimeError(f"in trial {trial.name}:\n{text}")
        finished = read_finished(self.folder, trial)
        assert finished is not None  # a process says so after it has written the file
        return finished


def _run_trial(study: StudyConfig, trial: Trial, prepared: Prepared, folder: Path, tell: Tell) -> Finished:
    """Trains and judges one trial, from its checkpoints where there are any, and leaves its file."""
    place = trial_folder(folder, trial)
    checkpoints = place / "checkpoints"
    try:
        outcome = prepared(trial_config(study, trial), checkpoints, lambda epoch: tell(trial, epoch))
    except MissingExtraError:
        raise
    except (ConfigError, InputError) as error:  # of this trial alone; a full disk would end them all
        publish(place / FAILURE, [f"{error}\n"])
        return Finished(trial, None, str(error))
    write_outcome(place / OUTCOME, outcome)
    shutil.rmtree(checkpoints, ignore_errors=True)
    # As it will be read by a later run, digit by digit.
    return Finished(trial, read_outcome(place / OUTCOME))


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


def _serve(pipe: Connection, study: StudyConfig, task: Task, folder: Path) -> None:
    """The life of a process: prepares the data at the first trial, then one trial after the other."""
    # Ctrl-C reaches the parent, which ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepared: Prepared | None = None

    def tell(_: Trial, said: Epoch | Finished) -> None:
        if isinstance(said, Epoch):
            pipe.send(said)

    try:
        while True:
            trial: Trial = pipe.recv()
            if prepared is None:
                prepared = task(study)
            _run_trial(study, trial, prepared, folder, tell)
            pipe.send("finished")
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone or needs no more
    except KilnsenseError as error:
        name = next((name for name, kind in _STOPS.items() if isinstance(error, kind)), "")
        _last_words(pipe, (name, str(error)))
    except Exception:  # noqa: BLE001 - the parent must hear of it, whatever it is
        _last_words(pipe, ("", traceback.format_exc()))


def _last_words(pipe: Connection, words: Any) -> None:
    try:
        pipe.send(words)
    except OSError:
        return


def _lost(trial: Trial) -> SourceError:
    return SourceError(
        f"trial {trial.name}: its process was lost, often for want of memory; use fewer --processes"
    )
