"""A task that trains nothing: quick, deterministic, and able to be killed at a known place.

`data.root` of the base is its notebook: every preparation and every epoch leaves a line in there.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kilnsense.config import Config, StudyConfig
from kilnsense.errors import ConfigError, SourceError
from kilnsense.study.outcome import Outcome, Points, Score
from kilnsense.training.history import Epoch, History


def prepare(study: StudyConfig) -> Callable[..., Outcome]:
    """Raises SourceError where the notebook is missing."""
    book = Path(study.base.data.root)
    if not book.is_dir():
        raise SourceError(f"data.root {book}: is no folder; give one")
    parent = os.getppid()
    _note(book, f"prepared in {os.getpid()}")

    def run(config: Config, folder: Path | None, progress: Callable[[Epoch], None] | None) -> Outcome:
        margin, size = config.metric.margin or 0.0, config.branches.dimensions
        epochs = []
        checkpoint = folder / "epoch" if folder is not None else None
        begun = int(checkpoint.read_text()) + 1 if checkpoint is not None and checkpoint.exists() else 0
        for number in range(config.training.epochs + 1):
            last = margin == 0.5 and number == config.training.epochs  # the one that is kept
            epochs.append(
                Epoch(
                    number,
                    loss=1 / (number + 1),
                    accuracy=0.1 * number,
                    easy=3,
                    hard=number,
                    empty=3 * last,
                    collapsed=("scale:1.0",) if last else (),
                )
            )
            if number < begun:
                continue
            _note(book, f"margin {margin:g} seed {config.seed} epoch {number}")
            if checkpoint is not None:
                checkpoint.parent.mkdir(parents=True, exist_ok=True)
                checkpoint.write_text(str(number))
            if progress is not None:
                progress(epochs[-1])
            if margin == 9.0 and number == 1:
                raise ConfigError("training: epoch 1: the network gives NaN; lower training.learning_rate")
            if os.environ.get("FAKE_STOP") == f"{margin:g} {config.seed} {number}":
                whom = parent if os.environ.get("FAKE_WHOM") == "parent" else os.getpid()
                if whom != parent or os.getppid() == parent:  # it may be gone, and another in its place
                    os.kill(whom, getattr(signal, os.environ["FAKE_SIGNAL"]))
        # Best at margin 0.3; test scores go the other way, so that a search by them would be noticed.
        validation = 1 - (margin - 0.3) ** 2 + 0.001 * config.seed
        test = 0.5 + margin / 100 + 0.01 * config.seed
        rng = np.random.default_rng(config.seed)
        points = tuple(Points(part, rng.normal(size=(6, 2)), np.arange(6) % 2) for part in ("train", "test"))
        scores = tuple(
            Score("fused", judge, {"accuracy": test, "macro_f1": test - size / 1000})
            for judge in study.judges
        )
        return Outcome(
            scores, validation, (History(tuple(epochs)),), points, ("a", "b"), 100.0, {"size": size}
        )

    return run


def _note(book: Path, line: str) -> None:
    with (book / "notes.txt").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
