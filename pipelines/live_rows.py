"""Rendered days of kilns and what a model says of their frames: rendered once, kept in a folder.

A run is *unseen* where kiln and camera are new to the model, *known* where the model has learned from
another day of the same kiln and camera: only schedule, wandering cues and noise are drawn anew.
"""

import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import cv2
import numpy as np

from kilnsense.config import Config, check_config, load_config
from kilnsense.image.decode import decode
from kilnsense.recogniser import Recogniser, open_recogniser, recognise
from kilnsense.render.plan import RunPlan, plan_run
from kilnsense.render.sequence import Simulation, render_run, simulate
from kilnsense.training.train import train
from kilnsense.types import Verdict

CONFIG = Path(__file__).parents[1] / "configs" / "demo.yaml"
SIZE = (352, 264)
TRAINING_SEED = 50
KINDS = ("known", "unseen")
BATCH = 32


@dataclass(frozen=True)
class Row:
    """One frame: its truth, and what the model says of it."""

    time_s: float
    bed_c: float
    state: str
    sure: bool
    usable: bool
    reason: str
    unfamiliarity: float
    probabilities: tuple[float, ...]

    def verdict(self, classes: Sequence[str]) -> Verdict:
        """What the model said, as a live monitor gets it."""
        if not self.probabilities:
            return Verdict(None, 0.0, self.reason)
        best = int(np.argmax(self.probabilities))
        name = classes[best]
        return Verdict(
            state=name if self.reason == "accepted" else None,
            confidence=self.probabilities[best],
            reason=self.reason,
            best=name,
            probabilities=self.probabilities,
            unfamiliarity=self.unfamiliarity,
        )


def model(work: Path, *, runs: int, frames: int, settings: Sequence[str] = ()) -> Recogniser:
    """The model of a work folder, rendered for and trained where it is not there yet."""
    if not (work / "model" / "bundle").is_dir():
        simulate(work / "frames", Simulation(runs=runs, frames=frames, size=SIZE, seed=TRAINING_SEED))
        train(_config(work / "frames", settings), folder=work / "model", say=lambda text: _say(text))
    return open_recogniser(work / "model" / "bundle")


def _config(root: Path, settings: Sequence[str]) -> Config:
    values = load_config(CONFIG, settings).model_dump()
    values["data"] |= {"root": str(root), "held_out": ()}
    return check_config(values, origin=str(CONFIG))


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def plan_day(kind: str, seed: int, number: int) -> RunPlan:
    """A day of a kiln; those that are known are the ones of training, in their order."""
    day = plan_run(np.random.default_rng([seed, number]), name=f"{kind}{number}", size=SIZE)
    if kind == "unseen":
        return day
    kiln = plan_run(np.random.default_rng([TRAINING_SEED, number]), name=day.name, size=SIZE)
    return replace(kiln, seed=day.seed, schedule=day.schedule, cue_noises=day.cue_noises)


def day_rows(
    work: Path, recogniser: Recogniser, kind: str, *, seed: int, number: int, hours: float, every: float
) -> list[Row]:
    """The frames of one day, `every` seconds one, rendered where the work folder does not hold them."""
    file = work / "rows" / f"{kind}-{seed}-{number}-{hours:g}h-{every:g}s.csv"
    if not file.is_file():
        _say(f"rendering {file.name}")
        file.parent.mkdir(parents=True, exist_ok=True)
        rows = list(_render(plan_day(kind, seed, number), recogniser, hours=hours, every=every))
        part = file.with_suffix(".part")
        with part.open("w", newline="") as stream:
            csv.writer(stream).writerows([[field.name for field in fields(Row)], *map(_cells, rows)])
        part.replace(file)
    with file.open(newline="") as stream:
        return [_row(cells) for cells in csv.DictReader(stream)]


def _render(plan: RunPlan, recogniser: Recogniser, *, hours: float, every: float) -> Iterator[Row]:
    truths, pictures = [], []
    options = (cv2.IMWRITE_JPEG_QUALITY, plan.camera.jpeg_quality)
    times = np.arange(0.0, hours * 3600, every).tolist()
    for number, frame in enumerate(render_run(plan, times), 1):
        _, data = cv2.imencode(".jpg", frame.pixels[..., ::-1], list(options))
        pictures.append(decode(data.tobytes()))
        truths.append(frame.truth)
        if len(pictures) == BATCH or number == len(times):
            for truth, record in zip(truths, recognise(pictures, recogniser), strict=True):
                said = record.verdict
                assert said is not None
                yield Row(
                    time_s=truth.time_s,
                    bed_c=truth.bed_temperature_c,
                    state=truth.state,
                    sure=not truth.ambiguous,
                    usable=truth.usable,
                    reason=said.reason,
                    unfamiliarity=said.unfamiliarity,
                    probabilities=said.probabilities,
                )
            truths, pictures = [], []


def _cells(row: Row) -> list[str]:
    head = [f"{row.time_s:g}", f"{row.bed_c:.1f}", row.state, str(int(row.sure)), str(int(row.usable))]
    return [*head, row.reason, f"{row.unfamiliarity:.4f}", " ".join(f"{p:.6f}" for p in row.probabilities)]


def _row(cells: dict[str, str]) -> Row:
    return Row(
        time_s=float(cells["time_s"]),
        bed_c=float(cells["bed_c"]),
        state=cells["state"],
        sure=cells["sure"] == "1",
        usable=cells["usable"] == "1",
        reason=cells["reason"],
        unfamiliarity=float(cells["unfamiliarity"]),
        probabilities=tuple(float(text) for text in cells["probabilities"].split()),
    )
