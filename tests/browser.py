"""A real browser for tests: it opens pages, clicks, presses keys, and notes what a page asks for.

    with open_browser(tmp_path) as page:
        page.goto(file.as_uri())
        page.click("summary")
        assert page.evaluate("document.querySelector('details').open")
        assert page.errors == []

A headless Chromium is driven over the pipes of its DevTools protocol; it reaches nothing but this machine.
"""

import base64
import contextlib
import json
import os
import select
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from typing import Any, Literal

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"),
    *("--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"),
    *("--hide-scrollbars", "--remote-debugging-pipe"),
)

MOVE_PIPES = 'exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null'
"""A shell command that starts its arguments with its own input and output as the descriptors 3 and 4."""

ARROWS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, **ARROWS}
"""Named keys and their Windows codes, which the browser wants on every system."""

ANSWER_SECONDS = 30.0
"""How long the browser may take for one answer or for loading a page."""

END_SECONDS = 5.0
"""How long the browser may take to end by itself before it is killed."""

FOLLOW = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True}
"""To be told of what a page starts (windows, frames, workers) before that asks for anything."""

FIND_MIDDLE = """selector => {
  const element = document.querySelector(selector);
  if (element === null) return null;
  element.scrollIntoView({block: "center", inline: "center", behavior: "instant"});
  const box = element.getBoundingClientRect(), seen = visualViewport;
  const x = box.x + box.width / 2 - seen.offsetLeft, y = box.y + box.height / 2 - seen.offsetTop;
  return [x, y, box.width * box.height];
}"""
"""x and y of an element's middle in what is seen, and its area, in CSS pixels; null if it is missing."""

Message = dict[str, Any]


def find_browser() -> str | None:
    """The path of the first browser that is installed."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


@contextlib.contextmanager
def open_browser(folder: Path, *, width: int = 1200, height: int = 900) -> Iterator["Page"]:
    """An empty page of `width` x `height` CSS pixels; skips the test where no browser is installed.

    The browser keeps its profile and its log in `folder`, so two open browsers need two folders.
    """
    browser = find_browser()
    if browser is None:
        pytest.skip(f"no browser to open the page in: none of {', '.join(BROWSERS)} is installed")
    log, profile = folder / "browser.log", f"--user-data-dir={folder / 'profile'}"
    command = ["sh", "-c", MOVE_PIPES, browser, *FLAGS, profile, "about:blank"]
    with log.open("wb") as told, Popen(command, stdin=PIPE, stdout=PIPE, stderr=told, bufsize=0) as process:
        try:
            yield Page(process, log, width=width, height=height)
        finally:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except TimeoutExpired:
                process.kill()


class _Wire:
    """Messages to and from a browser: JSON, each closed by a zero byte."""

    def __init__(self, process: Popen[bytes], log: Path) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._into, self._out_of, self._log = process.stdin, process.stdout, log
        self._received = bytearray()

    def write(self, message: Message) -> None:
        """Sends one message; if the browser has ended, the next `read` tells so."""
        with contextlib.suppress(BrokenPipeError):
            self._into.write(json.dumps(message).encode() + b"\0")

    def read(self, seconds: float) -> Message | None:
        """The next message, or None if none is complete within `seconds`."""
        end = time.monotonic() + seconds
        while (length := self._received.find(b"\0")) < 0:
            if not select.select([self._out_of], [], [], max(0.0, end - time.monotonic()))[0]:
                return None
            part = os.read(self._out_of.fileno(), 1 << 20)
            if not part:
                text = self._log.read_text(encoding="utf-8", errors="replace")
                raise ConnectionError(f"the browser has ended; its log closes with: {text[-2000:]}")
            self._received += part
        message: Message = json.loads(self._received[:length])
        del self._received[: length + 1]
        return message


class Page:
    """The first page of a browser of process `pid`; a wait that lasts too long raises TimeoutError."""

    def __init__(self, process: Popen[bytes], log: Path, *, width: int, height: int) -> None:
        self.pid = process.pid
        self._wire = _Wire(process, log)
        self._sent = 0
        self._unanswered: set[int] = set()
        self._answers: dict[int, Message] = {}
        self._loaded: set[str] = set()
        self._requests: list[str] = []
        self._errors: list[str] = []
        self._session: str | None = None
        self._call("Target.setAutoAttach", {**FOLLOW, "filter": [{"type": "page"}]})
        # A page that goes elsewhere before it has answered forgets what it was asked to tell.
        self._listen_until(lambda: self._session is not None and not self._unanswered, "the first page")
        self.resize(width, height)

    @property
    def requests(self) -> list[str]:
        """All addresses that the page and what it started asked for, in order; none of data: and about:."""
        self.wait_for("true")
        return [url for url in self._requests if not url.startswith(("data:", "about:"))]

    @property
    def errors(self) -> list[str]:
        """All exceptions that nobody caught and all errors in the console, in order."""
        self.wait_for("true")
        return list(self._errors)

    def forget(self) -> None:
        """Leaves the page, and forgets what was asked for and what went wrong."""
        self.goto("about:blank")
        self.wait_for("true")
        self._requests.clear()
        self._errors.clear()

    def goto(self, url: str) -> None:
        """Opens an address and waits until all of it is loaded."""
        answer = self._call("Page.navigate", {"url": url}, f"opening {url}")
        if "errorText" in answer:
            raise RuntimeError(f"{url} does not open: {answer['errorText']}")
        loader = answer.get("loaderId")
        self._listen_until(lambda: loader is None or loader in self._loaded, f"load event of {url}")

    def evaluate(self, javascript: str, seconds: float | None = None) -> Any:
        """The value of an expression, or of the promise that it is; NaN and infinities come as texts."""
        question = {"expression": javascript, "returnByValue": True, "awaitPromise": True}
        answer = self._call("Runtime.evaluate", question, javascript, seconds)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{javascript}: {_text_of(answer['exceptionDetails'])}")
        return answer["result"].get("value", answer["result"].get("unserializableValue"))

    def wait_for(self, javascript: str, seconds: float = 10.0) -> None:
        """Evaluates an expression again and again until it is true; one that throws is not true yet."""
        end, last = time.monotonic() + seconds, ""
        while (left := end - time.monotonic()) > 0:
            try:
                if self.evaluate(javascript, left):
                    return
            except TimeoutError:
                break
            except RuntimeError as error:
                last = f"; the last error: {error}"
            self._listen(0.05)
        raise TimeoutError(f"{javascript}: not true within {seconds:g} s{last}")

    def click(self, selector: str) -> None:
        """Clicks with the mouse at the middle of the first element that a CSS selector matches."""
        self._call("Page.bringToFront", {})
        place = self.evaluate(f"({FIND_MIDDLE})({json.dumps(selector)})")
        if place is None:
            raise LookupError(f"nothing to click: no element matches {selector}")
        x, y, area = place
        if not area:
            raise LookupError(f"nothing to click: the element at {selector} has no size")
        at: Message = {"x": x, "y": y, "button": "left", "clickCount": 1}
        self._call("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})
        self._call("Input.dispatchMouseEvent", {"type": "mousePressed", **at})
        self._call("Input.dispatchMouseEvent", {"type": "mouseReleased", **at})

    def press(self, key: str) -> None:
        """Presses and releases one key: a letter, a digit, " ", or one of `KEYS`."""
        event = _key_event(key)
        self._call("Page.bringToFront", {})
        self._call("Input.dispatchKeyEvent", {"type": "keyDown", **event})
        self._call("Input.dispatchKeyEvent", {"type": "keyUp", **event})

    def type(self, text: str) -> None:
        """Puts a text into the field that has the focus; the page sees input, but no single keys."""
        self._call("Input.insertText", {"text": text})

    def screenshot(self, path: Path, full: bool = False) -> None:
        """Saves what is seen of the page as PNG; with `full`, the whole page."""
        self._call("Page.bringToFront", {})
        shot = self._call("Page.captureScreenshot", {"captureBeyondViewport": full})
        path.write_bytes(base64.b64decode(shot["data"]))

    def resize(self, width: int, height: int, scale: float = 1, mobile: bool = False) -> None:
        """Gives the page `width` x `height` CSS pixels of `scale` x `scale` device pixels each."""
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile}
        self._call("Emulation.setDeviceMetricsOverride", size)

    def emulate(self, colour_scheme: Literal["light", "dark"] = "light", grey: bool = False) -> None:
        """Shows the page as someone sees it who prefers `colour_scheme` and, if `grey`, sees no colours."""
        scheme = {"name": "prefers-color-scheme", "value": colour_scheme}
        self._call("Emulation.setEmulatedMedia", {"features": [scheme]})
        self._call("Emulation.setEmulatedVisionDeficiency", {"type": "achromatopsia" if grey else "none"})

    def _call(self, method: str, params: Message, what: str = "", seconds: float | None = None) -> Message:
        """The result of one command; `what` names it in errors."""
        number = self._send(method, params, self._session)
        self._listen_until(lambda: number in self._answers, what or method, seconds)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise RuntimeError(f"{what or method}: {answer['error']['message']}")
        return dict(answer["result"])

    def _send(self, method: str, params: Message, session: str | None) -> int:
        """Sends a command to the page or worker of a session, or to the browser; returns its number."""
        self._sent += 1
        self._unanswered.add(self._sent)
        message: Message = {"id": self._sent, "method": method, "params": params}
        self._wire.write(message if session is None else {**message, "sessionId": session})
        return self._sent

    def _watch(self, session: str) -> None:
        """Has a page or worker tell its events, and all that it starts theirs, before it goes on."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._send(f"{domain}.enable", {}, session)
        self._send("Page.setLifecycleEventsEnabled", {"enabled": True}, session)
        self._send("Target.setAutoAttach", FOLLOW, session)
        self._send("Runtime.runIfWaitingForDebugger", {}, session)

    def _listen_until(self, done: Callable[[], bool], what: str, seconds: float | None = None) -> None:
        """Takes in messages until something is done; `what` names it in the error."""
        limit = ANSWER_SECONDS if seconds is None else seconds
        end = time.monotonic() + limit
        while not done():
            left = end - time.monotonic()
            if left <= 0 or not self._listen(left):
                raise TimeoutError(f"{what}: not within {limit:g} s")

    def _listen(self, seconds: float) -> bool:
        """Takes in the next message; False if none came within `seconds`."""
        message = self._wire.read(seconds)
        if message is not None and "id" in message:
            self._unanswered.discard(message["id"])
            self._answers[message["id"]] = message
        elif message is not None:
            self._note(message["method"], message["params"])
        return message is not None

    def _note(self, event: str, params: Message) -> None:
        """Keeps what an event tells."""
        if event == "Network.requestWillBeSent":
            self._requests.append(params["request"]["url"])
        elif event in ("Network.webSocketCreated", "Network.webTransportCreated"):
            self._requests.append(params["url"])
        elif event == "Page.lifecycleEvent" and params["name"] == "load":
            self._loaded.add(params["loaderId"])
        elif event == "Target.attachedToTarget":
            self._session = self._session or params["sessionId"]
            self._watch(params["sessionId"])
        elif event == "Runtime.exceptionThrown":
            self._errors.append(_text_of(params["exceptionDetails"]))
        elif event == "Log.entryAdded" and params["entry"]["level"] == "error":
            self._errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}".strip())
        elif event == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self._errors.append(" ".join(_text_of(part) for part in params["args"]))


def _key_event(key: str) -> Message:
    """What the browser is told about a key."""
    if key in KEYS:
        text = {"text": "\r"} if key == "Enter" else {}
        return {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key], **text}
    if key == " " or (len(key) == 1 and key.isascii() and key.isalnum()):
        code = "Space" if key == " " else f"Digit{key}" if key.isdigit() else f"Key{key.upper()}"
        return {"key": key, "code": code, "windowsVirtualKeyCode": ord(key.upper()), "text": key}
    raise ValueError(f"no key {key!r}: give a letter, a digit, ' ' or one of {', '.join(KEYS)}")


def _text_of(thing: Message) -> str:
    """The text of an exception, or of something that a page wrote to the console."""
    thing = thing.get("exception", thing)
    return str(next(thing[name] for name in ("description", "value", "text", "type") if name in thing))
