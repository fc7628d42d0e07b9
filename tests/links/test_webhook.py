"""Against a real HTTP server: signed, in order, tried again, never anywhere else."""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kilnsense.config.monitor import WebhookConfig
from kilnsense.errors import ConfigError
from kilnsense.links.link import Station
from kilnsense.links.webhook import WebhookLink, open_webhook
from tests.broker import free_port, until
from tests.links.made import event, reading


class Server(ThreadingHTTPServer):
    """Notes what it is asked; answers as `answers` say, the last one for ever."""

    def __init__(self, port: int, *answers: int) -> None:
        self.answers, self.asked = list(answers), []  # type: ignore[var-annotated]
        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.asked.append((self.path, self.headers, body))
        answers = self.server.answers
        self.send_response(answers.pop(0) if len(answers) > 1 else answers[0])
        self.send_header("location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        """Nothing on the screen of the tests."""


@pytest.fixture
def link(tmp_path: Path) -> Iterator[WebhookLink]:
    secret = tmp_path / "secret"
    secret.write_text("a secret word\n", encoding="utf-8")
    url = f"http://127.0.0.1:{free_port()}/hook?key=k1"
    config = WebhookConfig(url=url, secret_file=str(secret), timeout_s=1.0)
    link = open_webhook(config, Station("works", tmp_path, {}), clock=lambda: 1234.5)
    yield link
    link.close()


def port(link: WebhookLink) -> int:
    found = link._receiver.address.port
    assert found is not None
    return found


def test_an_event_is_posted_and_signed(link: WebhookLink) -> None:
    server = Server(port(link), 204)
    link.reading(reading())
    link.alarm(event(0))
    until(lambda: link._outbox.waiting() == 0)
    server.stop()
    ((path, headers, body),) = server.asked
    assert path == "/hook?key=k1"
    assert json.loads(body)["alarm"]["id"] == "kiln1.over"
    assert (headers["content-type"], headers["kilnsense-timestamp"]) == ("application/json", "1234")
    expected = hmac.new(b"a secret word", b"1234." + body, hashlib.sha256).hexdigest()
    assert headers["kilnsense-signature"] == f"sha256={expected}"
    assert link.trouble() == ""


def test_a_receiver_that_is_away_or_refuses_gets_all_of_it_in_order(link: WebhookLink) -> None:
    for number in range(4):
        link.alarm(event(number))
    until(lambda: "cannot be reached" in link.trouble())
    assert "4 events wait" in link.trouble()
    server = Server(port(link), 200, 500, 200)
    until(lambda: link._outbox.waiting() == 0)
    server.stop()
    said = [json.loads(body)["reason"] for _, _, body in server.asked]
    assert said == ["reason 0", "reason 1", "reason 1", "reason 2", "reason 3"]
    assert link.trouble() == ""


def test_redirects_are_not_followed(link: WebhookLink) -> None:
    server = Server(port(link), 302)
    link.alarm(event(0))
    until(lambda: "answers 302, needed: 2xx" in link.trouble())
    assert {path for path, _, _ in server.asked} == {"/hook?key=k1"}
    assert "k1" not in link.trouble()
    assert link._outbox.waiting() == 1
    server.stop()


def test_proxies_of_the_environment_are_not_asked(link: WebhookLink, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Server(free_port(), 200)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.server_port}")
    link.alarm(event(0))
    until(lambda: "cannot be reached" in link.trouble())
    proxy.stop()
    assert proxy.asked == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://eva:pass@hook.example/x", r"holds a user or password for hook\.example"),
        ("https://", "is no address"),
        ("http://hook.example:port/x", "is no address"),
    ],
)
def test_addresses_with_passwords_and_nonsense_are_refused(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refusal:
        open_webhook(WebhookConfig(url=url), Station("works", tmp_path, {}))
    assert "pass@" not in str(refusal.value)
