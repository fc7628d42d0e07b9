"""A real camera server that misbehaves, real processes, and what is said of them."""

import http.server
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from pathlib import Path

import numpy as np
import pytest

from kilnsense.config.monitor import CameraConfig, CaptureConfig
from kilnsense.live.capture import Camera, wait_before
from kilnsense.live.faults import CAMERA_FAULTS
from kilnsense.live.shared_frame import SharedFrame, SharedPicture
from kilnsense.types import CameraHealth
from tests.rtsp_server import RtspServer, read_number

QUICK = CaptureConfig(timeout_s=0.6, stalled_s=0.3, longest_wait_s=0.2)
SECRET = "s3:cr@t/"
ROOT = Path(__file__).parents[2]


class Watched:
    """A camera, everything that it ever said, and the newest picture."""

    def __init__(self, source: str, capture: CaptureConfig = QUICK, **login: str) -> None:
        self.camera = Camera(CameraConfig(source=source, bundle="b", **login), capture)
        self.said: list[CameraHealth] = []

    def __enter__(self) -> "Watched":
        self.camera.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.camera.close()

    def until(self, wanted: Callable[[CameraHealth], bool], seconds: float = 15.0) -> CameraHealth:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.said.append(self.camera.poll(time.monotonic()))
            if wanted(self.said[-1]):
                return self.said[-1]
            time.sleep(0.01)
        raise AssertionError(f"never came; last: {self.said[-1]}")

    def state(self, state: str, detail: str | None = None) -> CameraHealth:
        return self.until(lambda said: said.state == state and detail in (None, said.detail))

    def picture(self, after: int = 0) -> SharedPicture:
        with SharedFrame(self.camera.memory) as memory:
            end = time.monotonic() + 5
            while (newest := memory.newest(after=after)) is None:
                assert time.monotonic() < end
                self.camera.poll(time.monotonic())
                time.sleep(0.005)
            return newest


def children() -> set[int]:
    tasks = Path("/proc/self/task").iterdir()
    return {int(child) for task in tasks for child in (task / "children").read_text().split()}


def descriptors() -> set[str]:
    return {str(file.readlink()) for file in Path("/proc/self/fd").iterdir() if file.is_symlink()}


@pytest.fixture
def nothing_left() -> Iterator[None]:
    resource_tracker.ensure_running()  # is started once for the whole process
    processes, files = children(), len(list(Path("/proc/self/fd").iterdir()))
    yield
    assert children() == processes
    assert len(list(Path("/proc/self/fd").iterdir())) == files
    assert not any("kilnsense-frame" in file for file in descriptors())


@pytest.mark.usefixtures("nothing_left")
def test_pictures_come_and_are_new() -> None:
    with RtspServer() as server, Watched(server.url) as watched:
        assert watched.camera.poll(time.monotonic()).state == "CONNECTING"
        assert watched.state("LIVE").message == ""
        health = watched.until(lambda said: said.frames > 30)
        ages, gaps, last = [], [], watched.picture()
        for _ in range(12):
            fresh = watched.picture(after=last.seq)
            ages.append(time.monotonic() - server.moment(read_number(fresh.pixels)))
            gaps.append(fresh.arrived - last.arrived)
            last = fresh
        assert last.pixels.shape == (240, 320, 3)
        assert min(ages) >= 0
        assert np.median(ages) < 0.2
        assert 0.1 < np.median(gaps) < 0.25  # five to eight a second, not 25
        assert abs(last.at - time.time()) < 2
        assert 20 < watched.camera.poll(time.monotonic()).rate < 30
        assert health.reconnects == 0


@pytest.mark.usefixtures("nothing_left")
def test_colours_are_red_green_blue() -> None:
    with RtspServer() as server, Watched(server.url) as watched:
        watched.state("LIVE")
        pixels = watched.picture().pixels[140:]
        bar = pixels[np.abs(pixels.astype(int) - (230, 120, 40)).max(axis=2) < 40]
        assert len(bar) > 1000


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("mode", "first", "then"),
    [
        ("stall", ("STALLED", "stalled"), ("STALLED", "read_timeout")),
        ("mute", ("STALLED", "stalled"), ("OFFLINE", "open_timeout")),
        ("drop", ("STALLED", "dropped"), ("OFFLINE", "open_failed")),
        pytest.param("refuse", ("STALLED", "dropped"), ("OFFLINE", "unauthorised"), marks=pytest.mark.slow),
    ],
)
def test_a_camera_that_fails_and_returns(mode: str, first: tuple[str, str], then: tuple[str, str]) -> None:
    with RtspServer() as server, Watched(server.url) as watched:
        watched.until(lambda said: said.frames > 5)
        server.mode = mode
        begun = time.time()
        failed = watched.state(*first)
        assert failed.since == pytest.approx(begun, abs=2.0)
        health = watched.state(*then)
        assert health.message.startswith(f"{server.url}: {CAMERA_FAULTS[then[1]]}")
        server.mode = "normal"
        back = watched.state("LIVE")
        assert (back.detail, back.message, back.reconnects) == ("", "", 1)
        assert back.frames >= health.frames
        new = watched.picture(after=watched.picture().seq)
        assert time.monotonic() - server.moment(read_number(new.pixels)) < 1.5


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(("sign", "detail"), [(signal.SIGKILL, "crashed"), (signal.SIGSTOP, "hung")])
def test_a_process_that_dies_or_hangs_is_replaced(sign: int, detail: str) -> None:
    with RtspServer() as server, Watched(server.url) as watched:
        watched.state("LIVE")
        process = watched.camera.process_id
        assert process is not None
        os.kill(process, sign)
        watched.state("STALLED", detail)
        watched.until(lambda _: watched.camera.process_id not in (None, process))
        assert not Path(f"/proc/{process}").exists()  # the old one is gone before there is a new one
        assert watched.state("LIVE").reconnects == 1


@pytest.mark.usefixtures("nothing_left")
def test_there_is_never_more_than_one_process() -> None:
    most, before = 0, children()
    with RtspServer() as server, Watched(server.url) as watched:
        server.mode = "drop"

        def look(said: CameraHealth) -> bool:
            nonlocal most
            most = max(most, len(children() - before))
            return "lost 5 times within a minute" in said.message

        watched.until(look, 20.0)
        assert most == 1


@pytest.mark.usefixtures("nothing_left")
def test_the_login_reaches_the_camera_and_nobody_else(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("wrong\n", encoding="utf-8")
    with (
        RtspServer(login=f"ad min:{SECRET}") as server,
        Watched(server.url, user="ad min", password_file=str(file)) as watched,
    ):
        watched.state("OFFLINE", "unauthorised")
        file.write_text(f"{SECRET}\n", encoding="utf-8")  # it is read again for every attempt
        watched.state("LIVE")
        file.unlink()
        server.mode = "drop"
        watched.state("OFFLINE", "no_password")
        line = Path(f"/proc/{watched.camera.process_id or os.getpid()}/cmdline").read_text()
    shown = repr(watched.said) + line
    assert "wrong" not in shown
    assert SECRET not in shown
    assert "s3%3A" not in shown


def test_a_password_in_the_address_works_and_is_not_shown() -> None:
    with RtspServer(login="me:open-sesame") as server:
        address = server.url.replace("//", "//me:open-sesame@")
        with Watched(address) as watched:
            watched.state("LIVE")
            server.mode = "drop"
            watched.state("OFFLINE")
            assert "sesame" not in repr(watched.said)
            assert server.url in watched.said[-1].message


def test_nobody_listens_and_no_such_host() -> None:
    with RtspServer() as server:
        url = server.url
    with Watched(url) as watched:
        assert watched.state("OFFLINE", "refused").reconnects == 0
    with Watched("rtsp://no.such.host.invalid/a") as watched:
        watched.state("OFFLINE", "no_host")


@pytest.mark.slow
def test_while_it_waits_long_it_sees_that_the_camera_is_back() -> None:
    patient = CaptureConfig(timeout_s=0.8, stalled_s=0.4, longest_wait_s=600.0)
    with RtspServer() as server, Watched(server.url, patient) as watched:
        watched.camera._attempt = 8  # has been away for long: the next wait is about four minutes
        server.mode = "mute"
        watched.state("OFFLINE", "open_timeout")
        watched.until(lambda _: watched.camera.process_id is not None)
        time.sleep(1.0)
        server.mode = "normal"
        begun = time.monotonic()
        watched.state("LIVE")
        assert time.monotonic() - begun < 10


def test_another_size_in_the_middle() -> None:
    with RtspServer() as server, Watched(server.url) as watched:
        watched.state("LIVE")
        assert watched.picture().pixels.shape == (240, 320, 3)
        server.size = (640, 480)
        seq = 0
        while (newest := watched.picture(after=seq)).pixels.shape != (480, 640, 3):
            seq = newest.seq
            assert watched.camera.poll(time.monotonic()).state == "LIVE"
        assert abs(read_number(newest.pixels) - (time.monotonic() - server.began) * server.fps) < 25


def test_a_slow_camera_is_not_stalled_between_its_frames() -> None:
    slow = CaptureConfig(timeout_s=2.0, stalled_s=0.05)
    with RtspServer(fps=8) as server, Watched(server.url, slow) as watched:
        frames = watched.until(lambda said: said.frames > 5).frames
        begun = len(watched.said)
        watched.until(lambda said: said.frames > frames + 4)
        assert {said.state for said in watched.said[begun:]} == {"LIVE"}


@pytest.mark.usefixtures("nothing_left")
def test_where_no_process_can_be_started_it_is_tried_again() -> None:
    with RtspServer() as server, Watched(server.url) as watched:
        watched.state("LIVE")
        os.kill(watched.camera.process_id or 0, signal.SIGKILL)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            watched.state("OFFLINE", "no_process")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        watched.state("LIVE")


class _Refusing(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="kiln"')
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_a_web_server_that_refuses(capfd: pytest.CaptureFixture[str]) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), _Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Watched(f"http://127.0.0.1:{server.server_port}/video") as watched:
            watched.state("OFFLINE", "unauthorised")
        server.shutdown()
    assert capfd.readouterr() == ("", "")


ORPHAN = """
import sys, time
from kilnsense.config.monitor import CameraConfig, CaptureConfig
from kilnsense.live.capture import Camera
if __name__ == "__main__":
    camera = Camera(CameraConfig(source=sys.argv[1], bundle="b"), CaptureConfig(timeout_s=30))
    camera.start()
    while True:
        camera.poll(time.monotonic())
        print(camera.process_id, camera.poll(time.monotonic()).state, flush=True)
        time.sleep(0.05)
"""


@pytest.mark.parametrize("mode", ["stall", "mute"])
def test_it_ends_with_its_parent_also_while_it_waits_for_the_camera(mode: str, tmp_path: Path) -> None:
    script = tmp_path / "orphan.py"
    script.write_text(ORPHAN, encoding="utf-8")
    with RtspServer() as server:
        server.mode = mode
        command = [sys.executable, str(script), server.url]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
            assert parent.stdout is not None
            process = int(parent.stdout.readline().split()[0])
            while not server.connections:
                time.sleep(0.02)
            time.sleep(0.3)  # now it is inside open or read, for 30 s
            assert Path(f"/proc/{process}").exists()
            parent.kill()
        end = time.monotonic() + 5
        while Path(f"/proc/{process}").exists() and _alive(process):
            assert time.monotonic() < end
            time.sleep(0.02)


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_waits_double_up_to_the_longest_and_differ() -> None:
    rng = np.random.default_rng(0)
    for attempt, plain in enumerate((1, 2, 4, 8, 16, 30, 30, 30), start=1):
        waits = [wait_before(attempt, longest=30.0, rng=rng) for _ in range(200)]
        assert plain * 0.8 <= min(waits) < plain * 0.85
        assert plain * 1.15 < max(waits) <= plain * 1.2
    assert wait_before(10_000, longest=30.0, rng=rng) < 37


def test_the_camera_must_be_started() -> None:
    camera = Camera(CameraConfig(source="sim:easy", bundle="b"), QUICK)
    with pytest.raises(RuntimeError, match="call start first"):
        camera.poll(0.0)
    camera.close()
