"""What travels for N frames together: views, embeddings, fused features, scores."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import InputError
from kilnsense.types.checks import expect, expect_array, expect_finite


@dataclass(frozen=True, eq=False)
class Views:
    """What the branches see of N frames through V views.

    Attributes:
        names: V names, ``region:<name>`` or ``scale:<fraction>``.
        pixels: uint8 sRGB, R, G, B. Mode crop: (N, V, S, S, 3), one picture per view. Mode pooled:
            (N, 1, H, W, 3), one picture per frame that all views share.
        masks: (N, V, H, W) float32, 0..1: the pixels of `pixels` that count for the view.
        palettes: (N, V, p, 3) float32 CIE Lab: the view's own k-means palette, lightest first; p may be 0.
        present: (N, V) bool: False where the region is absent; its rows are then neutral.
    """

    names: tuple[str, ...]
    pixels: NDArray[np.uint8]
    masks: NDArray[np.float32]
    palettes: NDArray[np.float32]
    present: NDArray[np.bool_]

    def __post_init__(self) -> None:
        views = len(self.names)
        expect_array("Views.pixels", self.pixels, (None, None, None, None, 3), np.uint8)
        count, pictures, height, width, _ = self.pixels.shape
        expect(pictures in (1, views), "Views.pixels pictures per frame", pictures, f"1 or {views}")
        expect_array("Views.masks", self.masks, (count, views, height, width), np.float32)
        expect_array("Views.palettes", self.palettes, (count, views, None, 3), np.float32)
        expect_finite("Views.palettes", self.palettes)
        expect_array("Views.present", self.present, (count, views), np.bool_)

    def __len__(self) -> int:
        return int(self.pixels.shape[0])


@dataclass(frozen=True, eq=False)
class Embeddings:
    """What B branches say of N frames.

    Attributes:
        names: B branch names (the view names).
        values: (N, B, D) float32; vectors of unit length, or p flattened Lab colours (D = 3 p).
        present: (N, B) bool: False where the branch had nothing to see; its values are then zeros.
    """

    names: tuple[str, ...]
    values: NDArray[np.float32]
    present: NDArray[np.bool_]

    def __post_init__(self) -> None:
        expect_array("Embeddings.values", self.values, (None, len(self.names), None), np.float32)
        expect_finite("Embeddings.values", self.values)
        expect_array("Embeddings.present", self.present, self.values.shape[:2], np.bool_)

    def __len__(self) -> int:
        return int(self.values.shape[0])


@dataclass(frozen=True, eq=False)
class Features:
    """Fused rows for the classifiers.

    Attributes:
        values: (N, F) float32.
        blocks: (name, start, stop) of each block of columns, in order, without gaps.
    """

    values: NDArray[np.float32]
    blocks: tuple[tuple[str, int, int], ...]

    def __post_init__(self) -> None:
        expect_array("Features.values", self.values, (None, None), np.float32)
        expect_finite("Features.values", self.values)
        edges = [0, *(stop for _, _, stop in self.blocks)]
        tiled = [(start, stop) for _, start, stop in self.blocks] == list(itertools.pairwise(edges))
        expect(
            tiled and edges[-1] == self.values.shape[1],
            "Features.blocks",
            self.blocks,
            f"blocks that tile 0..{self.values.shape[1]}",
        )

    def rows(self, chosen: NDArray[np.intp]) -> "Features":
        """The rows of these indices, in that order."""
        return Features(self.values[chosen], self.blocks)

    def block(self, name: str) -> NDArray[np.float32]:
        """The columns of one block, (N, width) float32. Raises InputError for an unknown name."""
        for block, start, stop in self.blocks:
            if block == name:
                return self.values[:, start:stop]
        raise InputError(f"Features: no block {name!r}, there are: {', '.join(b for b, _, _ in self.blocks)}")


@dataclass(frozen=True, eq=False)
class Scores:
    """Calibrated class probabilities and familiarity of N frames.

    Attributes:
        classes: C class names in the order of the config.
        probabilities: (N, C) float64, rows sum to 1.
        unfamiliarity: (N,) float64, 0 and up; above 1 means farther from the training frames than
            the calibrated quantile of frames of left-out groups.
    """

    classes: tuple[str, ...]
    probabilities: NDArray[np.float64]
    unfamiliarity: NDArray[np.float64]

    def __post_init__(self) -> None:
        expect_array("Scores.probabilities", self.probabilities, (None, len(self.classes)), np.float64)
        expect_array("Scores.unfamiliarity", self.unfamiliarity, (len(self.probabilities),), np.float64)
        sums = self.probabilities.sum(axis=1)
        expect(bool(np.allclose(sums, 1.0, atol=1e-6)), "Scores.probabilities row sums", sums, "1")
        expect(bool((self.probabilities >= 0).all()), "Scores.probabilities", "negative values", "0..1")
