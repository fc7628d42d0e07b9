"""Folders as a labelling run leaves them, and the page of a review of one, served by a process of its own."""

import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen
from urllib.parse import urlsplit

import cv2
import numpy as np

from kilnsense.data.folders import list_images
from kilnsense.label.portion import Job, label_portion
from kilnsense.recogniser import Recogniser
from kilnsense.record.store import FILE, create_store

CLIP = Path(__file__).parents[1] / "sample_data" / "clip" / "run000.mp4"

VIDEO_FRAMES = (0, 25)
"""Of a video; the others have no row."""


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
        everything = Job(0, tuple(store.inputs(0, len(paths) + 1)), {})
        rows = label_portion(everything, recogniser, root=root, every=VIDEO_FRAMES[1])
        store.write(0, [row for row in rows if row.part in VIDEO_FRAMES])
    return folder


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
