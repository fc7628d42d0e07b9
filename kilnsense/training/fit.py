"""The training loop: an encoder, samples to draw and an objective in; the encoder at its best out."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kilnsense.config import TrainingConfig
from kilnsense.errors import ConfigError, InputError
from kilnsense.metric.counts import Counts
from kilnsense.metric.objective import Objective
from kilnsense.nets.branches import Encoder
from kilnsense.nets.layers import seed_dropout
from kilnsense.seeds import derive, generator
from kilnsense.training.batches import MAX_JUDGED, Indices, draw_batches, pick_judged
from kilnsense.training.checkpoint import (
    Checkpoint,
    fingerprint,
    optimizer_tensors,
    read_checkpoint,
    restore_optimizer,
    write_checkpoint,
)
from kilnsense.training.history import Epoch, History
from kilnsense.training.schedule import rate_factor
from kilnsense.training.step import Learner, Moment
from kilnsense.training.validate import Judged, Ruler, judge_encoder
from kilnsense.types import Views

_MAX_SKIPPED = 3  # batches in a row

Draw = Callable[[Indices, np.random.Generator | None], Views]
"""Row numbers of the samples, and a generator to augment with (None: as they are) -> their views."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled samples, as the loop sees them: it knows no files.

    Attributes:
        draw: gives the views of samples.
        labels: (N,) int64 class indices.
        groups: (N,) str, the camera run of each sample.
        train: rows to learn from.
        validation: rows of other groups to choose the epoch with; empty: the training rows themselves, each
            judged by the others (too good as a score, still good enough to choose an epoch).
        most_judged: at most so many validation samples, and so many neighbours, are judged every epoch.
    """

    draw: Draw
    labels: NDArray[np.int64]
    groups: NDArray[np.str_]
    train: Indices
    validation: Indices
    most_judged: int = MAX_JUDGED

    def __post_init__(self) -> None:
        if self.labels.shape != self.groups.shape or self.labels.ndim != 1:
            raise InputError(
                f"Examples: got labels {self.labels.shape} and groups {self.groups.shape}, "
                "want one of each per sample"
            )
        both = np.intersect1d(self.groups[self.train], self.groups[self.validation])
        if len(both):
            raise InputError(
                f"Examples: group {str(both[0])!r} is in training and in validation; split by whole groups"
            )


@dataclass(frozen=True)
class FitResult:
    """What came of a training run; the encoder that was given holds the weights of the best epoch.

    Attributes:
        history: every epoch.
        best: the epoch whose weights the encoder holds; number 0 means that training did not help.
        stopped: why it ended, ``epochs`` or ``patience``.
        learned: per branch what the loss learned until that epoch, on the CPU; empty for most losses.
            `Objective.compare` says how embeddings are compared with it.
    """

    history: History
    best: Epoch
    stopped: str
    learned: tuple[dict[str, Tensor], ...]


def fit_encoder(
    encoder: Encoder,
    examples: Examples,
    objective: Objective,
    *,
    config: TrainingConfig,
    seed: int,
    checkpoint: Path | None = None,
    progress: Callable[[Epoch], None] | None = None,
) -> FitResult:
    """Trains an encoder in place, on the device where it is, and leaves it at its best epoch.

    An epoch draws balanced batches (of some or all classes, and K samples of each, from different groups
    where possible), or pairs or triplets where the miner takes them as drawn; steps, then judges the encoder
    on the validation samples. It is deterministic: every epoch derives its generators from the seed and its
    number, so a run that was killed and goes on from its checkpoint ends with the weights of an undisturbed
    one. torch uses `config.threads` threads meanwhile.

    A step whose gradient is not finite is skipped and counted; three in a row, or embeddings that are not
    finite, end the run with an error.

    Args:
        encoder: changed in place.
        examples: what to learn from.
        objective: see `build_objective`.
        config: numbers of the loop.
        seed: of all chance in here.
        checkpoint: file to write after every epoch, and to go on from where it exists.
        progress: called after every epoch of this call, epoch 0 (before training) first.

    Raises:
        ConfigError: the head does not fit the distance, there is one view where views are compared with
            each other, the checkpoint is of another run, or training diverged.
        InputError: too few classes or samples.
        SourceError, StorageError: the checkpoint cannot be read or written.
    """
    objective.distance.require(encoder.head.takes, where="branches.head")
    if objective.across and len(encoder.views) < 2:
        raise ConfigError(
            f"metric.views: got 'across' with branches.views {', '.join(encoder.views)} alone; name two "
            "views or more, or set metric.views to within"
        )
    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        return _Run(encoder, examples, objective, config, seed, checkpoint).go(progress or (lambda _: None))
    finally:
        torch.set_num_threads(threads)


class _Run:
    """The state of one run."""

    def __init__(
        self,
        encoder: Encoder,
        examples: Examples,
        objective: Objective,
        config: TrainingConfig,
        seed: int,
        checkpoint: Path | None,
    ) -> None:
        self.encoder, self.examples, self.objective = encoder, examples, objective
        self.config, self.seed, self.checkpoint = config, seed, checkpoint
        labels, train = examples.labels, examples.train
        self.learner = Learner(
            encoder, objective, config, classes=int(labels[train].max(initial=0)) + 1, seed=seed
        )
        self.history = History()
        self.best_state = self.learner.state()
        held = len(examples.validation) > 0
        known = np.unique(labels[train]) if held else labels[:0]
        self.judged = self._kept(examples.validation if held else train, known, "judged")
        self.neighbours = self._kept(train, known, "neighbours") if held else None
        self.fingerprint = fingerprint(
            [config.model_dump(mode="json", exclude={"threads", "mixed_precision", "device"}), encoder.views],
            [objective.distance.name, objective.origin, examples.groups.tolist()],
            [seed, labels.tolist(), train.tolist(), examples.validation.tolist()],
            weights=self.best_state,
        )

    def go(self, progress: Callable[[Epoch], None]) -> FitResult:
        """All epochs that are left."""
        self._resume()
        while not (stopped := self._finished()):
            epoch = self._epoch(len(self.history.epochs))
            self._keep(epoch)
            progress(epoch)
        self.learner.load(self.best_state)
        self.encoder.eval()
        return FitResult(self.history, self.history.best, stopped, self.learner.fixed())

    def _finished(self) -> str:
        if not self.history.epochs:
            return ""
        number = self.history.epochs[-1].number
        if number >= self.config.epochs:
            return "epochs"
        return "patience" if number - self.history.best.number >= self.config.patience else ""

    def _epoch(self, number: int) -> Epoch:
        start = time.monotonic()
        trained = self._train(number) if number else Epoch(0, margin=self.objective.margin.at(0.0))
        spent = time.monotonic() - start
        ruler = Ruler(self.objective, self.learner.fixed(), trained.margin)
        judged = judge_encoder(
            self.encoder, self.judged, self.neighbours, ruler, device=str(self.learner.device)
        )
        return replace(
            trained,
            accuracy=judged.accuracy,
            validation_loss=judged.loss,
            spread=judged.spread,
            collapsed=judged.collapsed,
            seconds=time.monotonic() - start,
            train_seconds=spent if number else 0.0,
        )

    def _train(self, number: int) -> Epoch:
        """One pass of steps."""
        config, rows, labels = self.config, self.examples.train, self.examples.labels
        chance = generator(self.seed, f"fit.augment.{number}")
        # The miner draws on the CPU also where the network is not.
        miner_chance = torch.Generator().manual_seed(derive(self.seed, f"fit.miner.{number}"))
        batches = draw_batches(
            labels[rows],
            self.examples.groups[rows],
            config,
            tuples=self.objective.mining_of(number).tuples,
            rng=generator(self.seed, f"fit.batches.{number}"),
        )
        losses, counts, empty, images = [], Counts(), 0, 0
        skipped, in_a_row = 0, 0
        moment = self._moment(number, 0)
        seed_dropout(self.encoder, derive(self.seed, f"fit.dropout.{number}"))
        self.encoder.train()
        for b, batch in enumerate(batches):
            chosen, moment = rows[batch], self._moment(number, b)
            views = self.examples.draw(chosen, chance)
            done = self.learner.step(views, torch.from_numpy(labels[chosen]), moment, miner_chance)
            counts += done.counts
            empty, images = empty + (not done.taught), images + len(chosen)
            if done.taken:
                losses.append(done.loss)
                in_a_row = 0
                continue
            skipped, in_a_row = skipped + 1, in_a_row + 1
            if in_a_row >= _MAX_SKIPPED:
                raise ConfigError(
                    f"{moment.name}: the gradient was not finite in {in_a_row} batches in a row; "
                    f"lower training.learning_rate (got {config.learning_rate:g})"
                )
        return Epoch(
            number=number,
            loss=float(np.mean(losses)) if losses else float("nan"),
            rate=moment.rate * config.learning_rate,
            **asdict(counts),
            empty=empty,
            skipped=skipped,
            margin=moment.margin,
            images=images,
        )

    def _moment(self, number: int, batch: int) -> Moment:
        config = self.config
        steps = config.epochs * config.batches_per_epoch
        step = (number - 1) * config.batches_per_epoch + batch
        warmup = config.warmup_epochs * config.batches_per_epoch
        return Moment(
            name=f"training: epoch {number}, batch {batch + 1}",
            mining=self.objective.mining_of(number),
            margin=self.objective.margin.at(step / max(1, steps - 1)),
            rate=rate_factor(step, warmup=warmup, steps=steps, schedule=config.schedule),
        )

    def _kept(self, rows: Indices, known: Indices, part: str) -> Judged:
        """Views as they are, and labels, of some of these rows."""
        labels = self.examples.labels
        chance, most = generator(self.seed, f"fit.{part}"), self.examples.most_judged
        rows = pick_judged(rows, labels, known, chance, most=most)
        return self.examples.draw(rows, None), labels[rows]

    def _keep(self, epoch: Epoch) -> None:
        self.history = self.history.with_epoch(epoch)
        if self.history.best is epoch:
            self.best_state = self.learner.state()
        if self.checkpoint is not None:
            optimizer = optimizer_tensors(self.learner.optimizer)
            state = Checkpoint(self.learner.state(), self.best_state, optimizer, self.history)
            write_checkpoint(self.checkpoint, state, fingerprint=self.fingerprint)

    def _resume(self) -> None:
        path = self.checkpoint
        state = read_checkpoint(path, fingerprint=self.fingerprint) if path is not None else None
        if state is None:
            return
        self.learner.load(state.model)
        self.best_state, self.history = state.best, state.history
        restore_optimizer(self.learner.optimizer, state.optimizer)
