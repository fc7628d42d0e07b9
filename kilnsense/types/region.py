"""The colour regions of one frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilnsense.types.checks import expect, expect_array, expect_finite


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The colour regions of one frame.

    Attributes:
        labels: (H, W) int8, slot of the codebook per pixel, -1 outside the region of interest.
        centres: (k, 3) float32, the frame's own cluster centres in CIE Lab (D65), slot by slot.
        names: k region names, slot by slot.
        inertia: mean squared distance of the judged pixels to their centre in the clustering space, 0 and up.
    """

    labels: NDArray[np.int8]
    centres: NDArray[np.float32]
    names: tuple[str, ...]
    inertia: float

    def __post_init__(self) -> None:
        expect_array("Segmentation.labels", self.labels, (None, None), np.int8)
        expect_array("Segmentation.centres", self.centres, (len(self.names), 3), np.float32)
        expect_finite("Segmentation.centres", self.centres)


@dataclass(frozen=True)
class Region:
    """One named region of one frame.

    Attributes:
        name: its name from the config.
        present: False where it covers less than the minimum share; the numbers below are then zeros.
        area: share of the judged pixels, 0..1.
        mean_lab, spread_lab: mean and standard deviation in CIE Lab (D65).
        box: (left, top, right, bottom) as shares of width and height, 0..1.
        centroid: (x, y) as shares of width and height, 0..1.
    """

    name: str
    present: bool
    area: float
    mean_lab: tuple[float, float, float] = (0.0, 0.0, 0.0)
    spread_lab: tuple[float, float, float] = (0.0, 0.0, 0.0)
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    centroid: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        expect(0.0 <= self.area <= 1.0, "Region.area", self.area, "0..1")
