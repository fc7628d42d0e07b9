"""The newest frame crosses from process to process whole, and leaves nothing behind."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kilnsense.errors import InputError, SourceError
from kilnsense.live.shared_frame import MOST_PIXELS, SharedFrame
from tests.live import fake_writer

ROOT = Path(__file__).parents[2]


def picture(value: int, size: tuple[int, int] = (4, 6)) -> np.ndarray:
    return np.full((*size, 3), value, np.uint8)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def writer(name: str, seconds: float) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "tests.live.fake_writer", name, str(seconds)], cwd=ROOT)


def test_the_newest_frame_and_when_it_came() -> None:
    with SharedFrame() as memory, SharedFrame(memory.name) as reader:
        assert reader.newest() is None
        for value in range(9):
            assert memory.publish(picture(value), arrived=10.0 + value, at=20.0 + value) == value + 1
        newest = reader.newest()
        assert newest is not None
        assert (newest.seq, newest.arrived, newest.at) == (9, 18.0, 28.0)
        assert (newest.pixels == 8).all()
        assert reader.newest(after=9) is None
        memory.publish(picture(50, (8, 3)), arrived=19.0, at=29.0)
        later = reader.newest(after=9)
        assert later is not None
        assert later.pixels.shape == (8, 3, 3)
        assert (newest.pixels == 8).all()  # a copy


def test_no_frame_is_torn_while_another_process_writes_as_fast_as_it_can() -> None:
    with SharedFrame() as memory:
        process = writer(memory.name, 1.2)
        seen: set[int] = set()
        while process.poll() is None:
            newest = memory.newest(after=max(seen, default=0))
            if newest is None:
                continue
            number = newest.seq % 40
            assert newest.pixels.shape[:2] == fake_writer.SIZES[number % 2]
            assert (newest.pixels == number).all()
            assert (newest.arrived, newest.at) == (newest.seq, 2.0 * newest.seq)
            seen.add(newest.seq)
        assert process.returncode == 0
        assert len(seen) > 20


def test_a_writer_killed_in_the_middle_leaves_the_last_whole_frame() -> None:
    with SharedFrame() as memory:
        for _ in range(3):
            before = memory.newest()
            process = writer(memory.name, 60.0)
            while memory.newest(after=before.seq if before else 0) is None:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.wait()
            newest = memory.newest()
            assert newest is not None
            assert (newest.pixels == newest.pixels[0, 0, 0]).all()
        memory.publish(picture(7), arrived=0.0, at=0.0)
        last = memory.newest()
        assert last is not None
        assert (last.pixels == 7).all()


def test_the_pulse_of_the_writer() -> None:
    with SharedFrame() as memory:
        assert memory.pulse().alive_until == 0
        memory.beat(alive_until=5.5)
        memory.count(arrived=4.0, gap=0.0)
        memory.count(arrived=4.25, gap=0.25)
        pulse = memory.pulse()
        assert (pulse.grabbed, pulse.arrived, pulse.gap, pulse.alive_until) == (2, 4.25, 0.25, 5.5)
        memory.publish(picture(3), arrived=0.0, at=0.0)
        memory.reset()
        assert memory.pulse().grabbed == 0
        assert memory.newest() is not None


def test_a_picture_that_is_too_large_is_reduced() -> None:
    with SharedFrame() as memory:
        memory.publish(picture(90, (6000, 4000)), arrived=0.0, at=0.0)
        newest = memory.newest()
        assert newest is not None
        height, width = newest.pixels.shape[:2]
        assert 0.99 * MOST_PIXELS < height * width <= MOST_PIXELS
        assert height / width == pytest.approx(1.5, rel=1e-3)
        assert (newest.pixels == 90).all()


def test_what_is_no_picture_is_refused() -> None:
    with SharedFrame() as memory:
        with pytest.raises(InputError, match="publish dtype"):
            memory.publish(np.zeros((2, 2, 3), np.float32), arrived=0.0, at=0.0)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="empty picture"):
            memory.publish(np.zeros((0, 2, 3), np.uint8), arrived=0.0, at=0.0)


def test_nothing_is_left_behind() -> None:
    before, files = descriptors(), set(Path("/dev/shm").iterdir())
    memory = SharedFrame()
    reader = SharedFrame(memory.name)
    memory.publish(picture(1), arrived=0.0, at=0.0)
    memory.close()
    memory.close()
    assert reader.newest() is not None  # whoever has it open may look at it still
    reader.close()
    assert descriptors() == before
    assert set(Path("/dev/shm").iterdir()) == files
    with pytest.raises(SourceError, match="its owner is gone"):
        SharedFrame(memory.name)


def test_another_file_is_no_shared_frame(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"1234")
    with pytest.raises(SourceError, match="something else"):
        SharedFrame(str(tmp_path / "x"))
