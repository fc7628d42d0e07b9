import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kilnsense.errors import InputError
from kilnsense.record.plots import lines_svg
from kilnsense.record.report import (
    Confusion,
    Figure,
    FrameCard,
    Plot,
    Report,
    ScoreRow,
    render_report,
    write_report,
)

ORANGE = np.full((300, 800, 3), (230, 120, 20), np.uint8)


def card(state: str | None, truth: str = "under", caption: str = "run/1.png") -> FrameCard:
    reason = "accepted" if state else "unfamiliar"
    return FrameCard(ORANGE, caption, truth, state, state or "over", 0.75, reason)


REPORT = Report(
    title="run <1>",
    answer="It is right & says so.",
    notice="Rendered frames.",
    figures=(Figure("balanced accuracy", "0.912"), Figure("best baseline", "0.743", "descriptors")),
    frames=(card("under"), card("over"), card(None), card("over", truth="")),
    confusion=Confusion(("under", "over"), ((3, 1), (0, 0))),
    scores=(ScoreRow("svm", 0.912, 0.9, spread=0.02, coverage=0.8), ScoreRow("luminance", 0.6, 0.5, True)),
    plots=(Plot("Training", lines_svg({"loss": [1.0, 0.5]}), "Lower is better."),),
    provenance=(("model", "0123456789ab"),),
    config="name: kiln\n",
)


class Page(HTMLParser):
    """Counts open tags and collects what a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.depth: list[str] = []
        self.fetched: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        sources = [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        self.fetched += [source for source in sources if not source.startswith("#")]
        if tag not in ("meta", "link", "img", "br"):
            self.depth.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.depth.pop() == tag


def parse(text: str) -> Page:
    page = Page()
    page.feed(text)
    assert not page.depth
    return page


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    text = render_report(REPORT)
    page = parse(text)
    assert len(page.fetched) == 5
    assert all(address.startswith("data:") for address in page.fetched)
    assert not {"script", "iframe", "object", "form"} & set(page.tags)
    assert not re.search(r"https?://|url\((?!#)|@import", text)
    assert "default-src 'none'" in text


def test_texts_are_escaped() -> None:
    nasty = "<img src=x onerror=alert(1)>"
    report = replace(REPORT, answer=nasty, config=nasty, frames=(card(None, caption=nasty),))
    text = render_report(report)
    assert "<img src=x" not in text
    assert text.count("&lt;img src=x onerror") >= 3
    assert "run &lt;1&gt;" in text


def test_the_answer_comes_before_everything_else() -> None:
    text = render_report(REPORT)
    marks = [
        "Rendered frames.",
        "right &amp; says so",
        "0.912",
        "0.743",
        "✓ under",
        "75 %",
        "luminance (baseline)",
        "<svg",
        "0123456789ab",
    ]
    assert [text.index(mark) for mark in marks] == sorted(text.index(mark) for mark in marks)


def test_outcomes_are_said_in_words() -> None:
    assert [shown.outcome for shown in REPORT.frames] == ["right", "wrong", "withheld", "named"]
    text = " ".join(render_report(REPORT).split())
    assert "✓ under" in text
    assert "✗ over" in text
    assert "– no state</span> unfamiliar; nearest over, 0.75; labelled under" in text


def test_numbers_and_gaps_of_the_comparison() -> None:
    text = render_report(REPORT)
    assert "0.912 ± 0.020" in text
    assert "<td>0.800</td><td>–</td>" in text


def test_confusion_shares_are_of_the_row_and_empty_rows_are_zero() -> None:
    assert REPORT.confusion is not None
    assert REPORT.confusion.shares == ((0.75, 0.25), (0.0, 0.0))
    with pytest.raises(InputError, match=r"Confusion\.counts: got 1 rows, allowed: 2 rows of 2"):
        Confusion(("a", "b"), ((1, 2),))


def test_pictures_are_reduced_jpegs_with_the_right_colours() -> None:
    data = card("under").picture.removeprefix("data:image/jpeg;base64,")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert image.size == (560, 210)
    assert np.abs(np.asarray(image)[100, 280].astype(int) - (230, 120, 20)).max() <= 4


def test_a_bare_report_is_a_whole_page() -> None:
    text = render_report(Report("t", "a", ()))
    parse(text)
    assert "<h2>" not in text


def test_writing_publishes_the_page(tmp_path: Path) -> None:
    write_report(tmp_path / "runs" / "report.html", REPORT)
    assert (tmp_path / "runs" / "report.html").read_text(encoding="utf-8") == render_report(REPORT)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["report.html"]
