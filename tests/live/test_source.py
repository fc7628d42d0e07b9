"""Sources are read from their text, and no password is ever shown."""

from pathlib import Path

import pytest

from kilnsense.config.monitor import CameraConfig
from kilnsense.errors import ConfigError, SourceError
from kilnsense.live.source import (
    Simulated,
    camera_source,
    host_and_port,
    read_password,
    read_source,
    with_login,
)

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("text", "kind", "address"),
    [
        ("rtsp://10.0.0.9/stream1", "stream", "rtsp://10.0.0.9/stream1"),
        ("RTSPS://cam.plant:322/a?b=1", "stream", "rtsps://cam.plant:322/a?b=1"),
        ("https://[::1]:8080/v.m3u8", "stream", "https://[::1]:8080/v.m3u8"),
        ("0", "device", "/dev/video0"),
        ("/dev/video2", "device", "/dev/video2"),
        (" clip.mp4 ", "file", "clip.mp4"),
        ("gone/", "folder", "gone/"),
    ],
)
def test_what_a_source_is(text: str, kind: str, address: str) -> None:
    source = read_source(text)
    assert (source.kind, source.address, source.shown) == (kind, address, address)


def test_options_of_a_file() -> None:
    source = read_source("clip.avi?fps=12.5&loop=1")
    assert (source.address, source.fps, source.loop) == ("clip.avi", 12.5, True)
    assert (read_source("clip.avi").fps, read_source("clip.avi?loop=0").loop) == (0.0, False)


def test_a_file_with_a_question_mark_in_its_name_is_found(tmp_path: Path) -> None:
    odd = tmp_path / "really?.mp4"
    odd.touch()
    assert read_source(str(odd)).address == str(odd)
    assert read_source(str(tmp_path)).kind == "folder"


def test_options_of_a_simulation() -> None:
    assert read_source("sim:plant").simulated == Simulated()
    asked = read_source("sim:hard?seed=3&size=1280x720&speed=60&rate=5").simulated
    assert asked == Simulated("hard", 3, (1280, 720), 60.0, 5.0)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "empty"),
        ("clip\n.mp4", "control characters"),
        ("ftp://host/x", "got ftp://"),
        ("rtsp:///path", "without a readable host"),
        ("rtsp://host:99999/x", "without a readable host"),
        ("rtsp://[::1/x", "without a readable host"),
        ("sim:easier", "got sim:easier, allowed: sim: and one of easy"),
        ("sim:easy?size=20x20", "size: got '20x20'"),
        ("sim:easy?size=big", "size: got 'big'"),
        ("sim:easy?seed=-1", "seed: got '-1'"),
        ("sim:easy?speed=0", "speed: got '0', allowed: above 0"),
        ("sim:easy?speed=nan", "speed: got 'nan'"),
        ("sim:easy?fps=3", "got fps=, allowed: seed"),
        ("sim:easy?seed=1&seed=2", "each once"),
        ("clip.mp4?speed=3", "got speed=, allowed: fps, loop"),
        ("clip.mp4?loop=yes", "loop: got 'yes'"),
        ("clip.mp4?loop", "got loop=|loop: got ''"),
        ("folder/?loop=1", "takes no options"),
    ],
)
def test_what_is_no_source(text: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        read_source(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"rtsp://admin:{SECRET}@cam/a", "rtsp://cam/a"),
        (f"rtsp://admin:p@{SECRET}@cam:8554/a", "rtsp://cam:8554/a"),
        (
            f"rtsp://cam/user=admin&password={SECRET}&channel=1",
            "rtsp://cam/user=admin&password=***&channel=1",
        ),
        (f"http://cam/v?usr=a&PWD={SECRET}&token={SECRET}", "http://cam/v?usr=a&PWD=***&token=***"),
    ],
)
def test_passwords_are_not_shown(text: str, shown: str) -> None:
    source = read_source(text)
    assert source.shown == shown
    assert SECRET not in repr(source)
    assert SECRET in source.address


@pytest.mark.parametrize(
    "text", [f"rtsp://a:{SECRET}@cam:x/a", f"ftp://a:{SECRET}@cam", f"rtsp://a:{SECRET}@/"]
)
def test_refusals_do_not_show_passwords(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_source(text)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_login_is_put_into_the_address_with_its_odd_letters_kept() -> None:
    source = read_source("rtsp://cam:8554/a?b=c")
    assert with_login(source, "ad min", "p@s:/ö") == "rtsp://ad%20min:p%40s%3A%2F%C3%B6@cam:8554/a?b=c"
    assert with_login(source, "admin", "") == "rtsp://admin@cam:8554/a?b=c"
    assert with_login(source, "", "") == source.address
    assert host_and_port(source) == ("cam", 8554)
    assert host_and_port(read_source("rtsp://cam/a")) == ("cam", 554)


def test_a_password_file_holds_the_password_alone(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{SECRET} \n", encoding="utf-8")
    assert read_password(str(file)) == f"{SECRET} "
    assert read_password("") == ""
    file.write_text(f"{SECRET}\nmore\n", encoding="utf-8")
    with pytest.raises(SourceError, match="got 2 lines") as caught:
        read_password(str(file))
    assert SECRET not in str(caught.value)
    with pytest.raises(SourceError, match="cannot be read"):
        read_password(str(tmp_path / "gone"))


@pytest.mark.parametrize(
    ("source", "user", "password_file", "match"),
    [
        ("clip.mp4", "admin", "", "takes none"),
        ("rtsp://cam/a", "", "file", "without a user"),
        ("rtsp://me@cam/a", "admin", "", "holds a login too"),
        ("ftp://cam/a", "", "", "camera kiln7: source: got ftp"),
    ],
)
def test_a_login_must_fit(source: str, user: str, password_file: str, match: str) -> None:
    camera = CameraConfig(name="kiln7", source=source, bundle="b", user=user, password_file=password_file)
    with pytest.raises(ConfigError, match=match):
        camera_source(camera)
