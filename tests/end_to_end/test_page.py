"""The report page in a real browser: it renders, and asks the network for nothing."""

from pathlib import Path

import pytest

from kilnsense.record.report import write_report
from kilnsense.training.showcase import make_report
from tests.browser import open_browser


@pytest.fixture(scope="module")
def page(tiny_saved, tiny_learned, tiny_trial, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """report.html of the tiny model on its held-out run."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(path, make_report(tiny_saved, tiny_learned, tiny_trial))
    return path


def test_the_page_stands_without_a_network(page: Path, tiny_saved, tmp_path: Path) -> None:
    with open_browser(tmp_path) as shown:
        shown.goto(page.as_uri())
        title = f"{tiny_saved.config.name}: burning state of 1 held-out runs"
        assert shown.evaluate("document.querySelector('h1').innerText") == title
        assert tiny_saved.model_id in shown.evaluate("document.body.innerText")
        assert shown.evaluate("document.querySelectorAll('svg').length") >= 2
        assert shown.evaluate("document.images.length") >= 8
        assert shown.evaluate("[...document.images].every(image => image.naturalWidth > 0)") is True
        assert shown.requests == [page.as_uri()]
        assert shown.errors == []


def test_the_record_sees_a_request(tmp_path: Path) -> None:
    """A page that does ask for something is caught: the check above can fail."""
    page = tmp_path / "asks.html"
    page.write_text("<h1>x</h1><img src='https://example.test/a.png'>", encoding="utf-8")
    with open_browser(tmp_path) as shown:
        shown.goto(page.as_uri())
        assert shown.requests == [page.as_uri(), "https://example.test/a.png"]
