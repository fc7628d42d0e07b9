"""What is wrong with the data rather than with the classifiers: doubtful labels, pictures in two groups."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from kilnsense.config import Config
from kilnsense.image.colour import srgb_to_lab
from kilnsense.recogniser import judged_mask
from kilnsense.types import Frame

SIDE = 32
"""Pixels of the reduced pictures that are compared."""
ALIKE = 1.0
"""Mean CIE76 colour difference below which two pictures count as the same: an eye would hardly see it."""
PAIRS = 4096
"""Pairs compared at once."""
MOST_FRAMES = 4000
"""More frames than this are thinned evenly for the search of twins."""
MOST_TWINS = 1000
"""The most alike are kept."""
COARSE = 8
"""Blocks each way of the first look at a pair."""


@dataclass(frozen=True)
class Suspect:
    """A frame whose label is doubted.

    Attributes:
        row: which.
        confidence: mean out-of-fold probability of its own label, 0..1.
        better: index of the class that is said instead.
    """

    row: int
    confidence: float
    better: int


@dataclass(frozen=True)
class Twins:
    """Two frames of different groups that look the same: rows, and their mean colour difference."""

    first: int
    second: int
    difference: float


def suspicious_labels(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> list[Suspect]:
    """Frames that probably bear a wrong label, the least likely label first.

    After the confident learning of Northcutt, Jiang and Chuang (2021): a class is confident about a frame
    where its out-of-fold probability reaches what it usually has for frames labelled so; a frame is suspected
    where another class is confident about it, and likelier than its own. Usual is here the lower quartile,
    where they take the mean, which passes over every other frame that is labelled wrongly.

    Args:
        probabilities: (N, C) of models that had not seen the frame's group; the mean over several is fine.
        labels: (N,) class indices; every class occurs.
    """
    rows, classes = np.arange(len(labels)), probabilities.shape[1]
    border = np.array([np.quantile(probabilities[labels == c, c], 0.25) for c in range(classes)])
    confident = np.where(probabilities >= border, probabilities, -1.0)
    better = confident.argmax(axis=1)
    own = probabilities[rows, labels]
    doubted = (confident[rows, better] > own) & (better != labels)
    found = [Suspect(int(row), float(own[row]), int(better[row])) for row in np.flatnonzero(doubted)]
    return sorted(found, key=lambda one: (one.confidence, one.row))


def twins_across_groups(frames: Sequence[Frame], groups: NDArray[np.str_], config: Config) -> list[Twins]:
    """Pairs of frames in different groups that look the same, the most alike first.

    Such a pair lets a fold judge a picture that it has learned from, though no group is on both sides. Only
    what is judged of a picture is compared, at `SIDE` x `SIDE` pixels. At most `MOST_TWINS` are given, and of
    more than `MOST_FRAMES` frames an even part is looked at.
    """
    chosen = np.arange(0, len(frames), -(-len(frames) // MOST_FRAMES))
    small = np.stack([_reduced(frames[row], config) for row in chosen.tolist()])
    coarse = small.reshape(-1, COARSE, SIDE // COARSE, COARSE, SIDE // COARSE, 3).mean(axis=(2, 4))
    coarse = coarse.reshape(len(small), -1, 3)
    # The difference of mean colours is never larger than the mean difference of the pixels behind them.
    near = cKDTree(coarse.mean(axis=1)).query_pairs(ALIKE, output_type="ndarray")
    near = near[groups[chosen[near[:, 0]]] != groups[chosen[near[:, 1]]]]
    near = near[_gaps(coarse, near) < ALIKE]
    gaps = _gaps(small, near)
    alike = np.flatnonzero(gaps < ALIKE)
    found = [Twins(int(chosen[near[row, 0]]), int(chosen[near[row, 1]]), float(gaps[row])) for row in alike]
    return sorted(found, key=lambda pair: (pair.difference, pair.first, pair.second))[:MOST_TWINS]


def _gaps(pictures: NDArray[np.float32], pairs: NDArray[np.intp]) -> NDArray[np.float32]:
    """(P,) mean colour difference of pairs of (N, pixels, 3) pictures."""
    parts = [pairs[start : start + PAIRS] for start in range(0, len(pairs), PAIRS)]
    each = [
        np.linalg.norm(pictures[part[:, 0]] - pictures[part[:, 1]], axis=2).mean(axis=1) for part in parts
    ]
    return np.concatenate(each) if each else np.zeros(0, np.float32)


def _reduced(frame: Frame, config: Config) -> NDArray[np.float32]:
    """(SIDE * SIDE, 3) Lab of the judged part; what is not judged is black."""
    pixels = np.where(judged_mask(frame, config)[..., None], frame.pixels, np.uint8(0))
    small = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return srgb_to_lab(np.asarray(small, np.uint8)).reshape(-1, 3)
