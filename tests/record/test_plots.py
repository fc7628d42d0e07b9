import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from sklearn.decomposition import PCA

from kilnsense.errors import InputError, MissingExtraError
from kilnsense.record.plots import coverage_svg, lines_svg, project, reliability_svg, scatter_svg


def drawing(svg: str) -> ElementTree.Element:
    """The drawing as a tree; a text that is no XML raises."""
    return ElementTree.fromstring(svg)


def group(svg: str, name: str) -> ElementTree.Element:
    return next(node for node in drawing(svg).iter("g") if node.get("id", "").endswith(f"-{name}"))


def markers(svg: str, name: str) -> list[tuple[float, float, str]]:
    """x, y (both right and up) and style of every marker of a group, used shapes or plain ones."""
    node = group(svg, name)
    uses = [(use.get("x", ""), use.get("y", ""), use.get("style", "")) for use in node.iter("use")]
    shapes = [
        (*path.get("d", "").split()[1:3], path.get("style", "")) for path in node.iter("path") if not uses
    ]
    return [(float(x), -float(y), style) for x, y, style in uses or shapes]


def texts(svg: str) -> list[str]:
    return [node.text or "" for node in drawing(svg).iter("text")]


def test_projection_agrees_with_scikit_learn_up_to_sign() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 6)) * np.arange(1, 7)
    points, shares = project(rows)
    oracle = PCA(2).fit(rows)
    assert np.allclose(np.abs(points), np.abs(oracle.transform(rows)))
    assert np.allclose(shares, oracle.explained_variance_ratio_)
    assert np.ptp(points) > 1


def test_projection_is_fixed_in_sign() -> None:
    rows = np.random.default_rng(1).normal(size=(20, 3))
    assert np.allclose(project(rows)[0], project(rows.copy(order="F"))[0])
    assert np.allclose(project(rows[::-1])[0][::-1], project(rows)[0])


@pytest.mark.parametrize("shape", [(1, 4), (5, 1), (3, 2)])
def test_projection_of_little_data_is_finite(shape: tuple[int, int]) -> None:
    points, shares = project(np.ones(shape))
    assert points.shape == (shape[0], 2)
    assert np.isfinite(points).all()
    assert shares == (0.0, 0.0)


def test_projection_needs_rows() -> None:
    with pytest.raises(InputError, match=r"project: got shape \(0, 3\)"):
        project(np.zeros((0, 3)))


def test_scatter_draws_every_point_with_its_sign() -> None:
    points = np.random.default_rng(0).normal(size=(12, 2))
    labels, held = ["a<b", "c"] * 6, [True] * 4 + [False] * 8
    svg = scatter_svg(points, labels, held, classes=("a<b", "c"))
    drawn = [markers(svg, f"PathCollection_{number}") for number in (1, 2, 3, 4)]
    assert [len(part) for part in drawn] == [4, 4, 2, 2]
    assert ["fill: none" in part[0][2] for part in drawn] == [True, True, False, False]
    assert {"a<b", "c"} <= set(texts(svg))
    outlines = [next(group(svg, f"PathCollection_{number}").iter("path")).get("d") for number in (1, 2)]
    assert outlines[0] != outlines[1]


def test_scatter_keeps_up_and_right() -> None:
    points = np.array([[0.0, 0.0], [1.0, 2.0]])
    svg = scatter_svg(points, ["a", "a"], [True, True], classes=("a",))
    (x0, y0, _), (x1, y1, _) = markers(svg, "PathCollection_2")
    assert x1 > x0
    assert y1 > y0


def test_scatter_of_one_place_is_drawn() -> None:
    svg = scatter_svg(np.zeros((3, 2)), ["a"] * 3, [True] * 3, classes=("a",))
    assert np.isfinite([place[:2] for place in markers(svg, "PathCollection_2")]).all()


def test_scatter_refuses_what_does_not_fit() -> None:
    with pytest.raises(InputError, match=r"scatter: got \(2, 2\) points, 1 labels"):
        scatter_svg(np.zeros((2, 2)), ["a"], [True], classes=("a",))
    with pytest.raises(InputError, match="scatter: got label 'b', allowed: a"):
        scatter_svg(np.zeros((1, 2)), ["b"], [True], classes=("a",))


def test_curves_leave_gaps_and_differ_in_colour_and_dashes() -> None:
    svg = lines_svg({"loss": [3.0, float("nan"), 1.0, 0.5], "other": [1.0, 1.0, 1.0, 1.0]})
    curves = [path for path in drawing(svg).iter("path") if "stroke-width: 1.5" in path.get("style", "")]
    first, second = (path.get("d", "") for path in curves[:2])
    assert (first.count("L"), second.count("L")) == (1, 3)
    assert "nan" not in svg
    assert "stroke-dasharray" not in curves[0].get("style", "")
    assert "stroke-dasharray" in curves[1].get("style", "")


@pytest.mark.parametrize(
    "curve", [[1.0], [0.0, 0.0], [1e-9, 2e-9], [5e6, 1e6], [-1.0, 1.0], list(range(300))]
)
def test_curves_of_any_size_are_drawn(curve: list[float]) -> None:
    assert {"value", "epoch"} <= set(texts(lines_svg({"value": curve})))


def test_curves_need_a_finite_value() -> None:
    with pytest.raises(InputError, match="curves: got no finite value"):
        lines_svg({"loss": [float("nan")]})


def test_reliability_counts_every_frame_once() -> None:
    confidence = np.array([0.4, 0.45, 0.9, 1.0, 0.95])
    svg = reliability_svg(confidence, np.array([True, False, True, True, False]), bins=4)
    assert [text for text in texts(svg) if text in ("2", "3")] == ["2", "3"]
    marked = next(node for node in drawing(svg).iter("g") if len(node.findall("use")) == 2)
    (x0, y0), (x1, y1) = ((float(u.get("x", "")), -float(u.get("y", ""))) for u in marked.findall("use"))
    assert x1 > x0
    assert y1 > y0  # 2 of 3 right against 1 of 2


def test_coverage_falls_where_the_doubtful_frames_are_wrong() -> None:
    svg = coverage_svg(np.array([0.5, 0.9, 0.7]), np.array([False, True, True]), used=(0.6, 1.0))
    path = next(p for p in drawing(svg).iter("path") if "stroke: #0072b2" in p.get("style", ""))
    heights = [-float(y) for _, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", path.get("d", ""))]
    assert heights[0] == heights[1] > heights[2]


def test_judged_frames_must_fit() -> None:
    with pytest.raises(InputError, match=r"reliability: got \(2,\) confidences and \(1,\) answers"):
        reliability_svg(np.ones(2), np.ones(1, bool))
    with pytest.raises(InputError, match=r"coverage: got \(0,\)"):
        coverage_svg(np.ones(0), np.ones(0, bool), used=(0.0, 1.0))


def test_two_drawings_in_a_page_share_no_name_and_reach_for_nothing() -> None:
    first, second = lines_svg({"loss": [1.0, 2.0]}), lines_svg({"loss": [2.0, 1.0]})
    names = [re.findall(r'id="([^"]+)"', svg) for svg in (first, second)]
    assert not set(names[0]) & set(names[1])
    for svg, own in zip((first, second), names, strict=True):
        assert set(re.findall(r'(?:href="|url\()#([^")]+)', svg)) <= set(own)
        assert not re.search(r"https?:|<style|<metadata|@import", svg)
        assert re.match(r'<svg viewBox="0 0 [\d.]+ [\d.]+" ', svg)


def test_the_same_numbers_give_the_same_text() -> None:
    assert lines_svg({"loss": [1.0, 2.0]}) == lines_svg({"loss": [1.0, 2.0]})


def test_plots_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"Matplotlib is missing; install kilnsense\[train\]"):
        lines_svg({"loss": [1.0]})
