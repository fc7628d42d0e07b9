"""A real MQTT broker for tests: Mosquitto on a free port of 127.0.0.1, which can be ended and begun anew.

    with open_broker(tmp_path) as broker:
        ... broker.port ...
        broker.stop()
        broker.start()
        assert broker.listen("#").heard ...

It keeps what is retained over a restart, as a broker in a plant does.
"""

import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from subprocess import DEVNULL, Popen

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

USER, PASSWORD = "kiln", "a secret word"


def find_mosquitto() -> str:
    """The program; skips the test where there is none."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip("mosquitto is not installed")
    return found


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def until(holds: Callable[[], object], seconds: float = 15.0) -> None:
    """Waits until something holds, for something outside of this program to happen."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


class Listener:
    """A subscriber of its own; `heard` are (topic, text, whether it was retained), in order."""

    def __init__(self, port: int, topic: str) -> None:
        self.heard: list[tuple[str, str, bool]] = []
        self._subscribed = False
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(USER, PASSWORD)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: setattr(self, "_subscribed", True)
        self._client.on_message = lambda _client, _data, message: self.heard.append(
            (message.topic, message.payload.decode(), message.retain)
        )
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        until(lambda: self._subscribed)

    def of(self, topic: str) -> list[str]:
        """The texts of a topic, in order."""
        return [text for other, text, _ in self.heard if other == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Broker:
    """See the module."""

    def __init__(self, folder: Path, *, password: bool, certificate: tuple[Path, Path] | None) -> None:
        self._program, self.port = find_mosquitto(), free_port()
        self._listeners: list[Listener] = []
        self._process: Popen[bytes] | None = None
        self._file = folder / "mosquitto.conf"
        lines = [
            f"listener {self.port} 127.0.0.1",
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_interval 1",
            "user root",
            f"allow_anonymous {'false' if password else 'true'}",
        ]
        if password:
            words = folder / "passwords"
            words.write_text(f"{USER}:{PASSWORD}\n", encoding="utf-8")
            words.chmod(0o600)
            command = [str(Path(shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd")), "-U"]
            with Popen([*command, str(words)], stdout=DEVNULL) as process:
                assert process.wait(10) == 0
            lines.append(f"password_file {words}")
        if certificate is not None:
            lines += [f"certfile {certificate[0]}", f"keyfile {certificate[1]}"]
        self._file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.start()

    def start(self) -> None:
        """Begins, and waits until it can be reached."""
        self._process = Popen([self._program, "-c", str(self._file)], stdout=DEVNULL, stderr=DEVNULL)

        def reached() -> bool:
            with socket.socket() as trial:
                return trial.connect_ex(("127.0.0.1", self.port)) == 0

        until(reached)

    def stop(self) -> None:
        """Ends as on a shutdown; what is retained is kept."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def hang(self, *, on: bool) -> None:
        """Makes it do nothing while its connections stay open, or lets it go on."""
        assert self._process is not None
        self._process.send_signal(SIGSTOP if on else SIGCONT)

    def listen(self, topic: str) -> Listener:
        """A subscriber; it is closed with the broker."""
        self._listeners.append(Listener(self.port, topic))
        return self._listeners[-1]

    def close(self) -> None:
        """Ends it and its subscribers."""
        for listener in self._listeners:
            listener.close()
        self.stop()


@contextmanager
def open_broker(
    folder: Path, *, password: bool = False, certificate: tuple[Path, Path] | None = None
) -> Iterator[Broker]:
    """A broker for a `with` block.

    Args:
        folder: for its files.
        password: it lets in only `USER` with `PASSWORD`.
        certificate: PEM files of a certificate and its key; it then speaks TLS only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    broker = Broker(folder, password=password, certificate=certificate)
    try:
        yield broker
    finally:
        broker.close()
