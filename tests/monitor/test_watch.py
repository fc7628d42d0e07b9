"""One camera under watch, with its real processes and the project's own renderer as the camera."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kilnsense.bundle import Bundle, save_bundle
from kilnsense.config import CameraConfig, MonitorConfig, check_monitor
from kilnsense.golden import ANSWERS
from kilnsense.monitor.watch import Outcome, Watch

LONG = 60.0
CLASSES = ("under", "normal", "over")


def monitor_config(bundle: Path, source: str = "sim:easy?size=160x120") -> MonitorConfig:
    camera = {"name": "kiln1", "source": source, "bundle": str(bundle), "rate": 8.0}
    decision = {"settle_s": 0.5, "memory_s": 1.0, "enter": 0.4, "leave": 0.3}
    return check_monitor({"cameras": [camera], "decision": decision})


@pytest.fixture
def watching(tiny_bundle: Path) -> Iterator[Callable[..., Watch]]:
    begun: list[Watch] = []

    def begin(source: str = "sim:easy?size=160x120", memory: dict[str, object] | None = None) -> Watch:
        config = monitor_config(tiny_bundle, source)
        camera: CameraConfig = config.cameras[0]
        begun.append(Watch(camera, config, classes=CLASSES, memory=memory or {}))
        return begun[-1]

    yield begin
    for watch in begun:
        watch.close()


def turn_until(watch: Watch, is_so: Callable[[Outcome], bool]) -> list[Outcome]:
    """All outcomes up to the first that is so."""
    outcomes: list[Outcome] = []
    until = time.monotonic() + LONG
    while time.monotonic() < until:
        if (outcome := watch.turn()) is not None:
            outcomes.append(outcome)
            if is_so(outcome):
                return outcomes
    pytest.fail(f"{outcomes[-1].reading if outcomes else 'no reading at all'}")


def has_state(outcome: Outcome) -> bool:
    return outcome.reading.state is not None


def test_a_camera_comes_to_a_state_and_goes_on_after_each_of_its_processes_was_killed(
    watching: Callable[..., Watch],
) -> None:
    watch = watching()
    outcomes = turn_until(watch, has_state)
    first, last = outcomes[0].reading, outcomes[-1].reading
    assert first.state is None
    assert first.reason == "starting"
    assert [outcome.reading.seq for outcome in outcomes] == list(range(1, len(outcomes) + 1))
    assert last.health.state == "LIVE"
    assert last.frame_age is not None
    assert last.frame_age < 5.0
    assert len(last.regions) == 4
    assert sum(last.probabilities) == pytest.approx(1.0)
    pictures = [outcome.picture for outcome in outcomes if outcome.picture]
    assert [picture.seq for picture in pictures] == list(range(1, len(pictures) + 1))
    assert watch.memory()["decision"]

    judge, camera = watch.processes
    assert judge is not None
    assert camera is not None
    os.kill(camera, signal.SIGKILL)
    down = turn_until(watch, lambda outcome: outcome.reading.health.state != "LIVE")
    assert down[-1].reading.state is None
    assert down[-1].reading.reason.startswith("camera_")
    assert "crash" in down[-1].reading.health.detail
    turn_until(watch, has_state)

    os.kill(judge, signal.SIGKILL)
    turn_until(watch, lambda outcome: watch.processes[0] not in (judge, None) and outcome.seconds is not None)
    turn_until(watch, has_state)


def test_a_source_that_is_not_there_is_said_and_no_state_is_made_up(
    watching: Callable[..., Watch], tmp_path: Path
) -> None:
    watch = watching(str(tmp_path / "none.mp4"))
    reading = turn_until(
        watch, lambda outcome: outcome.reading.health.state == "OFFLINE" and bool(outcome.reading.classes)
    )[-1].reading
    assert (reading.state, reading.reason) == (None, "camera_offline")
    assert reading.health.detail == "no_such_file"
    assert reading.frame_at is None


def test_memory_that_cannot_be_used_is_learnt_anew(watching: Callable[..., Watch]) -> None:
    watch = watching(memory={"pictures": {"nonsense": "x"}, "decision": [1, 2]})
    assert turn_until(watch, lambda _: True)[0].reading.reason == "starting"


def test_a_model_that_answers_otherwise_than_it_did_names_no_state_and_is_restarted(
    tiny_saved: Bundle, tmp_path: Path
) -> None:
    other = {**tiny_saved.arrays, ANSWERS: tiny_saved.arrays[ANSWERS][::-1].copy()}
    save_bundle(replace(tiny_saved, arrays=other), tmp_path / "other")
    config = monitor_config(tmp_path / "other")
    with contextlib.closing(Watch(config.cameras[0], config, classes=CLASSES, memory={})) as watch:
        outcomes = turn_until(watch, lambda outcome: outcome.reading.reason == "model_fault")
        first = watch.processes[0]
        outcomes += turn_until(watch, lambda _: watch.processes[0] not in (first, None))
    assert not any(outcome.reading.state for outcome in outcomes)
    assert not any(outcome.picture for outcome in outcomes)


def test_what_a_frame_showed_is_told_once(watching: Callable[..., Watch]) -> None:
    watch = watching()
    outcomes = turn_until(watch, has_state)
    camera = watch.processes[1]
    assert camera is not None
    os.kill(camera, signal.SIGSTOP)
    outcomes += turn_until(watch, lambda outcome: outcome.reading.health.state == "STALLED")
    for outcome in outcomes:
        judged = outcome.seconds is not None
        assert bool(outcome.reading.regions) == bool(outcome.reading.raw) == judged
    assert outcomes[-1].reading.frame_at is not None
