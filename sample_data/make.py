"""Renders the frames, the clip and the picture of this folder anew, the same bytes every time."""

import shutil
from pathlib import Path

import cv2
import numpy as np

from kilnsense.config import SegmentConfig
from kilnsense.render.sequence import RenderedFrame, Simulation, plan_run, render_run, simulate
from kilnsense.segment.codebook import learn_codebook
from kilnsense.segment.overlay import overlay
from kilnsense.segment.regions import regions, segment
from kilnsense.types import Frame

HERE = Path(__file__).parent
STATES = ("under", "normal", "over")


def main() -> None:
    """Replaces runs/, clip/ and overview.jpg."""
    for name in ("runs", "clip"):
        shutil.rmtree(HERE / name, ignore_errors=True)
    simulate(HERE / "runs", Simulation(runs=10, frames=20, size=(352, 264), seed=18))
    simulate(HERE / "clip", Simulation(runs=1, frames=500, size=(320, 240), video=True, masks=False, seed=0))
    draw_overview(HERE / "overview.jpg")


def draw_overview(path: Path) -> None:
    """One run in its three states, and below each the colour regions found in it."""
    shown = _one_of_each()
    config = SegmentConfig()
    frames = [Frame(frame.pixels) for frame in shown]
    codebook = learn_codebook(frames, config, rng=np.random.default_rng(0))
    columns = []
    for frame in frames:
        found = segment(frame, codebook, config)
        drawn = overlay(frame, found, regions(frame, found, min_area=config.min_area))
        columns.append(np.vstack([frame.pixels, drawn]))
    picture = cv2.cvtColor(np.hstack(columns), cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    path.write_bytes(data.tobytes())


def _one_of_each() -> list[RenderedFrame]:
    """A frame of every state from the middle of its temperature band."""
    plan = plan_run(np.random.default_rng([2, 2]), difficulty="easy", name="overview", size=(480, 360))
    wanted = dict(zip(STATES, (1335.0, 1450.0, 1555.0), strict=True))
    frames = list(render_run(plan, np.arange(0.0, 8 * 3600.0, 300.0)))
    return [
        min(frames, key=lambda frame: abs(frame.truth.bed_temperature_c - wanted[state])) for state in STATES
    ]


if __name__ == "__main__":
    main()
