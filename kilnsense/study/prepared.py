"""A task made ready for its trials: its data are in memory, a config goes in and an outcome comes out."""

from collections.abc import Callable, Sequence
from pathlib import Path

from kilnsense.config import Config
from kilnsense.study.outcome import Outcome
from kilnsense.training.history import Epoch, History

Progress = Callable[[Epoch], None]
Prepared = Callable[[Config, Path | None, Progress | None], Outcome]
"""Config of a trial, folder for its checkpoints (None: none) and a listener to its epochs -> its outcome."""


def training_speed(histories: Sequence[History]) -> float:
    """Images trained on per second, judging left out; 0 where nothing was trained."""
    epochs = [epoch for history in histories for epoch in history.epochs]
    seconds = sum(epoch.train_seconds for epoch in epochs)
    return sum(epoch.images for epoch in epochs) / seconds if seconds > 0 else 0.0
