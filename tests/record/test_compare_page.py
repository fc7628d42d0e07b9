"""Bars on one axis, and the lines of coverage."""

import numpy as np
import pytest

from kilnsense.record.compare_page import bars
from kilnsense.record.compare_plots import coverages_svg
from kilnsense.record.standing import Bar


def test_bars_lie_on_one_axis_with_room_at_its_ends() -> None:
    (low, high), (first, second) = bars([(0.2, 0.5, 0.7), (0.4, 0.6, 1.2)])
    assert (low, high) == pytest.approx((0.16, 1.24))
    assert first.low == pytest.approx(100 * 0.04 / 1.08)
    assert second.high == pytest.approx(100 * 1.04 / 1.08)
    assert 0 < first.low < first.mean < second.mean < second.high < 100
    assert bars([(0.5, 0.5, 0.5)])[1] == [Bar(50.0, 50.0, 50.0)]


def test_the_line_of_coverage_starts_with_the_most_confident(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[list[float]] = []

    class Panel:
        def plot(self, x, y, *_: object, **__: object) -> None:  # type: ignore[no-untyped-def]
            drawn.append([list(np.atleast_1d(x)), list(np.atleast_1d(y))])

        def set(self, **_: object) -> None:
            pass

    class Figure:
        def subplots(self) -> Panel:
            return Panel()

        def legend(self, **_: object) -> None:
            pass

    monkeypatch.setattr(
        "kilnsense.record.compare_plots.draw_svg", lambda _, fill: fill(Figure()) or "<svg></svg>"
    )
    right = np.array([True, True, False, True])
    coverages_svg({"knn": (np.array([0.9, 0.8, 0.5, 0.6]), right, np.array([True, False, False, True]))})
    assert drawn[0] == [[0.25, 0.5, 0.75, 1.0], [1.0, 1.0, 1.0, 0.75]]
    assert drawn[1] == [[0.5], [1.0]]


def test_a_line_and_a_mark_for_each_classifier_whose_names_are_escaped() -> None:
    rng = np.random.default_rng(0)
    right = rng.random(50) < 0.8
    drawn = coverages_svg(
        {
            "knn": (rng.random(50), right, rng.random(50) < 0.7),
            "<b>": (rng.random(50), right, np.zeros(50, bool)),
        }
    )
    assert drawn.startswith("<svg")
    assert "&lt;b&gt;" in drawn
    assert "<b>" not in drawn
    assert "knn" in drawn
