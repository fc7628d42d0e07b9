"""The work of one process: from paths to rows. Frames never leave it, and it never imports torch."""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from kilnsense.data.loader import load_one
from kilnsense.errors import FAILURE_REASONS
from kilnsense.image.clip import Capture
from kilnsense.image.encode import reduce_width
from kilnsense.label.inputs import is_video
from kilnsense.label.orders import Begin, Job
from kilnsense.recogniser import Recogniser, recognise
from kilnsense.record.sinks import row as cells_of
from kilnsense.record.store import Row
from kilnsense.types import Failure, Frame, Record

BATCH = 8
"""Frames that the networks see together: more gain nothing, and results depend on it in their last digits."""


def label_portion(
    job: Job, recogniser: Recogniser, *, root: Path, every: int, begin: Begin = lambda _: None
) -> list[Row]:
    """One row for every picture, one for every sampled frame of a video, in order.

    The frames of a portion are batched in their order, so the same portion gives the same digits again.

    Args:
        job: what to read.
        recogniser: the model.
        root: what the paths start from.
        every: of a video each so manieth frame is judged, the first included.
        begin: is told which input is being read.
    """
    rows: list[Row] = []
    waiting: list[tuple[int, int, Frame | Failure]] = []

    def judge() -> None:
        begin(None)
        records = recognise([item for _, _, item in waiting], recogniser)
        for (number, part, _), record in zip(waiting, records, strict=True):
            rows.append(row_of(record, recogniser.config.classes, number=number, part=part))
        waiting.clear()

    for number, path in job.inputs:
        if (reason := job.lost.get(number)) is not None:
            waiting.append((number, 0, Failure(path, reason, FAILURE_REASONS[reason])))
        else:
            begin(number)
            for part, item in _read(root / path, root, recogniser, every):
                waiting.append((number, part, item))
                if sum(isinstance(one, Frame) for _, _, one in waiting) == BATCH:
                    judge()
                    begin(number)
    judge()
    return rows


def _read(
    path: Path, root: Path, recogniser: Recogniser, every: int
) -> Iterator[tuple[int, Frame | Failure]]:
    """The picture of a file, or the sampled frames of a video, each with its number."""
    try:
        if is_video(path.name) and path.is_file():
            yield from _sampled(path, root, recogniser, every)
        else:
            yield 0, load_one(path, root, recogniser.config.image)
    except MemoryError:
        source = path.relative_to(root).as_posix()
        yield 0, Failure(source, "memory", FAILURE_REASONS["memory"])


def _sampled(
    path: Path, root: Path, recogniser: Recogniser, every: int
) -> Iterator[tuple[int, Frame | Failure]]:
    source, config = path.relative_to(root).as_posix(), recogniser.config.image
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    number = 0
    with contextlib.closing(Capture(path)) as capture:
        while capture.grab():
            if number % every == 0 and (pixels := capture.pixels()) is not None:
                height, width = pixels.shape[:2]
                small = reduce_width(pixels, config.width)
                yield number, Frame(small, f"{source}#{number:06d}", width, height, sha256)
            number += 1
    if number == 0:
        yield 0, Failure(source, "damaged", "no frame of the video can be read; copy it again", sha256)


def row_of(record: Record, classes: Sequence[str], *, number: int, part: int = 0) -> Row:
    """The row of one record: of input `number`, of a video frame `part`."""
    verdict = record.verdict
    scored = bool(verdict and verdict.probabilities)
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
