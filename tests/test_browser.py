"""The browser of the tests does what a hand would do, sees what a page does, and leaves nothing behind."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from tests import browser
from tests.browser import Page, open_browser

HEAD = "<!doctype html><meta charset=utf-8><link rel=icon href='data:,'>"

BUTTON = """<button onclick="window.opened = window.open('/two')">open</button>"""

SITE = {
    "/": HEAD + f"<title>one</title><a href='/two'>go</a>{BUTTON}",
    "/two": HEAD + "<title>two</title>",
    "/asks": HEAD + "<script>fetch('/missing').then(answer => { window.answered = true })</script>",
}

FAR_DOWN = """<meta name=viewport content='width=device-width, initial-scale=1'>
<div style='width: 900px'>wide</div>
<details style='margin-top: 3000px'><summary>more</summary>text</details>"""

KEY_LOG = """<script>
window.keys = [];
addEventListener('keydown', event => keys.push(event.key + ' ' + event.code + ' ' + event.keyCode));
</script>"""

SOCKET = "wss://example.test/socket"

ASKS = """<img src='https://example.test/picture.png'><iframe src='data:text/html,x'></iframe>
<script>
new WebSocket('wss://example.test/socket');
const inner = "fetch('https://example.test/worker').catch(() => postMessage('asked'))";
const worker = new Worker(URL.createObjectURL(new Blob([inner])));
worker.onmessage = () => { window.asked = true; };
</script>"""


class Site(BaseHTTPRequestHandler):
    """Answers with the pages of `SITE`."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path in SITE else 404)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(SITE.get(self.path, "missing").encode())

    def log_message(self, *parts: object) -> None:
        """The output of the tests is no place for it."""


@pytest.fixture
def site() -> Iterator[str]:
    """The address of a small web site on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_browser(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture
def page(opened: Page) -> Page:
    """An empty page of 400 x 300; its records go on from test to test."""
    opened.goto("about:blank")
    opened.resize(400, 300)
    opened.emulate()
    return opened


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Page]:
    """A page of a browser of its own, with nothing in its records."""
    with open_browser(tmp_path) as page:
        yield page


@pytest.fixture
def save(tmp_path: Path) -> Callable[[str], str]:
    """Saves a page of the given text and returns its address."""

    def save_text(text: str) -> str:
        path = tmp_path / "page.html"
        path.write_text(HEAD + text, encoding="utf-8")
        return path.as_uri()

    return save_text


@pytest.fixture
def show(page: Page, save: Callable[[str], str]) -> Callable[[str], None]:
    """Opens a page of the given text."""
    return lambda text: page.goto(save(text))


def test_a_click_follows_a_link(page: Page, site: str) -> None:
    page.goto(site)
    assert page.evaluate("document.title") == "one"
    page.click("a")
    page.wait_for("document.title == 'two'")
    assert page.evaluate("location.href") == f"{site}/two"


@pytest.mark.parametrize("mobile", [False, True])
def test_a_click_reaches_what_lies_far_down(mobile: bool, page: Page, show: Callable[[str], None]) -> None:
    page.resize(390, 300, scale=2, mobile=mobile)
    show(FAR_DOWN)
    assert page.evaluate("document.querySelector('details').open") is False
    page.click("summary")
    assert page.evaluate("document.querySelector('details').open") is True
    page.click("summary")
    assert page.evaluate("document.querySelector('details').open") is False


def test_a_click_is_one_of_a_hand(page: Page, show: Callable[[str], None]) -> None:
    show("<p onclick='window.seen = [event.isTrusted, event.button, event.detail]'>x</p>")
    page.click("p")
    assert page.evaluate("window.seen") == [True, 0, 1]


def test_there_must_be_something_to_click(page: Page, show: Callable[[str], None]) -> None:
    show("<p style='display: none'>x</p>")
    with pytest.raises(LookupError, match="no element matches button"):
        page.click("button")
    with pytest.raises(LookupError, match="the element at p has no size"):
        page.click("p")


def test_a_key_reaches_the_page(page: Page, show: Callable[[str], None]) -> None:
    show(KEY_LOG)
    for key in ("j", "B", "7", " ", "ArrowLeft", "ArrowRight", "Enter", "Escape"):
        page.press(key)
    seen = ["j KeyJ 74", "B KeyB 66", "7 Digit7 55", "  Space 32", "ArrowLeft ArrowLeft 37"]
    seen += ["ArrowRight ArrowRight 39", "Enter Enter 13", "Escape Escape 27"]
    assert page.evaluate("keys") == seen
    with pytest.raises(ValueError, match=r"no key 'Left': give a letter, a digit, .*ArrowLeft"):
        page.press("Left")


@pytest.mark.parametrize("key", ["Enter", " "])
def test_the_keyboard_alone_opens_details(key: str, page: Page, show: Callable[[str], None]) -> None:
    show("<details><summary>more</summary>text</details>")
    page.press("Tab")
    page.press(key)
    assert page.evaluate("document.querySelector('details').open") is True


def test_a_text_goes_into_the_field_that_has_the_focus(page: Page, show: Callable[[str], None]) -> None:
    show("<input id=a><input id=b>")
    page.click("#b")
    page.type("Öfen 1")
    page.press("4")
    assert page.evaluate("[a.value, b.value]") == ["", "Öfen 14"]


def test_a_screenshot_has_the_size_asked_for(page: Page, show: Callable[[str], None], tmp_path: Path) -> None:
    show("<body style='margin: 0'><div style='height: 1000px'>tall</div>")
    sizes = []
    for scale, full in ((1, False), (2, False), (1, True), (2, True)):
        page.resize(320, 200, scale=scale)
        page.screenshot(tmp_path / "shot.png", full=full)
        with Image.open(tmp_path / "shot.png") as picture:
            assert picture.format == "PNG"
            sizes.append(picture.size)
    assert sizes == [(320, 200), (640, 400), (320, 1000), (640, 2000)]


def test_a_screenshot_does_not_wait_behind_a_new_window(
    page: Page, show: Callable[[str], None], tmp_path: Path
) -> None:
    show("<a href='about:blank' target=_blank>open</a>")
    page.click("a")
    page.wait_for("document.hidden")
    page.screenshot(tmp_path / "shot.png")
    assert (tmp_path / "shot.png").stat().st_size > 0
    assert page.evaluate("document.hidden") is False


def test_the_page_is_seen_with_other_eyes(page: Page, show: Callable[[str], None], tmp_path: Path) -> None:
    show(
        "<style>body { background: rgb(255, 0, 0) }"
        "@media (prefers-color-scheme: dark) { body { background: rgb(0, 0, 255) } }</style>"
    )
    seen = []
    for scheme, grey in (("light", False), ("dark", False), ("light", True)):
        page.emulate(scheme, grey=grey)
        page.screenshot(tmp_path / "shot.png")
        with Image.open(tmp_path / "shot.png") as picture:
            seen.append(picture.convert("RGB").getpixel((200, 150)))
    assert seen[:2] == [(255, 0, 0), (0, 0, 255)]
    red, green, blue = seen[2]
    assert 0 < red == green == blue < 255


def test_the_record_holds_what_a_page_asks_for(fresh: Page, save: Callable[[str], str]) -> None:
    address = save(ASKS)
    fresh.goto(address)
    fresh.wait_for("window.asked")
    first, *others = fresh.requests
    assert first == address
    script, *asked = sorted(others)
    assert script.startswith("blob:")
    assert asked == [f"https://example.test/{name}" for name in ("picture.png", "worker")] + [SOCKET]


def test_the_record_holds_what_a_new_window_asks_for(fresh: Page, site: str) -> None:
    fresh.goto(site)
    assert fresh.requests == [f"{site}/"]
    fresh.click("button")
    fresh.wait_for("opened.document.title == 'two'")
    assert fresh.requests == [f"{site}/", f"{site}/two"]
    assert fresh.errors == []


def test_no_host_outside_is_reached(page: Page, site: str) -> None:
    port = site.rpartition(":")[2]
    page.goto(f"http://localhost:{port}/")
    assert page.evaluate("document.title") == "one"
    with pytest.raises(RuntimeError, match=r"example.test/ does not open: net::ERR_NAME_NOT_RESOLVED"):
        page.goto("https://example.test/")
    with pytest.raises(RuntimeError, match=r"192.0.2.1/ does not open: net::ERR_NAME_NOT_RESOLVED"):
        page.goto("http://192.0.2.1/")


def test_errors_are_kept(fresh: Page, save: Callable[[str], str], site: str) -> None:
    fresh.goto(save("<script>console.log('a remark'); console.warn('a warning')</script>"))
    assert fresh.errors == []
    fresh.goto(save("<script>console.error('wrong', 1); missing()</script>"))
    said, thrown = fresh.errors
    assert said == "wrong 1"
    assert thrown.startswith("ReferenceError: missing is not defined")
    fresh.goto(f"{site}/asks")
    fresh.wait_for("window.answered")
    assert [error for error in fresh.errors if "404" in error and error.endswith(f"{site}/missing")]


def test_an_expression_has_a_value(page: Page) -> None:
    assert page.evaluate("({a: [1, 'x', null, true]})") == {"a": [1, "x", None, True]}
    assert page.evaluate("new Promise(done => setTimeout(() => done(innerWidth), 10))") == 400
    assert page.evaluate("undefined") is None
    assert page.evaluate("0 / 0") == "NaN"


@pytest.mark.parametrize(
    ("javascript", "text"),
    [
        ("missing", "missing: ReferenceError: missing is not defined"),
        ("Promise.reject(new Error('too late'))", "Error: too late"),
        ("(() => { throw 'plain' })()", ": plain"),
        ("1 +", "SyntaxError"),
        ("window", "window: .+"),
    ],
)
def test_an_expression_may_fail(javascript: str, text: str, page: Page) -> None:
    with pytest.raises(RuntimeError, match=text):
        page.evaluate(javascript)


def test_waiting_ends_when_it_becomes_true(page: Page, show: Callable[[str], None]) -> None:
    show("<script>setTimeout(() => document.body.append(document.createElement('hr')), 200)</script>")
    assert page.evaluate("document.querySelector('hr')") is None
    page.wait_for("document.querySelector('hr').tagName == 'HR'")
    assert page.evaluate("document.querySelector('hr') !== null") is True


def test_waiting_has_an_end(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TimeoutError, match=r"1 > 2: not true within 0.2 s$"):
        page.wait_for("1 > 2", seconds=0.2)
    with pytest.raises(TimeoutError, match=r"missing: not true within 0.5 s; .*missing is not defined"):
        page.wait_for("missing", seconds=0.5)
    with pytest.raises(TimeoutError, match=r"Promise.*: not true within 0.2 s"):
        page.wait_for("new Promise(() => 0)", seconds=0.2)
    monkeypatch.setattr(browser, "ANSWER_SECONDS", 0.2)
    with pytest.raises(TimeoutError, match=r"Promise.*: not within 0.2 s"):
        page.evaluate("new Promise(() => 0)")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(TimeoutError, match=f"opening {address}: not within 0.2 s"):
            page.goto(address)


def test_a_page_that_chatters_does_not_stretch_the_limit(page: Page, show: Callable[[str], None]) -> None:
    show("<script>setInterval(() => { for (let i = 0; i < 50; i++) console.log(i) }, 1)</script>")
    with pytest.raises(TimeoutError, match=r"not within 0.3 s"):
        page.evaluate("new Promise(() => 0)", seconds=0.3)


def is_running(pid: int) -> bool:
    """Whether a process is there, be it only as one that has ended and that nobody waited for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def descriptors() -> set[str]:
    """The numbers of this process' open files; that of the listing itself is the first free one."""
    return {path.name for path in Path("/dev/fd").iterdir()}


def test_the_page_has_the_size_asked_for(tmp_path: Path) -> None:
    with open_browser(tmp_path, width=333, height=222) as page:
        assert page.evaluate("[innerWidth, innerHeight, devicePixelRatio]") == [333, 222, 1]


def test_nothing_is_left_after_the_block(tmp_path: Path) -> None:
    before = descriptors()
    with open_browser(tmp_path) as page:
        assert is_running(page.pid)
        assert not descriptors() <= before
    assert not is_running(page.pid)
    assert descriptors() <= before


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    pids = []

    def fail() -> None:
        with open_browser(tmp_path) as page:
            pids.append(page.pid)
            page.evaluate("missing")

    with pytest.raises(RuntimeError, match="missing is not defined"):
        fail()
    assert [is_running(pid) for pid in pids] == [False]


def test_a_browser_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "END_SECONDS", 0.2)
    with open_browser(tmp_path) as page:
        os.kill(page.pid, signal.SIGSTOP)
    assert not is_running(page.pid)


def test_a_browser_that_dies_is_reported(tmp_path: Path) -> None:
    with open_browser(tmp_path) as page:
        (tmp_path / "browser.log").write_text("out of luck", encoding="utf-8")
        os.kill(page.pid, signal.SIGKILL)
        with pytest.raises(ConnectionError, match=r"the browser has ended; .*: out of luck"):
            page.evaluate("new Promise(() => 0)")


def test_without_a_browser_the_test_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert browser.find_browser() is None
    with (
        pytest.raises(pytest.skip.Exception, match=r"none of chromium, .*chrome is installed"),
        open_browser(tmp_path),
    ):
        pass


def test_any_of_the_names_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in reversed(browser.BROWSERS):
        (tmp_path / name).touch(mode=0o755)
        assert browser.find_browser() == str(tmp_path / name)
