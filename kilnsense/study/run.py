"""All trials of a study: finished ones are read, the others trained, and somebody is told how far it is."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kilnsense.config import StudyConfig
from kilnsense.study.plan import Trial
from kilnsense.study.workers import Finished, Task, Workers, read_finished
from kilnsense.training.history import Epoch


@dataclass(frozen=True)
class Progress:
    """How far a study is.

    Attributes:
        done: trials that are over, those of an earlier run included.
        total: trials in all.
        running: (name, last epoch) of each trial in work.
        ended: the trial that has just ended.
        seconds_left: estimated; None before one network is through: the first epochs say little.
    """

    done: int
    total: int
    running: tuple[tuple[str, int], ...] = ()
    ended: Finished | None = None
    seconds_left: float | None = None


Watch = Callable[[Progress], None]
"""Called after every epoch and every trial."""


def run_study(
    study: StudyConfig,
    task: Task,
    trials: Sequence[Trial],
    *,
    folder: Path,
    processes: int = 1,
    watch: Watch | None = None,
) -> tuple[Finished, ...]:
    """Runs the trials that no earlier run has finished, and gives all of them in order.

    Args:
        study: the study.
        task: reads its data, once in every process; not called where nothing is left to do.
        trials: see `plan_trials`.
        folder: of the run; every trial has a folder below ``trials``, with checkpoints while it runs.
        processes: at once.
        watch: is told how far it is.

    Raises:
        KilnsenseError: the data cannot be read, or a folder not be written. What went wrong in one trial
            alone (it diverged, a class is too small) is its message instead.
    """
    tally = Tally(study, total=len(trials))
    with Workers(study, task, folder, processes=processes) as workers:
        return finish(workers, trials, tally=tally, watch=watch)


def finish(
    workers: Workers, trials: Sequence[Trial], *, tally: "Tally", watch: Watch | None
) -> tuple[Finished, ...]:
    """`run_study` with processes that are there already, as some of the trials of a tally."""
    over = {
        trial.name: found for trial in trials if (found := read_finished(workers.folder, trial)) is not None
    }
    tally.done += len(over)

    def tell(trial: Trial, said: Epoch | Finished) -> None:
        if isinstance(said, Finished):
            over[trial.name] = said
        progress = tally.told(trial, said)
        if watch is not None:
            watch(progress)

    workers.run([trial for trial in trials if trial.name not in over], tell)
    return tuple(over[trial.name] for trial in trials)


class Tally:
    """Counts epochs and trials, and estimates the time that is left.

    A trial is `epochs` + 1 reports long for every network; the number of its networks is that of the trials
    that ended, before that of the task: one, or one per fold.
    """

    def __init__(
        self, study: StudyConfig, *, total: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.study, self.total, self.clock = study, total, clock
        self.begun = clock()
        self.done = 0
        self.ended = 0  # trials of this run alone
        self.through = False  # some network of this run is
        self.seen: dict[str, tuple[Trial, list[int]]] = {}
        self.networks = study.folds if study.task == "frames" else 1

    def told(self, trial: Trial, said: Epoch | Finished) -> Progress:
        """The progress after one more report."""
        ended = said if isinstance(said, Finished) else None
        if isinstance(said, Epoch):
            epochs = self.seen.setdefault(trial.name, (trial, []))[1]
            # Its last epoch; or, where it stopped early, the first report of the next network.
            self.through |= said.number >= self._epochs(trial) or said.number <= max(epochs[-1:], default=-1)
            epochs.append(said.number)
        else:
            self.seen.pop(trial.name, None)
            self.done, self.ended = self.done + 1, self.ended + 1
            self.through |= said.outcome is not None
            if said.outcome is not None and said.outcome.histories:
                self.networks = len(said.outcome.histories)
        running = tuple((name, epochs[-1]) for name, (_, epochs) in self.seen.items())
        return Progress(self.done, self.total, running, ended, self._seconds_left())

    def _seconds_left(self) -> float | None:
        begun = sum(self._share(trial, len(epochs)) for trial, epochs in self.seen.values())
        if not self.through or self.ended + begun <= 0:
            return None
        ahead = self.total - self.done - begun
        return (self.clock() - self.begun) * ahead / (self.ended + begun)

    def _share(self, trial: Trial, reports: int) -> float:
        return min(0.95, reports / ((self._epochs(trial) + 1) * self.networks))

    def _epochs(self, trial: Trial) -> int:
        return int(trial.settings.get("training.epochs", self.study.base.training.epochs))
