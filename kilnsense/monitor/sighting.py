"""What is made of one frame of a camera, for the reading, the page and the history."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from kilnsense.image.encode import reduce_width, to_jpeg
from kilnsense.image.roi import roi_mask
from kilnsense.image.still import small_luma
from kilnsense.live.shared_frame import SharedPicture
from kilnsense.recogniser import Recogniser, Sight, judge, look
from kilnsense.segment.overlay import named_overlay
from kilnsense.types import Frame, Quality, Region, Segmentation, Verdict

SCREEN_WIDTH = 960
JPEG_QUALITY = 85


@dataclass(frozen=True)
class JudgeOrders:
    """What the process is told.

    Attributes:
        camera: name, for messages.
        bundle: folder of the model.
        frames: name of the shared memory that the capture writes.
        clock: polygon of a burnt-in clock in shares of the picture; not looked at for standing pictures.
        bed: name of the region whose upper edge is reported.
    """

    camera: str
    bundle: Path
    frames: str
    clock: tuple[tuple[float, float], ...] = ()
    bed: str = "material"


@dataclass(frozen=True, eq=False)
class Sighting:
    """What was made of one frame.

    Attributes:
        seq, arrived, at: as in `live.shared_frame.SharedPicture`.
        verdict, quality, regions: of the frame.
        luma: small (h, w) uint8 picture that standing still is judged on.
        bed_edge: see `Reading`.
        plain, overlay: JPEG files; empty where no picture was asked for.
        seconds: that judging took.
    """

    seq: int
    arrived: float
    at: float
    verdict: Verdict
    quality: Quality
    regions: tuple[Region, ...]
    luma: NDArray[np.uint8]
    bed_edge: float | None
    plain: bytes
    overlay: bytes
    seconds: float


def sight_of(
    taken: SharedPicture, recogniser: Recogniser, orders: JudgeOrders, *, pictures: bool
) -> Sighting:
    """Judges one frame of a camera.

    Args:
        taken: the frame, (H, W, 3) uint8 sRGB, R, G, B, as it came.
        recogniser: the model.
        orders: what the process was told.
        pictures: draw what a person looks at, too.
    """
    begun = time.perf_counter()
    config = recogniser.config
    frame = Frame(reduce_width(taken.pixels, config.image.width), orders.camera)
    sight = look(frame, recogniser.codebook, config)
    (verdict,) = judge([sight], recogniser)
    plain = overlay = b""
    if pictures:
        shown = Frame(reduce_width(taken.pixels, SCREEN_WIDTH), orders.camera)
        plain, overlay = (
            to_jpeg(drawn, quality=JPEG_QUALITY) for drawn in (shown.pixels, _drawn(shown, sight))
        )
    return Sighting(
        seq=taken.seq,
        arrived=taken.arrived,
        at=taken.at,
        verdict=verdict,
        quality=sight.quality,
        regions=sight.regions,
        luma=small_luma(frame, _still_mask(frame, recogniser, orders)),
        bed_edge=_bed_edge(sight.segmentation, orders.bed),
        plain=plain,
        overlay=overlay,
        seconds=time.perf_counter() - begun,
    )


def _still_mask(frame: Frame, recogniser: Recogniser, orders: JudgeOrders) -> NDArray[np.bool_]:
    """The judged pixels without the burnt-in clock."""
    image, (height, width) = recogniser.config.image, frame.pixels.shape[:2]
    clock = (orders.clock,) if orders.clock else ()
    return roi_mask(height, width, roi=image.roi, exclude=(*image.exclude, *clock))


def _drawn(shown: Frame, sight: Sight) -> NDArray[np.uint8]:
    """The regions over the picture at the width of the screen."""
    size = shown.pixels.shape[1::-1]
    labels = cv2.resize(sight.segmentation.labels.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    large = replace(sight.segmentation, labels=np.asarray(labels, np.uint8).view(np.int8))
    return named_overlay(shown, large, sight.regions)


def _bed_edge(segmentation: Segmentation, bed: str) -> float | None:
    """Height of the upper edge of the region's largest part: the 98th percentile of its pixels from below."""
    if bed not in segmentation.names:
        return None
    inside = (segmentation.labels == segmentation.names.index(bed)).astype(np.uint8)
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(inside)
    if count < 2:  # number 0 is everything else
        return None
    largest = 1 + int(np.asarray(statistics)[1:, cv2.CC_STAT_AREA].argmax())
    rows, _ = np.nonzero(np.asarray(parts) == largest)
    return float(1.0 - np.percentile(rows, 2) / len(inside))
