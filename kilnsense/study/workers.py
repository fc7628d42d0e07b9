"""The trials of a study, each of which leaves its outcome or why it failed in a folder of its own."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from kilnsense.config import StudyConfig
from kilnsense.crew import Crew, Done
from kilnsense.errors import ConfigError, InputError, MissingExtraError
from kilnsense.record.publish import publish
from kilnsense.study.outcome import Outcome, read_outcome, write_outcome
from kilnsense.study.plan import Trial, trial_config
from kilnsense.study.prepared import Prepared
from kilnsense.training.history import Epoch

Task = Callable[[StudyConfig], Prepared]
"""Reads the data of a study. A function of a module, so that another process can find it."""

OUTCOME, FAILURE = "outcome.json", "failure.txt"
"""What a finished trial leaves in its folder: one of the two."""


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
    """So many processes that train trials of one study; see `Crew`, also for how to use it."""

    def __init__(self, study: StudyConfig, task: Task, folder: Path, *, processes: int = 1) -> None:
        self.folder = folder
        self._crew = Crew[Trial, Epoch](
            partial(task, study),
            partial(_run_trial, study, folder),
            processes=processes,
            name=lambda trial: f"trial {trial.name}",
        )

    def __enter__(self) -> Self:
        self._crew.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._crew.__exit__(kind, error, trace)

    def run(self, trials: Sequence[Trial], tell: Tell) -> None:
        """Runs all of them; a trial that cannot be trained is told of as failed, and the others go on.

        Raises:
            KilnsenseError: the data cannot be prepared, a folder not written, a process was lost.
        """

        def hear(trial: Trial, said: Epoch | Done) -> None:
            if isinstance(said, Epoch):
                tell(trial, said)
                return
            finished = read_finished(self.folder, trial)  # as a later run reads it, digit by digit
            assert finished is not None  # a trial is done after it has written its file
            tell(trial, finished)

        self._crew.run(trials, hear)


def _run_trial(
    study: StudyConfig, folder: Path, prepared: Prepared, trial: Trial, say: Callable[[Epoch], None]
) -> None:
    """Trains and judges one trial, from its checkpoints where there are any, and leaves its file."""
    place = trial_folder(folder, trial)
    checkpoints = place / "checkpoints"
    try:
        outcome = prepared(trial_config(study, trial), checkpoints, say)
    except MissingExtraError:
        raise
    except (ConfigError, InputError) as error:  # of this trial alone; a full disk would end them all
        publish(place / FAILURE, [f"{error}\n"])
        return
    write_outcome(place / OUTCOME, outcome)
    shutil.rmtree(checkpoints, ignore_errors=True)
