"""How fast `kilnsense label` is, and how much memory it takes, beside decoding alone and two plain pipelines.

    python pipelines/bench_label.py [--files 1000] [--many 50000] [--json]

Rendered 1920x1080 JPEGs (synthetic, plant): a model is trained on some runs of the camera, and the frames of
others are labelled, as hard links to so many names. All use two processes of one thread each.

decode_ratio: wall time of the command, start included, by that of decoding the same files at the same scale.
sensible, good: see `label_peers.py`, each with an SVC that learns from the good one's embeddings of the
    frames that our model was trained on.
ms_*, share_*: where the time of the command goes, see `label_stages.py`.
peak_mb: of the command's tree of processes, pages that several share counted once (PSS), every half second.
Accuracy is that of the most probable state over the usable frames of the runs kept apart.
"""

import argparse
import csv
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.pool import Pool
from pathlib import Path

import cv2
import numpy as np
from label_peers import peer
from label_stages import shares, stage_ms, tables_s
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from kilnsense.config import ImageConfig
from kilnsense.data.loader import load_one
from kilnsense.recogniser import open_recogniser

KILNSENSE = str(Path(sys.executable).with_name("kilnsense"))
CLASSES = ("under", "normal", "over")
PROCESSES = 2
CHUNK = 20
"""Files that a decoding process takes at once."""
SAMPLE = 96
"""Files on which the stages are timed."""

Truth = list[tuple[Path, str]]
"""Usable frames with their true states."""


def kilnsense(words: list[str]) -> None:
    """Runs the command to its end. Raises CalledProcessError."""
    subprocess.run([KILNSENSE, "--quiet", *words], check=True, stdout=subprocess.DEVNULL)


def render(folder: Path, runs: int, frames: int, seed: int) -> Truth:
    """Renders runs of frames at full size."""
    words = ["simulate", "--out", str(folder), f"--runs={runs}", f"--frames={frames}", f"--seed={seed}"]
    kilnsense([*words, "--size=1920x1080", f"--workers={PROCESSES}"])
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return [(folder / row["path"], row["label"]) for row in csv.DictReader(file) if row["usable"] == "1"]


def link(frames: list[Path], folder: Path, count: int) -> list[Path]:
    """So many names for the frames, in folders of a thousand."""
    paths = [folder / f"{number // 1000:03d}" / f"{number % 1000:03d}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.hardlink_to(frames[number % len(frames)])
    return paths


def decode_alone(root: Path, paths: list[Path], config: ImageConfig) -> int:
    """What every labelling needs first; the number of pixels that came out."""
    cv2.setNumThreads(1)
    return sum(load_one(path, root, config).pixels.size for path in paths)  # type: ignore[union-attr]


def tree(root: int) -> Iterator[int]:
    """A process and all below it that still live."""
    yield root
    for task in Path(f"/proc/{root}/task").glob("*/children"):
        for child in task.read_text(encoding="ascii").split():
            yield from tree(int(child))


def pss_mb(root: int) -> float:
    """Megabytes of a tree of processes, shared pages counted once."""
    total = 0
    try:
        for process in tree(root):
            lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0.0  # one ended meanwhile: the next look tells
    return total / 1000


def watched(words: list[str]) -> tuple[float, float]:
    """Seconds of a command, and the peak megabytes of its processes."""
    start, peak, ended = time.perf_counter(), 0.0, threading.Event()
    process = subprocess.Popen([KILNSENSE, "--quiet", *words], stdout=subprocess.DEVNULL)

    def look() -> None:
        nonlocal peak
        while not ended.wait(0.5):
            peak = max(peak, pss_mb(process.pid))

    watcher = threading.Thread(target=look)
    watcher.start()
    code, took = process.wait(), time.perf_counter() - start
    ended.set()
    watcher.join()
    if code:
        sys.exit(f"kilnsense {' '.join(words)} ended with {code}")
    return took, peak


def our_accuracy(table: Path, truth: dict[str, str]) -> float:
    """Of the most probable state, by file."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["path"] in truth]
    said = [max(CLASSES, key=lambda name, row=row: float(row[f"p_{name}"] or 0)) for row in rows]
    return float(np.mean([name == truth[row["path"]] for name, row in zip(said, rows, strict=True)]))


def plain_pipelines(pool: Pool, train: Truth, test: Truth) -> dict[str, tuple[float, float]]:
    """Of each plain pipeline the seconds a file, and the accuracy of an SVC on the good one's embeddings."""
    known, _ = peer(pool, [path for path, _ in train], every_pixel=False, processes=PROCESSES)
    model = make_pipeline(StandardScaler(), SVC()).fit(known, [label for _, label in train])
    labels = np.array([label for _, label in test])
    plain = {}
    for name, every_pixel in (("sensible", True), ("good", False)):
        vectors, seconds = peer(
            pool, [path for path, _ in test], every_pixel=every_pixel, processes=PROCESSES
        )
        plain[name] = (seconds, float(np.mean(model.predict(vectors) == labels)))
    return plain


def bench(folder: Path, files: int, many: int, say: Callable[[str], None]) -> dict[str, object]:
    """All figures, from one run."""
    say("rendering, training")
    train, test = render(folder / "train", 12, 15, 0), render(folder / "test", 6, 16, 1)
    sets = [f"--set=data.root={folder / 'train'}", "--set=data.held_out=[]"]
    kilnsense(["train", "configs/demo.yaml", *sets, "--out", str(folder / "model")])
    bundle = str(folder / "model" / "bundle")
    paths = link([path for path, _ in test], folder / "frames", files)
    truth = {
        path.relative_to(folder / "frames").as_posix(): test[n][1]
        for n, path in enumerate(paths[: len(test)])
    }
    recogniser = open_recogniser(Path(bundle))
    image = recogniser.config.image

    command = ["label", f"--bundle={bundle}", f"--jobs={PROCESSES}"]
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        chunks = [(folder / "frames", paths[n : n + CHUNK], image) for n in range(0, files, CHUNK)]
        pool.starmap(decode_alone, chunks[: 2 * PROCESSES], chunksize=1)
        ours, alone, peak = [], [], 0.0
        for turn in range(3):  # in turns, so that a busy machine is busy for both
            say(f"decoding and labelling, turn {turn + 1} of 3")
            start = time.perf_counter()
            pool.starmap(decode_alone, chunks, chunksize=1)
            alone.append((time.perf_counter() - start) / files)
            took, most = watched([*command, str(folder / "frames"), f"--out={folder / f'run{turn}'}"])
            ours.append(took / files)
            peak = max(peak, most)
        say("the plain pipelines")
        plain = plain_pipelines(pool, train, test)
    say("where the time goes")
    stages = stage_ms(recogniser, paths[:SAMPLE], folder / "frames")
    link([path for path, _ in test], folder / "few", PROCESSES)
    start = min(
        watched([*command, str(folder / "few"), f"--out={folder / f'few{turn}'}"])[0] for turn in range(3)
    )
    tables = tables_s(folder / "run0", folder, recogniser.config.classes)
    spent = min(ours)
    result: dict[str, object] = {
        "data": "synthetic",
        "files": files,
        "files_per_second": 1 / spent,
        "decode_files_per_second": 1 / min(alone),
        "decode_ratio": float(np.median(np.divide(ours, alone))),
        "speedup_sensible": plain["sensible"][0] / spent,
        "speedup_good": plain["good"][0] / spent,
        "accuracy": our_accuracy(folder / "run0" / "labels.csv", truth),
        "accuracy_sensible": plain["sensible"][1],
        "accuracy_good": plain["good"][1],
        "peak_mb_1k": peak,
        **{f"ms_{stage}": milliseconds for stage, milliseconds in stages.items()},
        "start_s": start,
        "tables_s": tables,
        **shares(stages, start, tables, files=files, processes=PROCESSES),
    }
    if many:
        say(f"labelling {many} files")
        link([path for path, _ in test], folder / "many", many)
        took, most = watched([*command, str(folder / "many"), f"--out={folder / 'run_many'}"])
        result |= {"many": many, "peak_mb_50k": most, "files_per_second_many": many / took}
    return result


def main() -> None:
    """Runs the benchmark and prints it."""
    parser = argparse.ArgumentParser(description="Labelling an archive beside plain pipelines.")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--many", type=int, default=50_000, help="0: leave the large archive out")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    with tempfile.TemporaryDirectory(prefix="bench_label_") as folder:
        result = bench(
            Path(folder), options.files, options.many, lambda text: print(text, file=sys.stderr, flush=True)
        )
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:24s} {value:.3f}" if isinstance(value, float) else f"{name:24s} {value}")


if __name__ == "__main__":
    main()
