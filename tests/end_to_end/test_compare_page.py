"""The page of a comparison in a real browser: first screen, cells that open their frames, no request."""

from pathlib import Path

import pytest

from kilnsense.cli.main import run
from tests.browser import open_browser


@pytest.fixture(scope="module")
def report(tiny_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """report.html of a small comparison."""
    folder = tmp_path_factory.mktemp("compare_page")
    words = ["compare", str(tiny_file), "--cv", "2x2", "--classifiers", "svm,lda", "--jobs", "1"]
    words += ["--set", "training.enabled=false", "--cache", str(folder / "cache")]
    assert run([*words, "--out", str(folder / "run")]) == 0
    return folder / "run" / "report.html"


def visible(selector: str) -> str:
    return f"getComputedStyle(document.querySelector({selector!r})).display != 'none'"


def test_a_click_on_a_cell_opens_its_frames_and_nothing_is_fetched(report: Path, tmp_path: Path) -> None:
    with open_browser(tmp_path) as page:
        page.goto(report.as_uri())
        assert page.evaluate("document.querySelectorAll('.opened').length") >= 9
        cell = page.evaluate(
            "[...document.querySelectorAll('.matrix td a')].find(a => a.innerText.trim()[0] != '0')"
            ".getAttribute('href')"
        )
        assert not page.evaluate(visible(cell))
        page.click(f".matrix a[href='{cell}']")
        page.wait_for(visible(cell))
        shown = f"document.querySelector({cell!r})"
        assert page.evaluate(f"{shown}.querySelectorAll('.card').length") >= 1
        box = page.evaluate(f"{shown}.querySelector('.thumb').getBoundingClientRect().toJSON()")
        assert box["width"] > 50
        assert box["height"] > 30
        assert "data:image/jpeg" in page.evaluate(
            f"getComputedStyle({shown}.querySelector('.thumb')).backgroundImage"
        )
        assert (
            page.evaluate("[...document.querySelectorAll('.opened')].filter(e => e.offsetHeight > 0).length")
            == 1
        )
        page.click(f"{cell} .close")
        page.wait_for(f"!({visible(cell)})")
        assert {url.partition("#")[0] for url in page.requests} == {report.as_uri()}
        assert page.errors == []


def test_the_answer_stands_on_the_first_screen_of_a_phone(report: Path, tmp_path: Path) -> None:
    with open_browser(tmp_path, width=390, height=844) as page:
        page.goto(report.as_uri())
        bottom = page.evaluate("document.querySelector('.answer strong').getBoundingClientRect().bottom")
        assert 0 < bottom < 844
        # The page itself does not scroll sideways; wide tables do so in their own boxes.
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
