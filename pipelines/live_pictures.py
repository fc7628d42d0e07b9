"""Bad pictures of a live camera: flags on normal rendered footage, seconds until injected faults are said.

    python pipelines/live_pictures.py [--runs 3] [--minutes 20] [--difficulty plant]

Two frames a second at 320x240. Usable is what the renderer knows: it draws upsets of dust in which nothing
can be seen. Each fault begins 20 s into the last minute of a run; printed is the slowest answer of all runs
(null: none).
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from kilnsense.config import QualityConfig
from kilnsense.image.quality import assess
from kilnsense.image.still import small_luma
from kilnsense.live.picture import PictureWatch
from kilnsense.render.camera import burn_stamp, stamp_box
from kilnsense.render.difficulty import DIFFICULTIES
from kilnsense.render.frames import render_run
from kilnsense.render.plan import RunPlan, plan_run
from kilnsense.types import Frame

RATE, BEFORE = 2, 40
FAULTS = ("frozen", "clock", "noisy", "encoded", "dark", "over_exposed", "blurred", "dusted")
SEEN_AS = {"clock": "frozen", "noisy": "frozen", "encoded": "frozen"}


def encoded(picture: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """A frozen picture out of a video encoder at 25 frames a second, one of 12 of its frames."""
    height, width = picture.shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "frozen.mp4")
        writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"mp4v"), 25, (width, height))
        for _ in range(12 * count):
            writer.write(picture)
        writer.release()
        capture = cv2.VideoCapture(path)
        for _ in range(count):
            for _ in range(12):
                capture.grab()
            yield np.asarray(capture.retrieve()[1], np.uint8)


def faulty(kind: str, pictures: list[np.ndarray], plan: RunPlan) -> Iterator[np.ndarray]:
    """The pictures with a fault in all of them."""
    rng = np.random.default_rng(plan.seed)
    if kind == "encoded":
        yield from encoded(pictures[0], len(pictures))
        return
    for number, picture in enumerate(pictures):
        if kind in ("frozen", "clock", "noisy"):
            picture = pictures[0].copy()
            if kind == "clock":
                burn_stamp(plan, picture, 5000 + number / RATE)
            elif kind == "noisy":
                picture = np.clip(picture + rng.normal(0, 1.5, picture.shape), 0, 255)
        elif kind == "blurred":
            picture = cv2.GaussianBlur(picture, (0, 0), 6)
        else:
            share, veil = {"dark": (0.08, 0.0), "over_exposed": (4.0, 60.0), "dusted": (0.06, 150.0)}[kind]
            picture = np.clip(picture * share + veil, 0, 255)
        yield picture.astype(np.uint8)


def measure(plan: RunPlan, minutes: float) -> tuple[np.ndarray, dict[str, float]]:
    """(frames, usable ones, those of them that were flagged) as rendered; seconds until each fault."""
    box, mask = stamp_box(plan), np.ones((240, 320), bool)
    if box is not None:
        mask[box] = False

    def see(watch: PictureWatch, pixels: np.ndarray, at: float) -> str:
        frame = Frame(pixels)
        return watch.see(assess(frame, QualityConfig(), mask=mask), small_luma(frame, mask), at)

    watch, last, counts = PictureWatch(), [], np.zeros(3, int)
    for rendered in render_run(plan, (600 + number / RATE for number in range(round(minutes * 60 * RATE)))):
        flagged, usable = bool(see(watch, rendered.pixels, rendered.truth.time_s)), rendered.truth.usable
        counts += (1, usable, usable and flagged)
        last = [*last[-119:], rendered.pixels]
    delays = {}
    for fault in FAULTS:
        again = PictureWatch(usual=watch.usual())
        pictures = [*last[:BEFORE], *faulty(fault, last[BEFORE:], plan)]
        kinds = [see(again, picture, number / RATE) for number, picture in enumerate(pictures)]
        said = SEEN_AS.get(fault, fault)
        delays[fault] = (kinds.index(said) - BEFORE) / RATE if said in kinds else 999.0
    return counts, delays


def main() -> None:
    """Reads the command line, measures, prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--difficulty", choices=sorted(DIFFICULTIES), default="plant")
    given = parser.parse_args()
    counts, slowest = np.zeros(3, int), dict.fromkeys(FAULTS, 0.0)
    for seed in range(given.runs):
        rng = np.random.default_rng(seed)
        counted, delays = measure(plan_run(rng, difficulty=given.difficulty, size=(320, 240)), given.minutes)
        counts += counted
        slowest = {fault: max(slowest[fault], delays[fault]) for fault in FAULTS}
    frames, usable, flagged = counts.tolist()
    slow = {fault: value if value < 999 else None for fault, value in slowest.items()}
    print(json.dumps({"frames": frames, "usable": usable, "flagged": flagged, "slowest_s": slow}))


if __name__ == "__main__":
    main()
