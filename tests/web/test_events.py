"""The stream of what the board says: its pace, its cap, and what viewers cost who never read."""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kilnsense.web.events import MOST_VIEWERS, SHORTEST_GAP
from tests.demo_board import KEYS, OVER, Demo, ask, demo, reading, serving


class Viewer:
    """One that reads the stream, message by message."""

    def __init__(self, made: Demo) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", made.port, timeout=10)
        cookie = {"Cookie": f"kilnsense_monitor_{made.port}={KEYS.token}"}
        self._connection.request("GET", "/events", headers=cookie)
        self._answer = self._connection.getresponse()
        self.status, self.kind = self._answer.status, self._answer.headers["content-type"]

    def read(self) -> Any:
        while not (line := self._answer.readline()).startswith(b"data: "):
            assert line == b"\n", line
        return json.loads(line[6:])

    def rest(self) -> bytes:
        return self._answer.read()

    def close(self) -> None:
        self._answer.close()
        self._connection.close()


BEAT = 0.8


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[Demo]:
    monkeypatch.setattr("kilnsense.web.events.BEAT", BEAT)
    with serving(demo()) as running:
        yield running


def test_a_change_is_told_at_once_and_silence_is_broken_by_a_beat(made: Demo) -> None:
    with contextlib.closing(Viewer(made)) as viewer:
        assert (viewer.status, viewer.kind) == (200, "text/event-stream; charset=utf-8")
        assert [camera["name"] for camera in viewer.read()["cameras"]] == ["kiln1", "kiln2"]
        time.sleep(2 * SHORTEST_GAP)
        begun = time.monotonic()
        made.board.publish(reading("kiln1", 2, "over"))
        while viewer.read()["cameras"][0]["reading"]["state"] != "over":
            pass
        assert time.monotonic() - begun < 2 * SHORTEST_GAP
        first = viewer.read()
        begun = time.monotonic()
        second = viewer.read()
        assert BEAT - 0.3 < time.monotonic() - begun < BEAT + 0.8
        assert second["now"] > first["now"]
        assert second["cameras"][0]["age"] - first["cameras"][0]["age"] == pytest.approx(BEAT, abs=0.6)


def test_many_changes_are_told_four_times_a_second_and_the_newest_at_last(made: Demo) -> None:
    with contextlib.closing(Viewer(made)) as viewer:
        viewer.read()
        begun = time.monotonic()
        for seq in range(2, 302):
            made.board.publish(reading("kiln1", seq))
            time.sleep(0.005)
        count = 1
        while viewer.read()["cameras"][0]["reading"]["seq"] < 301:
            count += 1
        assert count <= (time.monotonic() - begun) / SHORTEST_GAP + 2


def test_one_thread_serves_all_and_the_seventeenth_viewer_is_told(made: Demo) -> None:
    before = threading.active_count()
    with contextlib.ExitStack() as stack:
        viewers = [stack.enter_context(contextlib.closing(Viewer(made))) for _ in range(MOST_VIEWERS)]
        assert {viewer.status for viewer in viewers} == {200}
        for viewer in viewers:
            viewer.read()
        assert threading.active_count() == before
        with contextlib.closing(Viewer(made)) as late:
            assert late.status == 503
            assert late.rest() == b"16 screens look on already, which is the most; close one of them"
        viewers[0].close()
        until_free(made)


def until_free(made: Demo, seconds: float = 5.0) -> None:
    """Until a stream can be had again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.closing(Viewer(made)) as viewer:
            if viewer.status == 200:
                return
        time.sleep(0.05)
    raise AssertionError("no place became free")


def test_a_stop_ends_every_stream_soon() -> None:
    running = demo()
    with serving(running):
        viewer = Viewer(running)
        viewer.read()
        begun = time.monotonic()
    assert time.monotonic() - begun < 2
    assert viewer.rest().count(b"data:") <= 2
    viewer.close()


def test_the_stream_is_for_reading_alone(made: Demo) -> None:
    assert ask(made, "/events", cookie=None)[0] == 403
    assert ask(made, "/events", method="HEAD")[0] == 405
    assert ask(made, "/events", method="POST")[0] == 405


def stall(made: Demo, address: str) -> socket.socket:
    """A viewer that asks and never reads."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.connect(("127.0.0.1", made.port))
    cookie = f"Cookie: kilnsense_monitor_{made.port}={KEYS.token}"
    line.sendall(f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1:{made.port}\r\n{cookie}\r\n\r\n".encode())
    return line


def rates(made: Demo, seconds: float = 2.5, goal: float = 50.0) -> tuple[float, float, float]:
    """A second: readings that were published, messages that a healthy viewer got, pictures that it got."""
    published, end = [0], time.monotonic() + seconds

    def publish() -> None:
        due = time.monotonic()
        while (now := time.monotonic()) < end:
            made.show("kiln1", 2 + published[0])
            published[0] += 1
            due = max(due + 1 / goal, now - 0.1)
            time.sleep(max(0.0, due - time.monotonic()))

    thread = threading.Thread(target=publish)
    messages = pictures = 0
    with contextlib.closing(Viewer(made)) as viewer:
        thread.start()
        while time.monotonic() < end:
            viewer.read()
            messages += 1
            pictures += ask(made, "/camera/kiln1/picture.jpg?seq=1")[0] == 200
        thread.join()
    return published[0] / seconds, messages / seconds, pictures / seconds


def test_ten_stalled_viewers_cost_less_than_a_twentieth_and_are_cut(
    made: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kilnsense.web.line.PATIENCE", 3.5)
    made.desk.post(OVER, reason="")
    made.desk.post(type(OVER)(**{**OVER.__dict__, "id": "long", "text": "x" * 60_000}))  # fills buffers soon
    alone = rates(made)
    lines = [stall(made, "/events") for _ in range(10)]
    lines += [stall(made, "/camera/kiln1/picture.jpg?seq=1") for _ in range(10)]
    try:
        beside = rates(made)
        assert beside[0] > 0.95 * alone[0], (alone, beside)
        assert beside[1] > 0.95 * alone[1] - 1 / 2.5, (alone, beside)  # a message more or less of a run
        assert beside[2] > 0.95 * alone[2] - 1 / 2.5, (alone, beside)
        assert alone[0] > 40
        assert alone[1] > 3
        more = [stall(made, "/events") for _ in range(MOST_VIEWERS - 10)]
        lines += more
        end = time.monotonic() + 15
        while time.monotonic() < end and not cut(lines[:10]):
            made.show("kiln1", 5000)
            time.sleep(0.1)
        assert cut(lines[:10])
        until_free(made)
    finally:
        for line in lines:
            line.close()


def cut(lines: list[socket.socket]) -> bool:
    return all(line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != 1 for line in lines)
