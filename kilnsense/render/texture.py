"""Seamless surface patterns, drawn once per run."""

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]


def cloud(
    rng: np.random.Generator,
    height: int,
    width: int,
    *,
    slope: float = 1.6,
    stretch: tuple[float, float] = (1.0, 1.0),
    coarsest: float = 2.0,
) -> Image:
    """Periodic random field (height, width) float32 with zero mean, unit variance and a power-law spectrum.

    slope: amplitude ~ frequency^-slope; larger is smoother. stretch: features longer along y and x.
    coarsest: frequencies below this many waves per side are faded out.
    """
    fy = np.fft.fftfreq(height)[:, None] * height * stretch[0]
    fx = np.fft.rfftfreq(width)[None, :] * width * stretch[1]
    radius = np.sqrt(fy**2 + fx**2)
    amplitude = 1 / (coarsest**slope + radius**slope)
    amplitude[0, 0] = 0
    white = rng.standard_normal((height, width), dtype=np.float32)
    field = np.fft.irfft2(np.fft.rfft2(white) * amplitude, s=(height, width))
    return np.asarray(field / field.std(), dtype=np.float32)


def grains(rng: np.random.Generator, side: int, cells: int, *, fill: float = 1.0) -> tuple[Image, Image]:
    """Periodic packing of round grains: (shade, tone), both (side, side) float32.

    shade: 0 in the gaps, up to about 1.4 on the side of each grain that faces larger rows. tone: one random
    value per grain, zero mean, unit variance. cells: grains along a side. fill: share of cells with a grain.
    """
    pitch = side / cells
    centres = (
        np.indices((cells, cells)).reshape(2, -1).T + rng.uniform(0.05, 0.95, (cells * cells, 2))
    ) * pitch
    centres = centres[rng.uniform(size=len(centres)) < fill]
    rows, columns = np.floor(centres).astype(int).T
    # A margin of copies all around makes the distances, and so the pattern, seamless.
    margin = int(np.ceil(3 * pitch))
    seeds = np.full((side, side), 255, np.uint8)
    seeds[rows, columns] = 0
    seeds = np.pad(seeds, margin, mode="wrap")
    distance, labels = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    middle = slice(margin, margin + side)
    near, cell = distance[middle, middle], labels[middle, middle]
    # The same grain has one label per copy; its tone comes from where its centre lies inside the tile.
    seed_rows, seed_columns = np.nonzero(seeds == 0)
    owner = np.zeros(int(labels.max()) + 1, np.int64)
    owner[labels[seed_rows, seed_columns]] = (seed_rows - margin) % side * side + (
        seed_columns - margin
    ) % side
    tone_of = rng.standard_normal((side * side,), dtype=np.float32)
    size_of = rng.uniform(0.40, 0.68, side * side).astype(np.float32) * np.float32(pitch)
    radius = size_of[owner[cell]]
    relief = np.sqrt(np.clip(1 - (near / radius) ** 2, 0, 1))
    facing = -cv2.Sobel(relief, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8) * np.float32(0.3 * pitch)
    shade = np.where(relief > 0, 0.15 + 0.75 * relief + np.clip(facing, -0.5, 0.5), 0)
    return np.asarray(shade, np.float32), np.asarray(tone_of[owner[cell]] * (relief > 0), np.float32)
