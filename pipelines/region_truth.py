"""Rendered runs with known regions, and how well named colour regions keep to them. Used by the benchmark."""

import itertools
from collections.abc import Iterator, Sequence

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

VISIBLE = 0.01  # share of the picture from which on a true region counts
VIDEO_S, SPARSE_S = 2.0, 240.0


def rendered_runs(
    runs: int, frames: int, size: tuple[int, int], *, difficulty: str = "easy", step_s: float = VIDEO_S
) -> Iterator[list[RenderedFrame]]:
    """Runs of a synthetic kiln camera, one frame every `step_s` seconds."""
    rng = np.random.default_rng(7)
    for number in range(runs):
        plan = plan_run(rng, difficulty=difficulty, name=f"run{number}", size=size)
        yield list(render_run(plan, np.arange(1, frames + 1) * step_s))


def inertia(lab: np.ndarray, centres: np.ndarray) -> float:
    """Mean squared distance of Lab pixels (n, 3) to their nearest centre."""
    return float(((lab - centres[nearest(lab, centres)]) ** 2).sum(axis=1, dtype=np.float64).mean())


def common(ours: np.ndarray, truth: np.ndarray, count: int) -> np.ndarray:
    """Pixels that every true region shares with every label, (regions, count)."""
    judged = (truth >= 0) & (ours >= 0)
    cells = truth[judged].astype(int) * count + ours[judged]
    found = np.bincount(cells, minlength=len(REGION_NAMES) * count)
    return found.reshape(len(REGION_NAMES), count).astype(float)


def overlap(both: np.ndarray) -> np.ndarray:
    """Intersection over union of every true region with every label from the pixels they share."""
    union = both.sum(axis=1, keepdims=True) + both.sum(axis=0) - both
    return both / np.maximum(union, 1)


def judge(
    labels: Sequence[np.ndarray], truths: Sequence[np.ndarray], names: Sequence[str]
) -> dict[str, list[float]]:
    """What `identity` averages, for one run: measure -> one value per frame with the region in it."""
    slots = len(names)
    found: dict[str, list[float]] = {"kept": []}
    for before, after in itertools.pairwise(labels):
        table = np.zeros((slots, slots))
        np.add.at(table, (before.ravel(), after.ravel()), 1)
        found["kept"] += (linear_sum_assignment(-table)[1] == np.arange(slots)).tolist()
    both = np.stack([common(ours, truth, slots) for ours, truth in zip(labels, truths, strict=True)])
    fits = np.stack([overlap(table) for table in both])
    seen = np.stack([[(truth == g).mean() >= VISIBLE for g in range(len(REGION_NAMES))] for truth in truths])
    shares = both * seen[..., None] / np.maximum(both.sum(axis=2, keepdims=True), 1)
    usual = shares.sum(axis=0) / np.maximum(seen.sum(axis=0), 1)[:, None]
    renamed = np.stack([linear_sum_assignment(-(share.T @ usual))[1] for share in shares])
    best_fit = linear_sum_assignment(-fits.mean(axis=0))[1]
    for region, name in enumerate(REGION_NAMES):
        visible = seen[:, region]
        if not visible.any():
            continue
        best, main = fits[visible, region].argmax(axis=1), int(usual[region].argmax())
        found[f"identity_{name}"] = (renamed[visible, main] == main).tolist()
        found[f"same_name_{name}"] = (best == np.bincount(best).argmax()).tolist()
        found[f"iou_{name}"] = fits[visible, region, list(names).index(name)].tolist()
        found[f"iou_best_{name}"] = fits[visible, region, best_fit[region]].tolist()
    return found


def identity(config: SegmentConfig, *, runs: int = 8, frames: int = 16) -> list[dict[str, object]]:
    """Stability of the names and overlap with the truth on rendered runs, a codebook learned on each.

    kept: share of labels that overlap best, one to one, with the same label of the frame before.
    identity: share of the frames in which a true region is visible (1 % of the picture) and the label that
        most of it bears over the run has not changed places with another: no other one-to-one renaming of
        the frame's labels agrees better with how the labels usually lie on the true regions.
    same_name: stricter; the label with the largest intersection over union is the one of most frames. It
        also fails where nothing was renamed but a region is split between two labels by nearly equal parts.
    iou: mean intersection over union with the label of the region's own name. iou_best: with the label that
        fits best over the run, one to one.
    Pixels that belong to no true region (hood, burner pipe, time stamp) do not count in any of them but kept.
    """
    lines: list[dict[str, object]] = []
    for difficulty, step_s, video in (
        ("easy", VIDEO_S, True),
        ("plant", VIDEO_S, True),
        ("plant", VIDEO_S, False),
        ("plant", SPARSE_S, False),
    ):
        values: dict[str, list[float]] = {}
        for run in rendered_runs(runs, frames, (480, 270), difficulty=difficulty, step_s=step_s):
            shots = [Frame(shot.pixels) for shot in run]
            codebook = learn_codebook(shots, config, rng=np.random.default_rng(0))
            before, labels = None, []
            for shot in shots:
                now = segment(shot, codebook, config, previous=before)
                before = now if video else None
                labels.append(now.labels)
            for key, found in judge(labels, [shot.regions for shot in run], config.names).items():
                values.setdefault(key, []).extend(found)
        line: dict[str, object] = {"difficulty": difficulty, "step_s": step_s, "previous": video}
        lines.append(line | {key: round(float(np.mean(found)), 4) for key, found in values.items()})
    return lines


def print_identity(lines: list[dict[str, object]]) -> None:
    """One table per set of rendered runs."""
    for line in lines:
        kind = "with the frame before" if line["previous"] else "each frame alone"
        print(
            f"synthetic {line['difficulty']}, every {line['step_s']:.0f} s, {kind}: kept {line['kept']:.3f}"
        )
        for what in ("identity", "same_name", "iou", "iou_best"):
            cells = "  ".join(
                f"{name} {line.get(f'{what}_{name}', float('nan')):.3f}" for name in REGION_NAMES
            )
            print(f"  {what:10s} {cells}")
