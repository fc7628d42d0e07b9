"""One encoder for one set of training rows: draws views of frames that were looked at, and fits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from kilnsense.assemble import build_objective, make_encoder
from kilnsense.config import Config, TrainingConfig
from kilnsense.data.augment import build_augmentation
from kilnsense.data.labelled import Labelled
from kilnsense.data.splits import holdout_groups, usable_folds
from kilnsense.errors import ConfigError, InputError
from kilnsense.nets.branches import Encoder
from kilnsense.nets.encode import encode
from kilnsense.recogniser import Sight, view
from kilnsense.seeds import derive, generator
from kilnsense.training.fit import Draw, Examples, FitResult, fit_encoder
from kilnsense.training.history import Epoch
from kilnsense.types import Embeddings, Frame, Segmentation, Views

Pair = tuple[Frame, Segmentation]


@dataclass(frozen=True, eq=False)
class Network:
    """A trained encoder.

    Attributes:
        encoder: at its best epoch, on the CPU: bundles are written and read there.
        result: how it got there.
        device: where it was trained, and where it encodes.
    """

    encoder: Encoder
    result: FitResult
    device: str = "cpu"

    def encode(self, views: Views) -> Embeddings:
        """Embeddings by torch, as training sees them."""
        try:
            return encode(self.encoder.to(self.device), views, device=self.device)
        finally:
            self.encoder.to("cpu")


def train_network(
    config: Config,
    sights: Sequence[Sight],
    data: Labelled,
    rows: NDArray[np.intp],
    *,
    part: str,
    checkpoints: Path | None = None,
    progress: Callable[[Epoch], None] | None = None,
) -> Network:
    """Trains a fresh encoder on some rows; a share of their groups is set aside to choose the epoch.

    Args:
        config: the model.
        sights, data: N frames that were looked at, and their labels.
        rows: those to learn from.
        part: name of this training: seeds and the checkpoint are its own.
        checkpoints: folder of ``<part>.safetensors``; None: no checkpoint.
        progress: called after every epoch.

    Raises:
        ConfigError: see `choose_device` and `fit_encoder`.
        InputError: see `split_rows`.
    """
    device = choose_device(config.training)
    encoder = make_encoder(config, part=f"network.{part}")
    train, validation = split_rows(config, data, rows, part=part)
    examples = Examples(
        draw=make_draw(config, sights),
        labels=data.labels,
        groups=data.groups,
        train=train.astype(np.int64),
        validation=validation.astype(np.int64),
    )
    result = fit_encoder(
        encoder.to(device),
        examples,
        build_objective(config.metric),
        config=config.training,
        seed=derive(config.seed, f"fit.{part}"),
        checkpoint=checkpoints / f"{part}.safetensors" if checkpoints else None,
        progress=progress,
    )
    return Network(encoder.to("cpu"), result, device)


def choose_device(config: TrainingConfig) -> str:
    """Where to train, ``cpu`` or ``cuda``; ``auto`` is ``cuda`` where torch can use one.

    Raises:
        ConfigError: ``cuda`` is asked for where torch can use none.
    """
    there = torch.cuda.is_available()
    if config.device == "cuda" and not there:
        raise ConfigError(
            "training.device: got 'cuda', but torch finds no CUDA device here; set training.device to auto "
            "or cpu, or install a torch build with CUDA and the driver of the GPU"
        )
    return "cuda" if there and config.device != "cpu" else "cpu"


def split_rows(
    config: Config, data: Labelled, rows: NDArray[np.intp], *, part: str
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows that the network of this name learns from, and those that choose its epoch (maybe none).

    Raises:
        InputError: a class keeps fewer frames than a batch takes of it.
    """
    train, validation = rows, rows[:0]
    names, groups = data.names[rows].tolist(), data.groups[rows].tolist()
    share = config.training.validation_share
    if share > 0 and usable_folds(names, groups, 2) == 2:
        chance = generator(config.seed, f"validation.{part}")
        inner = holdout_groups(names, groups, share=share, rng=chance)
        train, validation = rows[inner[0]], rows[inner[1]]
    needed, counts = config.training.samples_per_class, np.bincount(data.labels[train])
    for label in np.unique(data.labels[train]):
        if counts[label] < needed:
            raise InputError(
                f"{part}: class {data.classes[label]!r} has {counts[label]} frames to learn from, once whole "
                f"groups are set aside; needed: {needed}; lower training.samples_per_class, set "
                f"training.validation_share to 0, or add groups with frames of it"
            )
    return train, validation


def make_draw(config: Config, sights: Sequence[Sight]) -> Draw:
    """A function from row numbers to views; with a generator it changes what cameras change.

    The region labels stay those of the frame as it was: what a camera does to a picture does not change which
    pixels are flame. Frames are kept at twice the size that the networks see. Where the margin of training
    goes by colours that the head does not take, frames to learn from come with the palettes of the frame as
    it was, made once.
    """
    augment = build_augmentation(config.augment)
    height = 2 * config.branches.size
    kept = [_reduced(sight.frame, sight.segmentation, height) for sight in sights]
    compared = bool(config.metric.margin_by) and config.branches.head != "palette"

    @cache
    def palettes(row: int) -> NDArray[np.float32]:
        frame, segmentation = kept[row]
        raw: NDArray[np.float32] = view([frame], [segmentation], config, compared=True).palettes[0]
        return raw

    def draw(rows: NDArray[np.int64], chance: np.random.Generator | None) -> Views:
        pairs = [kept[row] for row in rows]
        if chance is not None:
            pairs = [_changed(pair, *augment(pair[0].pixels, pair[1].labels, chance)) for pair in pairs]
        views = view([frame for frame, _ in pairs], [segmentation for _, segmentation in pairs], config)
        if chance is None or not compared:
            return views
        return replace(views, palettes=np.stack([palettes(row) for row in rows.tolist()]))

    return draw


def _changed(pair: Pair, pixels: NDArray[np.uint8], labels: NDArray[np.int8]) -> Pair:
    frame, segmentation = pair
    return replace(frame, pixels=pixels), replace(segmentation, labels=labels)


def _reduced(frame: Frame, segmentation: Segmentation, height: int) -> Pair:
    rows, columns = frame.pixels.shape[:2]
    if rows <= height:
        return frame, segmentation
    size = (max(1, round(columns * height / rows)), height)
    pixels = cv2.resize(frame.pixels, size, interpolation=cv2.INTER_AREA)
    labels = cv2.resize(segmentation.labels, size, interpolation=cv2.INTER_NEAREST)
    return _changed((frame, segmentation), pixels.astype(np.uint8), labels.astype(np.int8))
