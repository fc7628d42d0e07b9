"""Files play at their true speed, folders give what appears in them, a simulated kiln runs on."""

import contextlib
import os
import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from kilnsense.live.faults import CAMERA_FAULTS, CameraError
from kilnsense.live.feed import Feed, Login, open_feed
from kilnsense.live.folder import FolderFeed
from kilnsense.live.source import read_source
from tests.labelled_run import CLIP
from tests.rtsp_server import numbered, read_number

SIZE = (320, 240)


def nothing(_: float) -> None:
    """A pause that takes no time."""


def opened(source: str, pause: Callable[[float], None] = nothing) -> Feed:
    return open_feed(read_source(source), Login(), timeout=2.0, pause=pause)


def avi(path: Path, frames: int, *, rate: int, every: int = 1) -> None:
    """Writes MJPEG whose header claims `rate` frames a second; each `every`-th of them holds a picture."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)

    count = frames * every
    bodies = [b""] * count
    for number in range(frames):
        bodies[number * every] = cv2.imencode(".jpg", numbered(number, SIZE))[1].tobytes()
    movi, index = b"movi", b""
    for body in bodies:
        index += b"00dc" + struct.pack("<III", 0x10, len(movi), len(body))
        movi += chunk(b"00dc", body)
    head = struct.pack("<14I", round(1e6 / rate), 0, 0, 0x10, count, 0, 1, 1 << 20, *SIZE, 0, 0, 0, 0)
    stream = (
        b"vidsMJPG"
        + struct.pack("<10I", 0, 0, 0, 1, rate, 0, count, 1 << 20, 0, 0)
        + struct.pack("<4H", 0, 0, *SIZE)
    )
    form = struct.pack("<IIIHH4sIIIII", 40, *SIZE, 1, 24, b"MJPG", SIZE[0] * SIZE[1] * 3, 0, 0, 0, 0)
    strl = chunk(b"LIST", b"strl" + chunk(b"strh", stream) + chunk(b"strf", form))
    hdrl = chunk(b"LIST", b"hdrl" + chunk(b"avih", head) + strl)
    path.write_bytes(chunk(b"RIFF", b"AVI " + hdrl + chunk(b"LIST", movi) + chunk(b"idx1", index)))


def played(feed: Feed, moments: list[float], frames: int) -> tuple[list[int], float]:
    """Numbers of the frames, and the seconds from the first to the last."""
    numbers = []
    for _ in range(frames):
        feed.grab()
        pixels = feed.retrieve()
        assert pixels is not None
        numbers.append(read_number(pixels))
    return numbers, moments[-1] - moments[0]


def to_the_end(feed: Feed) -> None:
    with contextlib.suppress(CameraError):
        while True:
            feed.grab()
    with pytest.raises(CameraError, match="is over"):
        feed.grab()
    feed.close()


@pytest.mark.parametrize(
    ("rate", "every", "options", "step"),
    [
        (25, 1, "", 1 / 25),
        (1000, 40, "", 1 / 25),  # a header that lies: most of its frames are empty
        (5, 1, "", 1 / 5),
        (1000, 1, "?fps=20", 1 / 20),  # nobody could know
        (25, 1, "?fps=50", 1 / 50),  # what is stated counts first
    ],
)
def test_a_file_plays_at_its_true_speed(
    tmp_path: Path, rate: int, every: int, options: str, step: float
) -> None:
    avi(tmp_path / "clip.avi", 12, rate=rate, every=every)
    moments: list[float] = []
    feed = opened(f"{tmp_path / 'clip.avi'}{options}", moments.append)
    numbers, seconds = played(feed, moments, 12)
    assert numbers == list(range(12))
    assert seconds == pytest.approx(11 * step, rel=0.01)
    with pytest.raises(CameraError, match="is over") as caught:
        feed.grab()
    assert caught.value.code == "ended"
    feed.close()


def test_a_file_that_says_nothing_believable_is_refused(tmp_path: Path) -> None:
    avi(tmp_path / "clip.avi", 5, rate=1000)
    feed = opened(str(tmp_path / "clip.avi"))
    feed.grab()
    with pytest.raises(CameraError, match=r"clip\.avi\?fps=25"):
        feed.grab()
    feed.close()


def test_a_file_begins_again(tmp_path: Path) -> None:
    avi(tmp_path / "clip.avi", 4, rate=10)
    moments: list[float] = []
    feed = opened(f"{tmp_path / 'clip.avi'}?loop=1", moments.append)
    numbers, seconds = played(feed, moments, 11)
    assert numbers == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2]
    assert seconds == pytest.approx(1.0, rel=0.01)
    assert (np.diff(moments) > 0.05).all()
    feed.close()


def test_the_clip_of_the_samples_lasts_as_long_as_it_should() -> None:
    moments: list[float] = []
    feed = opened(str(CLIP), moments.append)
    to_the_end(feed)
    assert len(moments) == 500
    assert moments[-1] - moments[0] == pytest.approx(499 / 25, rel=0.001)


@pytest.mark.skipif("KILNSENSE_DATA" not in os.environ, reason="KILNSENSE_DATA names no folder of real clips")
def test_real_clips_with_lying_headers_last_as_long_as_they_should() -> None:
    clips = sorted((Path(os.environ["KILNSENSE_DATA"]) / "flame_spray" / "clips").glob("*.avi"))
    assert clips
    for clip in clips:
        moments: list[float] = []
        feed = opened(str(clip), moments.append)
        to_the_end(feed)
        assert len(moments) < 500
        assert (len(moments) - 1) / (moments[-1] - moments[0]) == pytest.approx(30.0, rel=0.01)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("/no/such/clip.mp4", "no_such_file"),
        ("/no/such/folder/", "no_such_file"),
        ("/dev/video97", "no_such_device"),
        ("/dev/../etc/hosts", "no_such_device"),
        ("/etc/hosts", "open_failed"),
    ],
)
def test_what_is_not_there(source: str, code: str) -> None:
    with pytest.raises(CameraError, match=r"check|gives no video") as caught:
        opened(source)
    assert caught.value.code == code
    assert str(caught.value) == CAMERA_FAULTS[code]


class Turns:
    """A pause that does the next thing each time; after the last it raises TimeoutError."""

    def __init__(self, *turns: Callable[[], object]) -> None:
        self._turns = list(turns)

    def __call__(self, _: float) -> None:
        if not self._turns:
            raise TimeoutError
        self._turns.pop(0)()


def put(path: Path, number: int, *, share: float = 1.0) -> None:
    data = cv2.imencode(path.suffix, numbered(number, SIZE))[1].tobytes()
    path.write_bytes(data[: round(len(data) * share)])
    at = 1_000_000_000 + 10 * number
    os.utime(path, (at, at))


def test_a_folder_gives_what_appears_and_only_when_it_is_written_out(tmp_path: Path) -> None:
    put(tmp_path / "old.jpg", 1)
    turns = Turns(
        lambda: None,  # what lay there before is not live
        lambda: put(tmp_path / "a.jpg", 2, share=0.5),
        lambda: put(tmp_path / "a.jpg", 2),  # it grew since: it is looked at once more
        lambda: None,
    )
    feed = FolderFeed(str(tmp_path), pause=turns)
    feed.grab()
    assert feed.retrieve() is not None
    assert read_number(np.asarray(feed.retrieve())) == 2
    assert not turns._turns


def test_of_several_new_pictures_the_newest_counts_and_a_broken_one_does_not(tmp_path: Path) -> None:
    def both() -> None:
        put(tmp_path / "z.png", 5)
        put(tmp_path / "b.png", 6)

    def broken() -> None:
        put(tmp_path / "c.jpg", 7, share=0.5)
        (tmp_path / "note.txt").write_text("no picture")

    turns = Turns(both, lambda: None, broken, lambda: None, lambda: put(tmp_path / "b.png", 8), lambda: None)
    feed = FolderFeed(str(tmp_path), pause=turns)
    feed.grab()
    assert read_number(np.asarray(feed.retrieve())) == 6
    feed.grab()
    assert read_number(np.asarray(feed.retrieve())) == 8  # the same name, written anew
    with pytest.raises(TimeoutError):
        feed.grab()


def test_a_folder_that_goes_away_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    feed = FolderFeed(str(folder), pause=Turns(folder.rmdir))
    with pytest.raises(CameraError) as caught:
        feed.grab()
    assert caught.value.code == "no_such_file"


def test_a_simulated_kiln_is_drawn_as_it_looks_now() -> None:
    pauses: list[float] = []
    feed = opened("sim:easy?seed=2&size=96x64&speed=600&rate=50", pauses.append)
    pictures = []
    for _ in range(3):
        for _ in range(5):
            feed.grab()  # those that are not drawn cost nothing
        pictures.append(feed.retrieve())
    feed.close()
    assert all(picture is not None and picture.shape == (64, 96, 3) for picture in pictures)
    assert len({np.asarray(picture).tobytes() for picture in pictures}) == 3
    assert np.diff(pauses).min() > 0.99 / 50


def test_a_simulated_kiln_is_the_same_for_the_same_seed() -> None:
    def first(seed: int) -> bytes:
        feed = opened(f"sim:easy?seed={seed}&size=96x64&speed=0.001")
        feed.grab()
        return np.asarray(feed.retrieve()).tobytes()[: 96 * 3]

    assert first(4) != first(5)
