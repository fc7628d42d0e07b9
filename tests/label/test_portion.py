"""From files to rows: pictures, videos, broken files, and the same digits again."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from kilnsense.data.loader import load_one
from kilnsense.label.portion import Job, label_portion
from kilnsense.recogniser import Recogniser, recognise
from kilnsense.record.sinks import row as cells_of


@pytest.fixture(scope="module")
def archive(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pictures, a text, and a clip of thirty frames that is dark at first and bright later."""
    root = tmp_path_factory.mktemp("portion")
    for number, path in enumerate(sorted(tiny_root.glob("run00[01]/*.jpg"))[:10]):
        (root / f"{number}.jpg").write_bytes(path.read_bytes())
    (root / "notes.txt").write_text("no picture", encoding="utf-8")
    writer = cv2.VideoWriter(str(root / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 1000.0, (160, 120))
    for number in range(30):
        writer.write(np.full((120, 160, 3), 40 + 6 * number, np.uint8))
    writer.release()
    (root / "torn.mp4").write_bytes(b"no video")
    return root


def job(*paths: str, lost: dict[int, str] | None = None) -> Job:
    return Job(0, tuple(enumerate(paths)), lost or {})


def test_pictures_are_judged_as_the_recogniser_does(archive: Path, tiny_recogniser: Recogniser) -> None:
    paths = [f"{number}.jpg" for number in range(10)]
    begun: list[int | None] = []
    rows = label_portion(job(*paths), tiny_recogniser, root=archive, every=25, begin=begun.append)
    items = [load_one(archive / path, archive, tiny_recogniser.config.image) for path in paths]
    # Eight together, then the other two.
    records = [*recognise(items[:8], tiny_recogniser), *recognise(items[8:], tiny_recogniser)]
    assert [row.cells for row in rows] == [cells_of(one, tiny_recogniser.config.classes) for one in records]
    assert [row.input for row in rows] == list(range(10))
    assert begun == [0, 1, 2, 3, 4, 5, 6, 7, None, 7, 8, 9, None]
    assert rows == label_portion(job(*paths), tiny_recogniser, root=archive, every=25)


def test_what_is_no_picture_and_what_was_lost_have_their_rows(
    archive: Path, tiny_recogniser: Recogniser
) -> None:
    given = job("notes.txt", "0.jpg", "gone.jpg", "1.jpg", lost={1: "too_slow"})
    rows = label_portion(given, tiny_recogniser, root=archive, every=25)
    assert [row.reason for row in rows[:3]] == ["not_an_image", "too_slow", "missing"]
    assert [row.status for row in rows] == ["bad", "bad", "bad", rows[3].status]
    assert rows[1].message == "decoding took longer than the time limit"
    assert rows[3].confidence is not None


def test_of_a_video_every_so_manieth_frame_has_a_row(archive: Path, tiny_recogniser: Recogniser) -> None:
    rows = label_portion(job("clip.avi", "torn.mp4"), tiny_recogniser, root=archive, every=8)
    assert [row.part for row in rows] == [0, 8, 16, 24, 0]
    assert [row.cells[0] for row in rows[:2]] == ["clip.avi#000000", "clip.avi#000008"]
    assert rows[0].cells[2:4] == (160, 120)
    assert len({row.cells[1] for row in rows[:4]}) == 1  # the digest of the file
    assert (rows[4].status, rows[4].reason) == ("bad", "damaged")
    assert rows[4].message.startswith("no frame of the video can be read")
