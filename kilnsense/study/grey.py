"""Small grey pictures as the one view of an encoder: drawn in batches, learned from, embedded."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from kilnsense.assemble import build_objective, make_encoder
from kilnsense.config import Config
from kilnsense.data.pictures import Pictures, resize
from kilnsense.errors import ConfigError, InputError
from kilnsense.image.colour import srgb_to_lab
from kilnsense.metric.distances import Distance
from kilnsense.metric.objective import Objective, shaped
from kilnsense.nets.branches import Encoder
from kilnsense.nets.encode import encode
from kilnsense.seeds import derive
from kilnsense.segment.palette import palette
from kilnsense.study.prepared import Progress
from kilnsense.training.fit import Draw, Examples, FitResult, fit_encoder
from kilnsense.training.network import choose_device
from kilnsense.types import Views

VIEW = "scale:1.0"
"""The one view of a picture: all of it."""

_CHUNK = 1000  # pictures whose views are in memory together, where all are embedded
_BATCH = 250
# Small pictures are cheap to judge, and the choice of the epoch is as sure as they are many.
_MOST_JUDGED = 2000
_NAMED = 4  # classes that a message names
_PALETTE_STEP = 2  # every second row and column tells the colours of a small picture

Rows = NDArray[np.int64]
Embedded = tuple[NDArray[np.float32], Rows]
"""(N, D) embeddings and their (N,) classes."""


@dataclass(frozen=True, eq=False)
class Shown:
    """Pictures as an encoder takes them.

    Attributes:
        images: (N, S, S) uint8.
        palettes: (N, 1, p, 3) float32 CIE Lab; p = 0 for a vector head.
    """

    images: NDArray[np.uint8]
    palettes: NDArray[np.float32]

    def views(self, rows: Rows) -> Views:
        """The views of these pictures: three equal channels, all of which counts."""
        images = self.images[rows]
        count = len(images)
        return Views(
            names=(VIEW,),
            pixels=np.repeat(images[:, None, :, :, None], 3, axis=-1),
            masks=np.ones((count, 1, *images.shape[1:]), np.float32),
            palettes=self.palettes[rows],
            present=np.ones((count, 1), np.bool_),
        )


@dataclass(frozen=True, eq=False)
class Learner:
    """An encoder of pictures at its best epoch, and what it was trained for.

    Attributes:
        encoder: on `device`.
        result: how it got there.
        objective: what it was trained for.
        device: ``cpu`` or ``cuda``.
    """

    encoder: Encoder
    result: FitResult
    objective: Objective
    device: str

    @property
    def distance(self) -> Distance:
        """How its embeddings are compared."""
        distance: Distance = self.objective.compare(self.result.learned, 0)
        return distance

    def embed(self, shown: Shown, rows: Rows | None = None) -> NDArray[np.float32]:
        """(N, D) embeddings of these pictures, of all of them without rows."""
        rows = np.arange(len(shown.images)) if rows is None else rows
        parts = [
            encode(self.encoder, shown.views(few), batch_size=_BATCH, device=self.device).values[:, 0]
            for few in np.split(rows, range(_CHUNK, len(rows), _CHUNK))
        ]
        return np.concatenate(parts)

    def tensor(self, rows: NDArray[np.float32]) -> torch.Tensor:
        """Embeddings (N, D) as `distance` takes them."""
        return shaped(torch.from_numpy(rows), self.distance)


def check_view(config: Config, *, task: str) -> None:
    """Checks what a task of pictures needs.

    Raises:
        ConfigError: the branches see something else than whole pictures, nothing is learned or validated, or
            the margin goes by palettes that no head takes.
    """
    branches, training = config.branches, config.training
    for key, got, allowed in (
        ("branches.views", list(branches.views), [VIEW]),
        ("branches.mode", branches.mode, "crop"),
        ("training.enabled", training.enabled, True),
    ):
        if got != allowed:
            raise ConfigError(f"task {task}: {key}: got {got}, allowed: {allowed}; set it in the base")
    if not training.validation_share:
        raise ConfigError(
            f"task {task}: training.validation_share: got 0, allowed: above 0; a study compares networks by "
            "samples that are neither trained on nor reported"
        )
    if config.metric.margin_by and branches.head != "palette":
        raise ConfigError(
            f"task {task}: metric.margin_by: got {config.metric.margin_by!r} with branches.head "
            f"{branches.head}, whose pictures come without palettes; leave metric.margin_by empty, or take "
            "branches.head palette with a colour difference"
        )


def samples_needed(config: Config) -> int:
    """Samples of each class that batches need: an anchor and a positive, or as many as they hold of it."""
    objective = build_objective(config.metric)
    mined = [objective.mining, *([objective.first] if objective.first_epochs else [])]
    return 2 if all(mining.tuples for mining in mined) else config.training.samples_per_class


def check_counts(labels: Rows, names: Sequence[str], needed: int, *, where: str, remedy: str) -> None:
    """Checks that there are so many samples of each class.

    Args:
        labels: (N,) indices into `names`.
        names: of all classes.
        needed: so many of each.
        where, remedy: what was looked at, and what to do: the ends of the message.

    Raises:
        InputError: names the first few classes with fewer.
    """
    counts = np.bincount(labels, minlength=len(names))
    short = np.flatnonzero(counts < needed)
    if not len(short):
        return
    listed = ", ".join(f"{names[label]!r} has {counts[label]}" for label in short[:_NAMED])
    more = f" and {len(short) - _NAMED} more have too few" if len(short) > _NAMED else ""
    raise InputError(f"{where}: class {listed}{more}, needed: {needed} pictures of each class; {remedy}")


def show(pictures: Pictures, *, size: int, head: str, colours: int) -> Shown:
    """Pictures at size x size pixels; for a palette head with a palette of `colours` each."""
    images = resize(pictures, size).images
    if head != "palette":
        return Shown(images, np.zeros((len(images), 1, 0, 3), np.float32))
    palettes = np.empty((len(images), 1, colours, 3), np.float32)
    for image, place in zip(images[:, ::_PALETTE_STEP, ::_PALETTE_STEP], palettes, strict=True):
        place[0] = palette(srgb_to_lab(np.repeat(image.reshape(-1, 1), 3, axis=1)), colours)
    return Shown(images, palettes)


def learn(
    config: Config,
    shown: Shown,
    labels: Rows,
    split: tuple[Rows, Rows],
    *,
    shift: float = 0.0,
    checkpoints: Path | None,
    progress: Progress | None,
) -> Learner:
    """Trains a fresh encoder on some pictures and chooses its epoch by others.

    Args:
        config: the model.
        shown, labels: N pictures and their (N,) class indices.
        split: rows to learn from, and rows of the others.
        shift: training pictures are moved by up to this share of their side, either way; black comes in.
        checkpoints: folder to go on from after a kill; None: none.
        progress: called after every epoch.

    Raises:
        ConfigError, InputError: see `fit_encoder`.
    """
    device = choose_device(config.training)
    encoder = make_encoder(config, part="network.pictures")
    train, validation = split
    groups = np.full(len(labels), "training")
    groups[validation] = "validation"
    objective = build_objective(config.metric)
    result = fit_encoder(
        encoder.to(device),
        Examples(make_draw(shown, shift), labels, groups, train, validation, _MOST_JUDGED),
        objective,
        config=config.training,
        seed=derive(config.seed, "fit.pictures"),
        checkpoint=checkpoints / "pictures.safetensors" if checkpoints else None,
        progress=progress,
    )
    return Learner(encoder, result, objective, device)


def make_draw(shown: Shown, shift: float) -> Draw:
    """A function from row numbers to views; with a generator it moves each picture by up to `shift`."""
    side = shown.images.shape[1]
    most = round(shift * side)

    def draw(rows: Rows, chance: np.random.Generator | None) -> Views:
        if chance is None or not most:
            return shown.views(rows)
        moved = np.pad(shown.images[rows], ((0, 0), (most, most), (most, most)))
        down, right = chance.integers(0, 2 * most + 1, (2, len(rows), 1)) + np.arange(side)
        images = moved[np.arange(len(rows))[:, None, None], down[:, :, None], right[:, None, :]]
        return Shown(images, shown.palettes[rows]).views(np.arange(len(rows)))

    return draw
