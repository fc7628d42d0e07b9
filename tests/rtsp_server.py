"""A camera for tests: RTSP with RTP/JPEG (RFC 2435) over TCP, which can be made to misbehave."""

import base64
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Sequence

import cv2
import numpy as np

MODES = ("normal", "mute", "stall", "drop", "refuse")
BITS = 20
_PACKET = 1400  # bytes of picture data in a packet


class RtspServer:
    """Listens on 127.0.0.1 from the start of the `with` block to its end; any number of clients at once.

    Modes can be changed at any time and hold for open connections too:

    - normal: sends pictures;
    - mute: accepts and never answers; who was connected gets nothing more;
    - stall: answers, but sends no pictures;
    - drop: closes every connection;
    - refuse: answers 401 to whoever does not bring the login; who was connected is closed.

    Args:
        fps: pictures a second.
        size: width and height, multiples of 8.
        login: ``user:password`` that is asked for in every mode; "": none.
        after: seconds from the first picture of a connection after which it changes to `then`.
        then: ``stall`` or ``drop``.
        pictures: (H, W, 3) uint8 RGB that are sent in turn, all of that size; empty: numbered ones.
    """

    def __init__(
        self,
        *,
        fps: float = 25.0,
        size: tuple[int, int] = (320, 240),
        login: str = "",
        after: float = float("inf"),
        then: str = "stall",
        pictures: Sequence[np.ndarray] = (),
    ) -> None:
        self.fps, self.size, self.login, self.mode = fps, size, login, "normal"
        self._after, self._then = after, then
        self.began = time.monotonic()
        self.connections = 0
        self._jpegs = [_jpeg(np.ascontiguousarray(picture[..., ::-1])) for picture in pictures]
        self._over = threading.Event()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "RtspServer":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self._begin(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/kiln"

    def moment(self, counter: int) -> float:
        """Of the monotonic clock, at which the picture with that number was due."""
        return self.began + counter / self.fps

    def _begin(self, target: object, *given: object) -> None:
        thread = threading.Thread(target=target, args=given, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                client, _ = self._listener.accept()
                self.connections += 1
                self._begin(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(0.05)
        with client, contextlib.suppress(OSError, EOFError):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pending = b""
            while True:
                request, pending = self._request(client, pending)
                if self.mode == "mute":
                    self._linger(client)
                    return
                if self.mode == "drop":
                    return
                method = request.split(" ", 1)[0]
                client.sendall(self._answer(method, request))
                if method == "PLAY":
                    self._stream(client)
                    return

    def _linger(self, client: socket.socket) -> None:
        """Says nothing until the client goes."""
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                if not client.recv(4096):
                    return

    def _request(self, client: socket.socket, pending: bytes) -> tuple[str, bytes]:
        while b"\r\n\r\n" not in pending:
            if self._over.is_set() or self.mode == "drop":
                raise EOFError
            with contextlib.suppress(TimeoutError):
                fresh = client.recv(4096)
                if not fresh:
                    raise EOFError
                pending += fresh
        head, _, rest = pending.partition(b"\r\n\r\n")
        return head.decode(), rest

    def _answer(self, method: str, request: str) -> bytes:
        head = dict(line.split(": ", 1) for line in request.split("\r\n")[1:] if ": " in line)
        given = head.get("Authorization", "").removeprefix("Basic ")
        wanted = base64.b64encode(self.login.encode()).decode()
        cseq = f"CSeq: {head.get('CSeq', '0')}\r\n"
        if method != "OPTIONS" and (self.mode == "refuse" or (self.login and given != wanted)):
            return f'RTSP/1.0 401 Unauthorized\r\n{cseq}WWW-Authenticate: Basic realm="k"\r\n\r\n'.encode()
        lines, body = "Session: 1\r\n", ""
        if method == "OPTIONS":
            lines = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n"
        elif method == "DESCRIBE":
            body = (
                "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=kiln\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                "m=video 0 RTP/AVP 26\r\na=rtpmap:26 JPEG/90000\r\n"
                f"a=framerate:{self.fps:g}\r\na=control:track0\r\n"
            )
            lines = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
        elif method == "SETUP":
            lines += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        return f"RTSP/1.0 200 OK\r\n{cseq}{lines}\r\n{body}".encode()

    def _stream(self, client: socket.socket) -> None:
        client.settimeout(5.0)  # a full connection: the client does not take the pictures
        began, sequence = time.monotonic(), 0
        counter = int((began - self.began) * self.fps) + 1
        while not self._over.wait(max(0.0, self.moment(counter) - time.monotonic())):
            mode = self._then if time.monotonic() - began > self._after else self.mode
            if mode in ("drop", "refuse"):
                return
            if mode == "normal":
                jpeg = self._picture(counter)
                packets = rtp_packets(jpeg, self.size, stamp=round(counter * 90000 / self.fps))
                for last, payload in packets:
                    head = struct.pack(">BBH", 0x80, 26 | (0x80 if last else 0), sequence & 0xFFFF)
                    client.sendall(b"$\0" + struct.pack(">H", len(head) + len(payload)) + head + payload)
                    sequence += 1
            counter = max(counter + 1, int((time.monotonic() - self.began) * self.fps))

    def _picture(self, counter: int) -> bytes:
        if self._jpegs:
            return self._jpegs[counter % len(self._jpegs)]
        return _jpeg(numbered(counter, self.size))


def numbered(counter: int, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8, B, G, R: a moving bar over grey, and the number as black and white blocks."""
    width, height = size
    picture = np.full((height, width, 3), 90, np.uint8)
    at = counter * 7 % width
    picture[height // 2 :, at : at + width // 10] = (40, 120, 230)
    for bit in range(BITS):
        left = bit * width // BITS
        picture[: height // 6, left : left + width // BITS] = 255 * (counter >> bit & 1)
    return picture


def read_number(pixels: np.ndarray) -> int:
    """The number that `numbered` drew."""
    height, width = pixels.shape[:2]
    centres = [(bit * width // BITS) + width // BITS // 2 for bit in range(BITS)]
    return sum((pixels[height // 12, centre].mean() > 127) << bit for bit, centre in enumerate(centres))


def _jpeg(picture: np.ndarray) -> bytes:
    written, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])
    assert written
    return data.tobytes()


def rtp_packets(jpeg: bytes, size: tuple[int, int], *, stamp: int) -> list[tuple[bool, bytes]]:
    """(whether it is the last, what follows the sequence number) of the packets of a baseline 4:2:0 JPEG."""
    tables, at = b"", 2
    while (marker := jpeg[at + 1]) != 0xDA:  # start of scan
        length = int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if marker == 0xDB:  # quantisation tables, each after a byte with its number
            body = jpeg[at + 4 : at + 2 + length]
            tables += b"".join(body[start + 1 : start + 65] for start in range(0, len(body), 65))
        at += 2 + length
    scan = jpeg[at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big") : -2]
    packets = []
    for offset in range(0, len(scan), _PACKET):
        head = struct.pack(">II", stamp & 0xFFFFFFFF, 0x4B)
        head += struct.pack(">IBBBB", offset, 1, 255, size[0] // 8, size[1] // 8)
        if offset == 0:
            head += struct.pack(">BBH", 0, 0, len(tables)) + tables
        packets.append((offset + _PACKET >= len(scan), head + scan[offset : offset + _PACKET]))
    return packets
