"""Rendered runs with known regions, and how well named colour regions keep to them. Used by the benchmark."""

import itertools
from collections.abc import Iterator

import numpy as np
from scipy.optimize import linear_sum_assignment

from kilnsense.config import SegmentConfig
from kilnsense.render.frames import RenderedFrame, render_run
from kilnsense.render.plan import plan_run
from kilnsense.render.scene import REGION_NAMES
from kilnsense.segment.codebook import learn_codebook
from kilnsense.segment.labels import nearest
from kilnsense.segment.regions import segment
from kilnsense.types import Frame

VISIBLE = 0.01
STEP_S = 2.0


def rendered_runs(
    runs: int, frames: int, size: tuple[int, int], *, difficulty: str = "easy"
) -> Iterator[list[RenderedFrame]]:
    """Runs of a synthetic kiln camera, one frame every two seconds."""
    rng = np.random.default_rng(7)
    for number in range(runs):
        plan = plan_run(rng, difficulty=difficulty, name=f"run{number}", size=size)
        yield list(render_run(plan, np.arange(1, frames + 1) * STEP_S))


def inertia(lab: np.ndarray, centres: np.ndarray) -> float:
    """Mean squared distance of Lab pixels (n, 3) to their nearest centre."""
    return float(((lab - centres[nearest(lab, centres)]) ** 2).sum(axis=1, dtype=np.float64).mean())


def overlap(ours: np.ndarray, truth: np.ndarray, count: int) -> np.ndarray:
    """Intersection over union of every true region with every label, (regions, count)."""
    both = np.zeros((len(REGION_NAMES), count))
    judged = (truth >= 0) & (ours >= 0)
    np.add.at(both, (truth[judged], ours[judged]), 1)
    union = both.sum(axis=1, keepdims=True) + both.sum(axis=0) - both
    return both / np.maximum(union, 1)


def identity(config: SegmentConfig, *, runs: int = 6, frames: int = 16) -> list[dict[str, object]]:
    """Two stabilities and the overlap with the truth, per difficulty.

    kept: share of region-frames of which the best one-to-one overlap with the frame before bears the same
    name (cold k-means renames at will). same_name: per true region, share of the frames in which it is
    visible and the label that overlaps it best is the one that does so in most frames of the run. iou: mean
    overlap per true region with the label that fits it best over the run, one to one.
    """
    lines: list[dict[str, object]] = []
    slots = len(config.names)
    for difficulty in ("easy", "plant"):
        kept: list[bool] = []
        same: dict[str, list[float]] = {name: [] for name in REGION_NAMES}
        ious: dict[str, list[float]] = {name: [] for name in REGION_NAMES}
        for run in rendered_runs(runs, frames, (480, 270), difficulty=difficulty):
            shots = [Frame(shot.pixels) for shot in run]
            codebook = learn_codebook(shots, config, rng=np.random.default_rng(0))
            labels = [segment(shot, codebook, config).labels for shot in shots]
            for before, after in itertools.pairwise(labels):
                table = np.zeros((slots, slots))
                np.add.at(table, (before.ravel(), after.ravel()), 1)
                kept += (linear_sum_assignment(-table)[1] == np.arange(slots)).tolist()
            fits = np.stack(
                [overlap(ours, shot.regions, slots) for ours, shot in zip(labels, run, strict=True)]
            )
            seen = np.stack(
                [[(shot.regions == g).mean() >= VISIBLE for g in range(len(REGION_NAMES))] for shot in run]
            )
            own = linear_sum_assignment(-fits.mean(axis=0))[1]
            for region, name in enumerate(REGION_NAMES):
                visible = seen[:, region]
                if visible.any():
                    best = fits[visible, region].argmax(axis=1)
                    same[name].append(float(np.bincount(best).max() / len(best)))
                    ious[name].append(float(fits[visible, region, own[region]].mean()))
        line: dict[str, object] = {"difficulty": difficulty, "kept": round(float(np.mean(kept)), 4)}
        for name in REGION_NAMES:
            line[f"same_name_{name}"] = round(float(np.mean(same[name])), 3)
            line[f"iou_{name}"] = round(float(np.mean(ious[name])), 3)
        lines.append(line)
    return lines
