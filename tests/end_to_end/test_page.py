"""The report page in a real browser: it renders, and asks the network for nothing."""

import html
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from kilnsense.record.report import write_report
from kilnsense.training.showcase import make_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def page(tiny_saved, tiny_learned, tiny_trial, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """report.html of the tiny model on its held-out run."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(path, make_report(tiny_saved, tiny_learned, tiny_trial))
    return path


def open_page(page: Path, folder: Path) -> tuple[str, list[str]]:
    """The document after it was rendered, and the addresses that the browser asked for meanwhile."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip(f"no browser to open the page in: none of {', '.join(BROWSERS)} is installed")
    log = folder / "net.json"
    done = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
            *("--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}"),
            *(f"--log-net-log={log}", "--dump-dom", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    record = json.loads(log.read_text(encoding="utf-8"))
    begun = record["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    asked = [event.get("params", {}).get("url", "") for event in record["events"] if event["type"] == begun]
    return done.stdout, [url for url in asked if url.startswith(("http:", "https:", "ws:", "wss:", "ftp:"))]


def of_the_page(urls: list[str]) -> list[str]:
    """Without what the browser itself asks of its maker."""
    return [url for url in urls if ".google" not in url and ".gvt1." not in url]


def test_the_page_stands_without_a_network(page: Path, tiny_saved, tmp_path: Path) -> None:
    shown, asked = open_page(page, tmp_path)
    title = f"{tiny_saved.config.name}: burning state of 1 held-out runs"
    assert "<h1" in shown
    assert html.escape(title) in shown
    assert tiny_saved.model_id in shown
    assert shown.count("<svg") >= 2 or shown.count("data:image") >= 8
    assert of_the_page(asked) == []


def test_the_record_sees_a_request(tmp_path: Path) -> None:
    """A page that does ask for something is caught: the check above can fail."""
    page = tmp_path / "asks.html"
    page.write_text("<h1>x</h1><img src='https://example.test/a.png'>", encoding="utf-8")
    assert of_the_page(open_page(page, tmp_path)[1]) == ["https://example.test/a.png"]
