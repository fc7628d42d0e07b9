"""The training loop: an encoder, samples to draw and an objective in; the encoder at its best out."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kilnsense.config import TrainingConfig
from kilnsense.errors import ConfigError, InputError
from kilnsense.metric.samplers import pk_batches
from kilnsense.nets.branches import Encoder
from kilnsense.seeds import derive, generator
from kilnsense.training.checkpoint import (
    Checkpoint,
    fingerprint,
    optimizer_tensors,
    read_checkpoint,
    restore_optimizer,
    write_checkpoint,
)
from kilnsense.training.history import Epoch, History
from kilnsense.training.objective import Counts, Objective, batch_loss
from kilnsense.training.schedule import build_optimizer, rate_factor, set_rate
from kilnsense.training.validate import Judged, judge_encoder
from kilnsense.types import Views

MAX_JUDGED = 400
"""At most so many validation samples, and so many neighbours, are kept in memory and judged every epoch."""

_MAX_CLASSES = 8  # in one batch
_MAX_SKIPPED = 3  # batches in a row

Indices = NDArray[np.int64]
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
    """

    draw: Draw
    labels: NDArray[np.int64]
    groups: NDArray[np.str_]
    train: Indices
    validation: Indices

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
    """

    history: History
    best: Epoch
    stopped: str


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

    An epoch draws balanced batches (all classes, up to 8, and K samples of each, from different groups where
    possible), steps, then judges the encoder on the validation samples. It is deterministic: every epoch
    derives its generators from the seed and its number, so a run that was killed and goes on from its
    checkpoint ends with the weights of an undisturbed one. torch uses `config.threads` threads meanwhile.

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
        ConfigError: the head does not fit the distance, the checkpoint is of another run, or training
            diverged.
        InputError: too few classes or samples.
        SourceError, StorageError: the checkpoint cannot be read or written.
    """
    objective.distance.require(encoder.head.takes, where="branches.head")
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
        self.device = next(encoder.parameters()).device
        self.optimizer = build_optimizer(encoder, config)
        self.history = History()
        self.best_state = _copy(encoder)
        self.judged = self._kept(
            examples.validation if len(examples.validation) else examples.train, "judged"
        )
        self.neighbours = self._kept(examples.train, "neighbours") if len(examples.validation) else None
        self.fingerprint = fingerprint(
            [config.model_dump(mode="json", exclude={"threads", "mixed_precision", "device"}), encoder.views],
            [objective.distance.name, objective.margin, objective.origin, examples.groups.tolist()],
            [seed, examples.labels.tolist(), examples.train.tolist(), examples.validation.tolist()],
            weights=self.best_state,
        )

    def go(self, progress: Callable[[Epoch], None]) -> FitResult:
        """All epochs that are left."""
        self._resume()
        while not (stopped := self._finished()):
            epoch = self._epoch(len(self.history.epochs))
            self._keep(epoch)
            progress(epoch)
        self.encoder.eval().load_state_dict(self.best_state)
        return FitResult(self.history, self.history.best, stopped)

    def _finished(self) -> str:
        if not self.history.epochs:
            return ""
        number = self.history.epochs[-1].number
        if number >= self.config.epochs:
            return "epochs"
        return "patience" if number - self.history.best.number >= self.config.patience else ""

    def _epoch(self, number: int) -> Epoch:
        start = time.monotonic()
        trained = self._train(number) if number else Epoch(0)
        judged = judge_encoder(
            self.encoder, self.judged, self.neighbours, self.objective, device=str(self.device)
        )
        return replace(
            trained,
            accuracy=judged.accuracy,
            validation_loss=judged.loss,
            spread=judged.spread,
            collapsed=judged.collapsed,
            seconds=time.monotonic() - start,
        )

    def _train(self, number: int) -> Epoch:
        """One pass of steps."""
        config, rows = self.config, self.examples.train
        chance = generator(self.seed, f"fit.augment.{number}")
        # The miner draws on the CPU also where the network is not.
        miner_chance = torch.Generator().manual_seed(derive(self.seed, f"fit.miner.{number}"))
        batches = pk_batches(
            self.examples.labels[rows],
            self.examples.groups[rows],
            classes_per_batch=max(2, min(_MAX_CLASSES, len(np.unique(self.examples.labels[rows])))),
            samples_per_class=config.samples_per_class,
            batches=config.batches_per_epoch,
            rng=generator(self.seed, f"fit.batches.{number}"),
        )
        losses, counts, skipped, in_a_row, factor = [], Counts(), 0, 0, 0.0
        self.encoder.train()
        for b, batch in enumerate(batches):
            step = (number - 1) * config.batches_per_epoch + b
            factor = rate_factor(
                step,
                warmup=config.warmup_epochs * config.batches_per_epoch,
                steps=config.epochs * config.batches_per_epoch,
                schedule=config.schedule,
            )
            set_rate(self.optimizer, factor)
            where = f"training: epoch {number}, batch {b + 1}"
            loss, found = self._loss(rows[batch], chance, miner_chance, where)
            counts += found
            if self._step(loss):
                losses.append(float(loss.detach()))
                in_a_row = 0
                continue
            skipped, in_a_row = skipped + 1, in_a_row + 1
            if in_a_row >= _MAX_SKIPPED:
                raise ConfigError(
                    f"{where}: the gradient was not finite in {in_a_row} batches in a row; "
                    f"lower training.learning_rate (got {config.learning_rate:g})"
                )
        return Epoch(
            number=number,
            loss=float(np.mean(losses)) if losses else float("nan"),
            rate=factor * config.learning_rate,
            easy=counts.easy,
            semi_hard=counts.semi_hard,
            hard=counts.hard,
            skipped=skipped,
        )

    def _loss(
        self, rows: Indices, chance: np.random.Generator, miner_chance: torch.Generator, where: str
    ) -> tuple[Tensor, Counts]:
        views = self.examples.draw(rows, chance)
        tensors = [torch.from_numpy(a).to(self.device) for a in (views.pixels, views.masks, views.palettes)]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._mixed()):
            embeddings = self.encoder(*tensors)
        present = torch.from_numpy(views.present).to(self.device)
        if not torch.isfinite(embeddings[present]).all():
            raise ConfigError(
                f"{where}: the network gives NaN or infinity; lower training.learning_rate (got "
                f"{self.config.learning_rate:g}) or training.clip_norm (got {self.config.clip_norm:g})"
            )
        labels = torch.from_numpy(self.examples.labels[rows]).to(self.device)
        return batch_loss(embeddings.float(), present, labels, self.objective, generator=miner_chance)

    def _mixed(self) -> bool:
        # bfloat16 has the range of float32: no scaling of the loss. On a CPU it can be 20 times slower.
        return self.config.mixed_precision and self.device.type == "cuda" and torch.cuda.is_bf16_supported()

    def _step(self, loss: Tensor) -> bool:
        """One step down the gradient; False where it was not finite and nothing was changed."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.encoder.parameters(), self.config.clip_norm)
        if not torch.isfinite(norm):
            return False
        self.optimizer.step()
        return True

    def _kept(self, rows: Indices, part: str) -> Judged:
        """Views as they are, and labels, of at most `MAX_JUDGED` of these rows."""
        if len(rows) > MAX_JUDGED:
            rows = generator(self.seed, f"fit.{part}").choice(rows, MAX_JUDGED, replace=False)
        return self.examples.draw(rows, None), self.examples.labels[rows]

    def _keep(self, epoch: Epoch) -> None:
        self.history = self.history.with_epoch(epoch)
        if self.history.best is epoch:
            self.best_state = _copy(self.encoder)
        if self.checkpoint is not None:
            state = Checkpoint(
                _copy(self.encoder), self.best_state, optimizer_tensors(self.optimizer), self.history
            )
            write_checkpoint(self.checkpoint, state, fingerprint=self.fingerprint)

    def _resume(self) -> None:
        path = self.checkpoint
        state = read_checkpoint(path, fingerprint=self.fingerprint) if path is not None else None
        if state is None:
            return
        self.encoder.load_state_dict(state.model)
        self.best_state, self.history = state.best, state.history
        restore_optimizer(self.optimizer, state.optimizer)


def _copy(encoder: Encoder) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in encoder.state_dict().items()}
