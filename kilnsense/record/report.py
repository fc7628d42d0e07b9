"""The page of a training run: one HTML file that needs no network, no script and no other file.

The answer comes first, then what it rests on: labelled frames, the confusion matrix, the comparison with
the baselines, plots, and where it all came from. Colour never carries a meaning alone.
"""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from kilnsense.errors import InputError
from kilnsense.record.page import render_page
from kilnsense.record.publish import publish

THUMBNAIL = 560
"""Largest width of a picture in the page, pixels."""

JPEG_QUALITY = 82


@dataclass(frozen=True)
class Figure:
    """One number of the answer, such as balanced accuracy 0.93, with the remark that makes sense of it."""

    name: str
    value: str
    remark: str = ""


@dataclass(frozen=True)
class ScoreRow:
    """One line of the comparison; shares 0..1, None where it was not measured.

    Attributes:
        name: classifier and features.
        balanced_accuracy, macro_f1: over all frames, abstentions or not.
        baseline: True for what a model must beat.
        spread: standard deviation of the balanced accuracy over folds.
        coverage: share of the frames that were accepted.
        accepted_accuracy: share of those that are right.
    """

    name: str
    balanced_accuracy: float
    macro_f1: float
    baseline: bool = False
    spread: float | None = None
    coverage: float | None = None
    accepted_accuracy: float | None = None


@dataclass(frozen=True)
class Confusion:
    """Counts of frames, one row per true class, one column per most probable class."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        size = len(self.classes)
        if [len(row) for row in self.counts] != [size] * size:
            raise InputError(f"Confusion.counts: got {len(self.counts)} rows, allowed: {size} rows of {size}")

    @property
    def shares(self) -> tuple[tuple[float, ...], ...]:
        """Share of each row, 0..1; zeros for a class without frames."""
        return tuple(tuple(count / (sum(row) or 1) for count in row) for row in self.counts)


@dataclass(frozen=True, eq=False)
class FrameCard:
    """One labelled frame.

    Attributes:
        pixels: (H, W, 3) uint8 sRGB, the frame with its regions drawn in.
        caption: which frame it is.
        truth: the class it was labelled, "" where unknown.
        state: the state that was named, None where none was.
        best: the most probable class, "" where nothing was scored.
        confidence: its probability, 0..1.
        reason: why a state was named or not.
    """

    pixels: NDArray[np.uint8]
    caption: str
    truth: str
    state: str | None
    best: str
    confidence: float
    reason: str

    @property
    def outcome(self) -> str:
        """``right``, ``wrong``, ``withheld`` (no state named) or ``named`` (truth unknown)."""
        if self.state is None:
            return "withheld"
        return "named" if not self.truth else "right" if self.state == self.truth else "wrong"

    @property
    def picture(self) -> str:
        """The pixels as a data URI (JPEG), at most `THUMBNAIL` wide."""
        image = Image.fromarray(self.pixels)
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        data = io.BytesIO()
        image.save(data, "JPEG", quality=JPEG_QUALITY)
        return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()


@dataclass(frozen=True)
class Plot:
    """A drawing, its title, how to read it; `svg` comes from `kilnsense.record.plots`."""

    title: str
    svg: str
    note: str = ""

    @property
    def markup(self) -> Markup:
        """The drawing for the page, not to be escaped: `kilnsense.record.plots` has escaped its texts."""
        return Markup(self.svg)


@dataclass(frozen=True, eq=False)
class Report:
    """Everything that the page says.

    Attributes:
        title: name of the run.
        answer: the result in one sentence.
        figures: the numbers of the answer, the score first and the baseline beside it.
        notice: what a reader must not overlook, such as that the frames are synthetic.
        frames: labelled frames, the most telling first.
        confusion: on held-out runs.
        scores: classifiers and baselines, best first.
        plots: sureness, embedding, history.
        provenance: (what, value) pairs: model, data, versions, times.
        config: the resolved configuration, YAML.
    """

    title: str
    answer: str
    figures: tuple[Figure, ...]
    notice: str = ""
    frames: tuple[FrameCard, ...] = ()
    confusion: Confusion | None = None
    scores: tuple[ScoreRow, ...] = ()
    plots: tuple[Plot, ...] = ()
    provenance: tuple[tuple[str, str], ...] = ()
    config: str = ""


def render_report(report: Report) -> str:
    """The page as HTML text; every text in it is escaped."""
    return render_page("report.html", {"page": report, "answer": report.answer, "figures": report.figures})


def write_report(path: Path, report: Report) -> None:
    """Writes the page, whole or not at all.

    Raises:
        StorageError: the folder cannot be written or the disk is full.
    """
    publish(path, [render_report(report)])
