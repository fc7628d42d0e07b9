"""Folders as a labelling run leaves them, and the page of a review of one, served by a process of its own."""

import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from subprocess import PIPE, Popen
from urllib.parse import urlsplit

import cv2
import numpy as np

from kilnsense.data.folders import list_images
from kilnsense.data.loader import load_one
from kilnsense.image.clip import clip_frames
from kilnsense.recogniser import Recogniser, recognise
from kilnsense.record.sinks import row as cells_of
from kilnsense.record.store import FILE, Row, create_store
from kilnsense.types import Failure, Frame, Record

CLIP = Path(__file__).parents[1] / "sample_data" / "clip" / "run000.mp4"

VIDEO_FRAMES = (0, 25)
"""Of a video; the others are not judged."""


def mixed_root(folder: Path, frames: Path) -> Path:
    """A folder of two camera runs, a video, a black picture and a file that is no picture."""
    for name in ("run000", "run005"):
        shutil.copytree(frames / name, folder / name)
    shutil.copy(CLIP, folder / "clip.mp4")
    black = np.zeros((120, 160, 3), np.uint8)
    (folder / "black.png").write_bytes(cv2.imencode(".png", black)[1].tobytes())
    (folder / "notes.txt").write_text("none", encoding="utf-8")
    return folder


def make_run(folder: Path, root: Path, bundle: Path, recogniser: Recogniser) -> Path:
    """A run over all files below `root`: pictures, videos (.mp4), and what is neither. Gives `folder`."""
    classes = recogniser.config.classes
    paths = [path for path in list_images(root) if path.suffix != ".csv" and "masks" not in path.parts]
    facts = {
        "classes": list(classes),
        "root": str(root.absolute()),
        "bundle": str(bundle.absolute()),
        "model_id": recogniser.model_id,
    }
    with create_store(folder / FILE, facts) as store:
        store.add_inputs(path.relative_to(root).as_posix() for path in paths)
        rows = []
        for number, path in store.inputs(0, len(paths) + 1):
            for part, item in _items(root, path, recogniser):
                record = recognise([item], recogniser)[0]
                rows.append(row_of(record, classes, number=number, part=part))
        store.write(0, rows)
    return folder


def row_of(record: Record, classes: Sequence[str], *, number: int, part: int = 0) -> Row:
    """The row of a record."""
    verdict = record.verdict
    scored = verdict is not None and bool(verdict.probabilities)
    return Row(
        input=number,
        part=part,
        status=record.status,
        reason=record.reason,
        label=verdict.state if verdict else None,
        confidence=verdict.confidence if verdict and scored else None,
        margin=verdict.margin if verdict and scored else None,
        unfamiliarity=verdict.unfamiliarity if verdict and scored else None,
        cells=cells_of(record, classes),
        message=record.message,
    )


def _items(root: Path, path: str, recogniser: Recogniser) -> Iterator[tuple[int, Frame | Failure]]:
    if path.endswith(".mp4"):
        for number, pixels in clip_frames(root / path, VIDEO_FRAMES, root=root):
            yield number, Frame(pixels, f"{path}#{number:06d}", sha256="ab" * 32)
    else:
        yield 0, load_one(root / path, root, recogniser.config.image)


class Served:
    """The page of a review, while it is served.

    Attributes:
        process: that serves it.
        address: with its key.
        said: what the process wrote before.
    """

    def __init__(self, process: "Popen[str]", address: str, said: str) -> None:
        self.process, self.address, self.said = process, address, said
        parts = urlsplit(address)
        self.port, self.token = int(parts.port or 0), parts.query.removeprefix("token=")


@contextlib.contextmanager
def served(run: Path, *options: str) -> Iterator[Served]:
    """`kilnsense review` of a run on a free port, killed at the end."""
    start = "from kilnsense.cli.main import main; main()"
    words = [sys.executable, "-W", "error", "-c", start, "review", str(run)]
    options = ("--port", "0", "--no-browser", "--top", "100%", *options)
    process = Popen([*words, *options], stdout=PIPE, stderr=PIPE, text=True)
    try:
        assert process.stderr is not None
        said = ""
        while not (found := re.search(r"^http://\S+$", said, re.M)):
            line = process.stderr.readline()
            if not line:
                raise AssertionError(f"the review did not start: {said}")
            said += line
        yield Served(process, found[0], said)
    finally:
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=10)
