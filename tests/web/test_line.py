"""Connections that make no progress, over real sockets."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from kilnsense.web.guard import Pass, new_keys
from kilnsense.web.serve import Site, serve

PATIENCE = 0.4
LARGE = 8 << 20


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    async def large(_: Request) -> Response:
        return PlainTextResponse(b"x" * LARGE)

    async def endless(_: Request) -> Response:
        async def parts():  # type: ignore[no-untyped-def]
            while True:
                await asyncio.sleep(0)
                yield b"x" * 10_000

        return StreamingResponse(parts())

    async def asked(request: Request) -> Response:
        return PlainTextResponse(await request.body())

    routes = [Route("/large", large), Route("/endless", endless), Route("/ask", asked, methods=["POST"])]
    ready, stop = threading.Event(), threading.Event()
    homes: list[str] = []

    def tell(known: Pass) -> None:
        homes.append(known.home)
        ready.set()

    site = Site("review", new_keys(), "127.0.0.1", 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kilnsense.web.line.PATIENCE", PATIENCE)
        thread = threading.Thread(
            target=serve,
            args=(lambda *_: Starlette(routes=routes), site),
            kwargs={"ready": tell, "stop": stop},
        )
        thread.start()
        assert ready.wait(10)
        yield int(homes[0].rpartition(":")[2])
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def connect(port: int) -> socket.socket:
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.settimeout(5)
    line.connect(("127.0.0.1", port))
    return line


def seconds_until_cut(line: socket.socket) -> float:
    """Until the other end is gone; reads nothing, so it looks at the state of the connection."""
    begun = time.monotonic()
    while time.monotonic() - begun < 5:
        state = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        if state != 1:  # no longer established
            return time.monotonic() - begun
        time.sleep(0.02)
    raise AssertionError("the connection is kept")


@pytest.mark.parametrize("address", ["/large", "/endless"])
def test_who_never_reads_is_cut(port: int, address: str) -> None:
    with connect(port) as line:
        line.sendall(f"GET {address} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert PATIENCE * 0.5 < seconds_until_cut(line) < PATIENCE * 6


def test_who_reads_slowly_is_served_to_the_end(port: int) -> None:
    with connect(port) as line:
        line.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        begun, got = time.monotonic(), 0
        while part := line.recv(1 << 17):
            got += len(part)
            if time.monotonic() - begun < 5 * PATIENCE:
                time.sleep(0.05)
        assert time.monotonic() - begun > 3 * PATIENCE
        assert got > LARGE


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"GET /large HT",
        b"POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
    ],
)
def test_who_never_asks_to_the_end_is_cut(port: int, beginning: bytes) -> None:
    with connect(port) as line:
        line.sendall(beginning)
        begun = time.monotonic()
        with pytest.raises(ConnectionResetError):
            line.recv(10)
        assert PATIENCE * 0.5 < time.monotonic() - begun < PATIENCE * 4


def test_a_drop_at_a_time_gains_no_time(port: int) -> None:
    def drip(line: socket.socket) -> None:
        while time.monotonic() - begun < PATIENCE * 5:
            line.sendall(b"G")
            time.sleep(0.05)

    with connect(port) as line:
        begun = time.monotonic()
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            drip(line)


def test_a_question_in_parts_and_a_second_one_are_answered(port: int) -> None:
    with connect(port) as line:
        for _ in range(2):
            line.sendall(b"POST /ask HTTP/1.1\r\nHost: x\r\nContent-Le")
            time.sleep(PATIENCE / 3)
            line.sendall(b"ngth: 3\r\n\r\nab")
            time.sleep(PATIENCE / 3)
            line.sendall(b"c")
            answer = b""
            while not answer.endswith(b"abc"):
                answer += line.recv(1000)
            assert answer.startswith(b"HTTP/1.1 200")
            time.sleep(PATIENCE * 1.5)  # idle between two questions is no stall
