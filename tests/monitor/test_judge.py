"""The process that judges: the same answers as elsewhere, and another one where it dies, hangs or errs."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kilnsense.bundle import Bundle, save_bundle
from kilnsense.data.folders import list_images
from kilnsense.data.loader import load
from kilnsense.golden import ANSWERS
from kilnsense.live.shared_frame import SharedFrame
from kilnsense.monitor.judge import LOOK, PATIENCE_S, SHOW, TEST, Answer, Judge, Model, Nothing, SelfTest
from kilnsense.monitor.sighting import JudgeOrders, Sighting
from kilnsense.recogniser import Recogniser, recognise
from kilnsense.types import Frame

LONG = 60.0


class Clock:
    """Real time, and what is added to it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def memory() -> Iterator[SharedFrame]:
    with SharedFrame() as shared:
        yield shared


@pytest.fixture
def pixels(tiny_root: Path, tiny_recogniser: Recogniser) -> np.ndarray:
    paths = list_images(tiny_root / "run005")[:1]
    (frame,) = load(paths, root=tiny_root, config=tiny_recogniser.config.image)
    assert isinstance(frame, Frame)
    return frame.pixels


@pytest.fixture
def start(memory: SharedFrame, tiny_bundle: Path) -> Iterator[Callable[..., Judge]]:
    judges: list[Judge] = []

    def begin(bundle: Path = tiny_bundle, clock: Callable[[], float] = time.monotonic) -> Judge:
        judges.append(Judge(JudgeOrders("kiln1", bundle, memory.name), clock=clock))
        return judges[-1]

    yield begin
    for judge in judges:
        judge.close()


def answer(judge: Judge) -> Answer:
    """The next answer; the process may take its time to start."""
    until = time.monotonic() + LONG
    while time.monotonic() < until:
        if (said := judge.poll(0.1)) is not None:
            return said
    pytest.fail(f"no answer; {judge.trouble}")


def test_it_says_of_the_newest_frame_what_labelling_says_of_it(
    start: Callable[..., Judge], memory: SharedFrame, pixels: np.ndarray, tiny_recogniser: Recogniser
) -> None:
    judge = start()
    model = answer(judge)
    assert model == Model(tiny_recogniser.model_id, tiny_recogniser.config.classes, tested=True)
    judge.ask(TEST)
    assert answer(judge) == SelfTest("")
    judge.ask(LOOK)
    assert answer(judge) == Nothing()
    memory.publish(np.zeros_like(pixels), arrived=1.0, at=2.0)
    memory.publish(pixels, arrived=3.0, at=4.0)
    judge.ask(LOOK)
    seen = answer(judge)
    assert isinstance(seen, Sighting)
    (record,) = recognise([Frame(pixels)], tiny_recogniser)
    assert record.verdict is not None
    assert (seen.arrived, seen.at, seen.plain) == (3.0, 4.0, b"")
    assert seen.verdict.state == record.verdict.state
    assert seen.verdict.probabilities == pytest.approx(record.verdict.probabilities, abs=1e-6)
    assert [region.name for region in seen.regions] == list(tiny_recogniser.codebook.names)
    judge.ask(LOOK)
    assert answer(judge) == Nothing()


def test_pictures_are_drawn_when_they_are_asked_for(
    start: Callable[..., Judge], memory: SharedFrame, pixels: np.ndarray
) -> None:
    judge = start()
    answer(judge)
    memory.publish(pixels, arrived=1.0, at=1.0)
    judge.ask(SHOW)
    seen = answer(judge)
    assert isinstance(seen, Sighting)
    assert seen.plain[:2] == seen.overlay[:2] == b"\xff\xd8"
    assert seen.plain != seen.overlay
    assert seen.bed_edge is not None
    assert 0 < seen.bed_edge < 1


def test_a_killed_process_is_named_and_replaced(start: Callable[..., Judge]) -> None:
    judge = start()
    answer(judge)
    first = judge.pid
    assert first is not None
    judge.ask(TEST)
    os.kill(first, signal.SIGKILL)
    said = answer(judge)
    if isinstance(said, SelfTest):  # it was quicker than the signal
        said = answer(judge)
    assert isinstance(said, Model)
    assert "died" in judge.trouble
    assert judge.pid != first
    judge.recovered()
    assert judge.trouble == ""


def test_a_hung_process_is_replaced(start: Callable[..., Judge]) -> None:
    clock = Clock()
    judge = start(clock=clock)
    answer(judge)
    assert judge.pid is not None
    os.kill(judge.pid, signal.SIGSTOP)
    judge.ask(TEST)
    assert judge.poll(0.2) is None
    assert judge.trouble == ""
    clock.ahead += PATIENCE_S
    judge.poll()
    assert "not answered" in judge.trouble
    clock.ahead += 1.0
    assert isinstance(answer(judge), Model)


def test_a_model_that_answers_otherwise_than_it_did_is_found(
    start: Callable[..., Judge], tiny_saved: Bundle, tmp_path: Path
) -> None:
    other = {**tiny_saved.arrays, ANSWERS: tiny_saved.arrays[ANSWERS][::-1].copy()}
    save_bundle(replace(tiny_saved, arrays=other), tmp_path / "other")
    judge = start(tmp_path / "other")
    answer(judge)
    judge.ask(TEST)
    said = answer(judge)
    assert isinstance(said, SelfTest)
    assert "reference frame 1" in said.fault


def test_a_missing_bundle_is_said_and_tried_again(start: Callable[..., Judge], tmp_path: Path) -> None:
    clock = Clock()
    judge = start(tmp_path / "none", clock)
    until = time.monotonic() + LONG
    while not judge.trouble and time.monotonic() < until:
        judge.poll(0.1)
    assert "holds no bundle.json" in judge.trouble
    clock.ahead += 1.0
    judge.poll()
    assert judge.pid is not None
