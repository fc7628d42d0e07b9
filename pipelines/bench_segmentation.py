"""How fast and how good the colour segmentation is, beside scikit-learn and OpenCV on the same frames.

    python pipelines/bench_segmentation.py [--frames DIR|synthetic] [--count 3] [--json]

All cluster the colours of 1920x1080 frames in CIE Lab and label every pixel; peers are given the Lab pixels
for free, the library starts from 8-bit sRGB. Inertia is the mean squared distance of all full-size pixels to
their centre, over the best of scikit-learn's ten restarts. "Working scale" is what the library really does,
and what speedup_sklearn, speedup_cv2 and inertia_ratio speak of: the frame is reduced to 480 pixels width
(timed too) and fitted and labelled there. "Full size" labels all 2 million pixels; both are reported.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from region_truth import identity, inertia, print_identity, rendered_runs
from sklearn.cluster import KMeans

from kilnsense.config import SegmentConfig
from kilnsense.image.colour import srgb_to_lab
from kilnsense.image.decode import decode
from kilnsense.segment.codebook import learn_codebook
from kilnsense.segment.regions import segment
from kilnsense.types import Frame

SIZE = (1920, 1080)
OURS, WORKING = "kilnsense, full size", "kilnsense, working scale"
PEER, REFERENCE, OPENCV = "sklearn KMeans(n_init=1)", "sklearn KMeans(n_init=10)", "cv2.kmeans, 1 attempt"


def timed(job: Callable[[], np.ndarray], times: int) -> tuple[float, np.ndarray]:
    """Best wall time in milliseconds, and the centres (k, 3) that the job found."""
    best, centres = float("inf"), np.empty(0)
    for _ in range(times):
        start = time.perf_counter()
        centres = job()
        best = min(best, 1000 * (time.perf_counter() - start))
    return best, centres


def bench(frame: Frame, codebook, config: SegmentConfig) -> dict[str, tuple[float, float]]:
    """Method -> milliseconds and inertia over the best of ten, for one full-size frame."""
    lab, clusters = srgb_to_lab(frame.pixels).reshape(-1, 3), len(config.names)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 1e-2)

    def working() -> np.ndarray:
        small = cv2.resize(frame.pixels, (480, 270), interpolation=cv2.INTER_AREA)
        return segment(Frame(small), codebook, config).centres

    def peer(restarts: int) -> np.ndarray:
        return KMeans(clusters, n_init=restarts, random_state=0).fit(lab).cluster_centers_

    jobs = {
        OURS: (lambda: segment(frame, codebook, config).centres, 9),
        WORKING: (working, 9),
        PEER: (lambda: peer(1), 1),
        REFERENCE: (lambda: peer(10), 1),
        OPENCV: (lambda: cv2.kmeans(lab, clusters, None, stop, 1, cv2.KMEANS_PP_CENTERS)[2], 1),
    }
    found = {name: timed(job, times) for name, (job, times) in jobs.items()}
    cost = {name: inertia(lab, centres.astype(np.float32)) for name, (_, centres) in found.items()}
    return {name: (spent, cost[name] / cost[REFERENCE]) for name, (spent, _) in found.items()}


def rows_of(frames: list[Frame], config: SegmentConfig) -> list[dict[str, object]]:
    """One row per method: median milliseconds, median and worst inertia over the best of ten."""
    codebook = learn_codebook(frames, config, rng=np.random.default_rng(0))
    results, rows = [bench(frame, codebook, config) for frame in frames], []
    for name in results[0]:
        spent, ratios = np.array([result[name] for result in results]).T
        row = {"ms": np.median(spent), "inertia_ratio": np.median(ratios), "worst": ratios.max()}
        rows.append({"method": name} | {key: float(value) for key, value in row.items()})
    return rows


def main() -> None:
    """Runs the benchmark and prints it."""
    parser = argparse.ArgumentParser(description="Colour segmentation beside scikit-learn and OpenCV.")
    parser.add_argument("--frames", default="synthetic", help="folder, or synthetic")
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    config, synthetic = SegmentConfig(), options.frames == "synthetic"
    if synthetic:
        frames = [Frame(shot.pixels) for run in rendered_runs(options.count, 1, SIZE) for shot in run]
    else:
        paths = sorted(path for path in Path(options.frames).iterdir() if path.is_file())
        chosen = paths[:: max(1, len(paths) // options.count)][: options.count]
        frames = [Frame(cv2.resize(decode(path).pixels, SIZE)) for path in chosen]
    rows = rows_of(frames, config)
    spent = {row["method"]: row["ms"] for row in rows}
    summary = {
        "data": "synthetic" if synthetic else str(options.frames),
        "speedup_sklearn": spent[PEER] / spent[WORKING],
        "speedup_cv2": spent[OPENCV] / spent[WORKING],
        "inertia_ratio": rows[1]["inertia_ratio"],
        "speedup_sklearn_full_size": spent[PEER] / spent[OURS],
        "rows": rows,
        "identity_synthetic": identity(config),
    }
    if options.json:
        print(json.dumps(summary))
        return
    print(f"{len(frames)} frames of 1920x1080 ({summary['data']}), k = {len(config.names)}")
    for row in rows:
        print("{method:26s} {ms:9.1f} ms   inertia {inertia_ratio:.4f} (worst {worst:.4f})".format(**row))
    for scale, method in (("working scale", WORKING), ("full size", OURS)):
        print(
            f"{scale}: {spent[PEER] / spent[method]:.0f} x {PEER}, {spent[OPENCV] / spent[method]:.0f} x cv2"
        )
    print_identity(summary["identity_synthetic"])


if __name__ == "__main__":
    main()
