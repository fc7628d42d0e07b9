"""The page of a review in a real browser: labelled by keyboard, taken back, killed, gone on with."""

import signal
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kilnsense.recogniser import Recogniser
from kilnsense.record.review_log import read_reviewed
from tests.browser import Page, open_browser
from tests.labelled_run import make_run, mixed_root, served

OVERLAY = "document.getElementById('overlay')"


@pytest.fixture
def labelled(tiny_root: Path, tiny_bundle: Path, tiny_recogniser: Recogniser, tmp_path: Path) -> Path:
    root = mixed_root(tmp_path / "frames", tiny_root)
    return make_run(tmp_path / "run", root, tiny_bundle, tiny_recogniser)


def ready(page: Page, place: int) -> None:
    page.wait_for(f"document.body.dataset.ready === '{place}'")


def text(page: Page, name: str) -> str:
    return str(page.evaluate(f"document.getElementById('{name}').innerText"))


def pressed(page: Page) -> list[str]:
    return list(
        page.evaluate(
            "[...document.querySelectorAll('#classes [aria-pressed=true]')].map(b => b.dataset.label)"
        )
    )


def test_ten_frames_are_labelled_by_keyboard_and_nothing_is_lost(labelled: Path, tmp_path: Path) -> None:
    keys = "1231231231"
    names = {"1": "under", "2": "normal", "3": "over"}
    paths = []
    with open_browser(tmp_path) as page:
        with served(labelled, "--reviewer", "Ada") as server:
            page.goto(server.address)
            for place, key in enumerate(keys):
                ready(page, place)
                assert text(page, "count") == f"{place} of 19"
                paths.append(text(page, "path"))
                page.press(key)
            ready(page, 10)
            assert read_reviewed(labelled) == {
                path: names[key] for path, key in zip(paths, keys, strict=True)
            }
            assert len(set(paths)) == 10
            page.press("u")
            ready(page, 9)
            assert (text(page, "count"), pressed(page)) == ("9 of 19", [])
            assert len(read_reviewed(labelled)) == 9
            page.goto(f"http://127.0.0.1:{server.port}/")  # the key is in the cookie
            ready(page, 9)
            assert (text(page, "count"), text(page, "path")) == ("9 of 19", paths[9])
            page.press("ArrowLeft")
            ready(page, 8)
            assert pressed(page) == ["over"]
            server.process.send_signal(signal.SIGKILL)
            server.process.wait(10)
            page.press("1")
            page.wait_for("!document.getElementById('message').hidden")
            assert "The review has ended" in text(page, "message")
        with served(labelled) as server:
            page.goto(server.address)
            ready(page, 9)
            assert text(page, "count") == "9 of 19"
            page.press("u")  # of a label of the process that was killed
            ready(page, 8)
            assert list(read_reviewed(labelled)) == paths[:8]
            assert {urlsplit(url).hostname for url in page.requests} == {"127.0.0.1"}


def test_the_page_shows_what_it_should_and_asks_nobody_else(labelled: Path, tmp_path: Path) -> None:
    with served(labelled) as server, open_browser(tmp_path, width=1280) as page:
        page.goto(server.address)
        ready(page, 0)
        assert page.evaluate("location.href") == f"http://127.0.0.1:{server.port}/"
        assert page.evaluate("document.cookie") == ""
        assert page.evaluate("document.getElementById('picture').naturalWidth") == 160
        box = page.evaluate("document.getElementById('picture').getBoundingClientRect().toJSON()")
        assert box["width"] > 700
        assert page.evaluate("document.querySelectorAll('#nearest li').length") == 6
        page.wait_for("[...document.querySelectorAll('#nearest img')].every(one => one.naturalWidth > 0)")
        shares = page.evaluate(
            "[...document.querySelectorAll('#bars .row span:last-child')].map(e => +e.innerText)"
        )
        widths = page.evaluate(
            "[...document.querySelectorAll('#bars i')].map(e => e.offsetWidth / e.parentElement.offsetWidth)"
        )
        assert sum(shares) == pytest.approx(1, abs=0.02)
        assert widths == pytest.approx(shares, abs=0.02)
        assert {url.partition("/?")[0].split("/")[2] for url in page.requests} == {f"127.0.0.1:{server.port}"}
        assert page.errors == []


def test_the_regions_come_and_go_with_a_key_and_stay_for_the_next_picture(
    labelled: Path, tmp_path: Path
) -> None:
    with served(labelled) as server, open_browser(tmp_path) as page:
        page.goto(server.address)
        ready(page, 0)
        assert page.evaluate(f"{OVERLAY}.offsetHeight") == 0
        page.press("o")
        page.wait_for(f"{OVERLAY}.offsetHeight > 200 && {OVERLAY}.naturalWidth >= 480")
        ready(page, 0)
        page.press("ArrowRight")
        ready(page, 1)
        page.wait_for(f"{OVERLAY}.src.endsWith('/places/1/overlay.jpg') && {OVERLAY}.offsetHeight > 200")
        page.press("o")
        page.wait_for(f"{OVERLAY}.offsetHeight === 0")
        ready(page, 1)
        assert page.errors == []


def test_skipping_buttons_and_the_end_of_the_queue(labelled: Path, tmp_path: Path) -> None:
    with served(labelled, "--top", "10%") as server, open_browser(tmp_path) as page:
        page.goto(server.address)
        ready(page, 0)
        assert text(page, "count") == "0 of 2"
        page.press("s")
        ready(page, 1)
        page.press("s")
        ready(page, 0)
        page.press("9")  # no such class
        page.press("ArrowLeft")  # nothing before the first
        ready(page, 0)
        assert page.evaluate("document.getElementById('message').hidden")
        page.click("#classes button[data-label=normal]")
        ready(page, 1)
        page.press(" ")  # does not press the button again
        page.click("#classes button[data-label=over]")
        page.wait_for("!document.getElementById('message').hidden")
        assert text(page, "message").startswith("All 2 are labelled")
        assert sorted(read_reviewed(labelled).values()) == ["normal", "over"]
        assert pressed(page) == ["over"]


def test_a_picture_that_is_gone_is_told_and_cannot_be_labelled(labelled: Path, tmp_path: Path) -> None:
    (labelled.parent / "frames").rename(tmp_path / "elsewhere")
    (labelled.parent / "frames").mkdir()  # the disk is there, the pictures are not
    with served(labelled) as server, open_browser(tmp_path) as page:
        page.goto(server.address)
        ready(page, 0)
        assert "This picture cannot be shown" in text(page, "problem")
        assert page.evaluate("[...document.querySelectorAll('#classes button')].every(b => b.disabled)")
        page.press("1")
        ready(page, 0)
        page.press("s")
        ready(page, 1)
        assert read_reviewed(labelled) == {}


def test_it_fits_a_phone(labelled: Path, tmp_path: Path) -> None:
    with served(labelled) as server, open_browser(tmp_path, width=390, height=844) as page:
        page.goto(server.address)
        ready(page, 0)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        lowest = page.evaluate("document.getElementById('moves').getBoundingClientRect().bottom")
        assert lowest < 844
        sizes = page.evaluate("[...document.querySelectorAll('button')].map(b => b.offsetHeight)")
        assert min(sizes) >= 44
