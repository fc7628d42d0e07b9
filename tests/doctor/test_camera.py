"""A live camera: one that is well, one that is not there, one that asks for a login."""

from pathlib import Path

import pytest

from kilnsense.doctor import camera
from kilnsense.doctor.camera import check_camera
from tests.rtsp_server import RtspServer


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "LOOK_S", 1.5)


def test_a_camera_that_is_well_tells_its_size_and_rate() -> None:
    with RtspServer(size=(320, 240), fps=25.0) as server:
        seen, picture = check_camera(server.url)
    assert (seen.name, seen.state) == ("camera", "ok")
    assert "320 x 240 pixels" in seen.found
    assert picture.name == "picture"


def test_a_camera_that_is_not_there_is_told_with_a_fix(tmp_path: Path) -> None:
    (finding,) = check_camera(str(tmp_path / "none.mp4"))
    assert finding.state == "fail"
    assert "none.mp4" in finding.found
    assert finding.fix


def test_a_camera_that_refuses_is_told_without_the_password() -> None:
    with RtspServer(login="viewer:right") as server:
        server.mode = "refuse"
        address = server.url.replace("rtsp://", "rtsp://viewer:wrong-secret@")
        (finding,) = check_camera(address)
    assert finding.state == "fail"
    assert "wrong-secret" not in finding.found + finding.fix


def test_an_address_that_is_none_is_told() -> None:
    (finding,) = check_camera("sim:nowhere")
    assert finding.state == "fail"
