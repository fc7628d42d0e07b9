"""Simulated runs on disk, and the public door of this package.

`simulate` writes frames or clips, region masks, the manifest, and how they were made. `plan_run`,
`render_run`, `render_frame` and `live_frames` give the same frames in memory.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from kilnsense.errors import ConfigError, InputError, StorageError
from kilnsense.render.difficulty import Difficulty
from kilnsense.render.frames import FrameTruth, RenderedFrame, live_frames, render_frame, render_run
from kilnsense.render.plan import RunPlan, plan_run
from kilnsense.render.process import DEFAULT_STATES
from kilnsense.render.scene import REGION_NAMES

__all__ = [
    "FrameTruth",
    "RenderedFrame",
    "RunPlan",
    "Simulation",
    "is_simulated",
    "live_frames",
    "parse_size",
    "plan_run",
    "render_frame",
    "render_run",
    "simulate",
]

FORMAT = 1
MANIFEST = "manifest.csv"
FACTS = "simulation.json"
COLUMNS = (
    "path",
    "label",
    "group",
    "time_s",
    "bed_temperature_c",
    "transmission",
    "saturated_share",
    "usable",
    "ambiguous",
    "camera",
)
NO_REGION_BYTE = 255  # in mask files, where a pixel belongs to no region
CLIP_RATE = 25.0
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Simulation:
    """What to simulate; the same values give the same bytes.

    Attributes:
        runs: kiln x camera x day.
        frames: of each run.
        difficulty: a name of DIFFICULTIES or the numbers themselves.
        seed: 0 and up.
        size: width and height in pixels.
        video: one continuous clip per run, 25 frames a second, in place of a folder of pictures.
        masks: write the region masks too.
        states: names of the burning states, coldest first.
    """

    runs: int = 12
    frames: int = 40
    difficulty: str | Difficulty = "plant"
    seed: int = 0
    size: tuple[int, int] = (640, 480)
    video: bool = False
    masks: bool = True
    states: tuple[str, ...] = DEFAULT_STATES

    def __post_init__(self) -> None:
        for name, value in (("runs", self.runs), ("frames", self.frames)):
            if value < 1:
                raise InputError(f"{name}: got {value}; it must be at least 1")


@dataclass(frozen=True)
class RunJob:
    """One run to write: a plan, the frames' times in seconds, and where."""

    plan: RunPlan
    times: tuple[float, ...]
    out: Path
    video: bool
    masks: bool


def parse_size(text: str) -> tuple[int, int]:
    """Read "640x480" as (width, height). Raises ConfigError."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise ConfigError(f"size: got {text!r}; write width x height in pixels, for example 640x480")
    return int(width), int(height)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _encode(name: str, pixels: npt.NDArray[np.uint8], options: Sequence[int]) -> bytes:
    done, buffer = cv2.imencode(name, pixels, list(options))
    if not done:
        raise StorageError(f"could not encode a picture of shape {pixels.shape} as {name}")
    return buffer.tobytes()


def _row(job: RunJob, path: str, truth: FrameTruth) -> dict[str, str]:
    return {
        "path": path,
        "label": truth.state,
        "group": job.plan.name,
        "time_s": f"{truth.time_s:.2f}",
        "bed_temperature_c": f"{truth.bed_temperature_c:.1f}",
        "transmission": f"{truth.transmission:.4f}",
        "saturated_share": f"{truth.saturated_share:.4f}",
        "usable": str(int(truth.usable)),
        "ambiguous": str(int(truth.ambiguous)),
        "camera": job.plan.camera.name,
    }


def _write_clip(job: RunJob, frames: Iterator[RenderedFrame]) -> Iterator[tuple[RenderedFrame, str]]:
    """Append frames to `<run>.mp4`; the path of a frame is the clip's and its number (`run.mp4#12`)."""
    path = job.out / f"{job.plan.name}.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), CLIP_RATE, job.plan.size)
    if not writer.isOpened():
        raise StorageError(f"{path}: this OpenCV cannot write MP4 video; write a folder of frames instead")
    try:
        for number, frame in enumerate(frames):
            writer.write(cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2BGR))
            yield frame, f"{path.name}#{number}"
    finally:
        writer.release()


def _write_pictures(job: RunJob, frames: Iterator[RenderedFrame]) -> Iterator[tuple[RenderedFrame, str]]:
    options = (cv2.IMWRITE_JPEG_QUALITY, job.plan.camera.jpeg_quality)
    for number, frame in enumerate(frames):
        name = f"{job.plan.name}/{number:05d}.jpg"
        _write(job.out / name, _encode(".jpg", frame.pixels[..., ::-1], options))
        yield frame, name


def _run_rows(job: RunJob) -> Iterator[dict[str, str]]:
    frames = render_run(job.plan, job.times)
    written = _write_clip(job, frames) if job.video else _write_pictures(job, frames)
    for number, (frame, name) in enumerate(written):
        if job.masks:
            mask = _encode(".png", frame.regions.view(np.uint8), (cv2.IMWRITE_PNG_COMPRESSION, 3))
            _write(job.out / "masks" / job.plan.name / f"{number:05d}.png", mask)
        yield _row(job, name, frame.truth)


def _whole_run(job: RunJob) -> list[dict[str, str]]:
    cv2.setNumThreads(1)
    return list(_run_rows(job))


def sample_times(rng: np.random.Generator, plan: RunPlan, frames: int, *, video: bool) -> tuple[float, ...]:
    """Times of the frames: a clip is continuous; single frames spread over the whole schedule."""
    period = sum(plan.schedule.holds_s)
    if video:
        start = round(float(rng.uniform(0, period)), 2)
        return tuple(round(start + i / CLIP_RATE, 2) for i in range(frames))
    return tuple(round((i + float(rng.uniform(0.05, 0.95))) * period / frames, 2) for i in range(frames))


def _collect(jobs: list[RunJob], workers: int, progress: Progress | None) -> list[dict[str, str]]:
    total = sum(len(job.times) for job in jobs)
    rows: list[dict[str, str]] = []
    if workers > 1:
        with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=get_context("spawn")) as pool:
            for part in pool.map(_whole_run, jobs):
                rows += part
                if progress:
                    progress(len(rows), total)
        return rows
    for job in jobs:
        for row in _run_rows(job):
            rows.append(row)
            if progress:
                progress(len(rows), total)
    return rows


def _describe(jobs: list[RunJob], wanted: Simulation) -> str:
    runs = [
        {
            "name": job.plan.name,
            "kiln": asdict(job.plan.kiln),
            "camera": asdict(job.plan.camera),
            "schedule": asdict(job.plan.schedule),
        }
        for job in jobs
    ]
    plan = jobs[0].plan
    facts = {
        "format": FORMAT,
        "kind": "synthetic",
        "seed": wanted.seed,
        "states": list(wanted.states),
        "regions": list(REGION_NAMES),
        "no_region": NO_REGION_BYTE,
        "size": list(plan.size),
        "frames": wanted.frames,
        "video": wanted.video,
        "difficulty": asdict(plan.difficulty),
        "bands": [asdict(band) for band in plan.bands],
        "runs": runs,
    }
    return json.dumps(facts, indent=1) + "\n"


def _table(rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue().encode()


def _prepare(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise ConfigError(f"{out}: the folder is not empty; choose a new one or empty it first")
    except (FileExistsError, NotADirectoryError) as error:
        raise StorageError(f"{out}: this is a file, not a folder; choose another path") from error
    except PermissionError as error:
        raise StorageError(f"{out}: no permission to write here; choose another folder") from error
    except OSError as error:
        raise StorageError(f"{out}: cannot be written ({error.strerror}); choose another folder") from error


def simulate(
    out: Path, simulation: Simulation, *, workers: int = 1, progress: Progress | None = None
) -> Path:
    """Render runs into the empty or new folder `out` and return the path of its manifest.

    Writes `<run>/<frame>.jpg` (or `<run>.mp4`), `masks/<run>/<frame>.png` (8-bit label maps: index into
    REGION_NAMES, 255 for none), `simulation.json`, and last of all `manifest.csv`: a folder without a
    manifest was not finished.

    Args:
        out: the folder.
        simulation: what to render.
        workers: processes, one run each; the bytes do not depend on it.
        progress: called with frames done and frames in all.

    Raises:
        StorageError: `out` cannot be written.
        InputError, ConfigError: wrong arguments, or `out` is not empty.
    """
    if workers < 1:
        raise InputError(f"workers: got {workers}; it must be at least 1")
    out = Path(out)
    jobs = [_job(out, simulation, number) for number in range(simulation.runs)]
    _prepare(out)
    try:
        rows = _collect(jobs, workers, progress)
        _write(out / FACTS, _describe(jobs, simulation).encode())
        half = out / f".{MANIFEST}.part"
        half.write_bytes(_table(rows))
        return half.replace(out / MANIFEST)
    except OSError as error:
        raise StorageError(
            f"{out}: writing failed ({error.strerror}); free space or choose another folder"
        ) from error


def is_simulated(folder: Path) -> bool:
    """Whether the frames of this folder come from `simulate`."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(facts, dict) and facts.get("kind") == "synthetic"


def _job(out: Path, wanted: Simulation, number: int) -> RunJob:
    rng = np.random.default_rng([wanted.seed, number])
    name = f"run{number:03d}"
    plan = plan_run(rng, difficulty=wanted.difficulty, name=name, size=wanted.size, states=wanted.states)
    times = sample_times(rng, plan, wanted.frames, video=wanted.video)
    return RunJob(plan=plan, times=times, out=out, video=wanted.video, masks=wanted.masks)
