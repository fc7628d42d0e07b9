import base64
import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from kilnsense.record.study_page import Cloud, Embedding, Series, Sweep
from kilnsense.record.study_plots import (
    GREY,
    MOST_LINES,
    MOST_NAMED,
    curves_svg,
    embedding_png,
    kinds_svg,
    spans_decades,
    sweep_svg,
)


def texts(svg: str) -> list[str]:
    return [(node.text or "").strip() for node in ElementTree.fromstring(svg).iter("text")]


def paths(svg: str, style: str) -> list[list[tuple[float, float]]]:
    """x and y (both right and up) of the corners of every path whose style has a text."""
    tree = ElementTree.fromstring(svg)
    shapes = {path.get("id", ""): path for path in tree.iter("path")}
    found = [path for path in tree.iter("path") if style in path.get("style", "")]
    used = [(use, shapes[use.get("href", "").lstrip("#")]) for use in tree.iter("use")]
    drawn = [(0.0, 0.0, path) for path in found]
    drawn += [
        (float(use.get("x", "")), float(use.get("y", "")), path)
        for use, path in used
        if style in use.get("style", "")
    ]
    corners = [(x, y, re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", path.get("d", ""))) for x, y, path in drawn]
    return [[(x + float(a), -y - float(b)) for a, b in path] for x, y, path in corners]


def largest(svg: str, style: str) -> np.ndarray:
    """(n, 2) corners of the longest path of a style: the line itself, not its sample in the legend."""
    return np.array(max(paths(svg, style), key=lambda path: np.ptp([x for x, _ in path] or [0.0])))


def sweep(*values: float) -> Sweep:
    points = tuple((x, 0.5 + 0.01 * n, 0.02) for n, x in enumerate(values))
    return Sweep("metric.margin", "macro_f1", (Series("<b>$x_1$</b>", points),))


def test_a_sweep_draws_its_values_and_their_spread() -> None:
    svg = sweep_svg(sweep(1, 2, 3))
    assert {"1", "2", "3", "metric.margin", "macro f1", "<b>$x_1$</b>"} <= set(texts(svg))
    x, y = largest(svg, "stroke: #0072b2; stroke-width: 1.5").T
    assert np.allclose(np.diff(x), np.diff(x)[0])
    assert (np.diff(y) > 0).all()
    band = largest(svg, "fill: #0072b2; fill-opacity")
    heights = band[np.abs(band[:, 0] - x[1]) < 0.01, 1]
    assert (max(heights) - y[1]) / (y[2] - y[1]) == pytest.approx(2, abs=0.01)
    assert (y[1] - min(heights)) / (y[2] - y[1]) == pytest.approx(2, abs=0.01)


def test_values_over_decades_stand_at_even_steps() -> None:
    svg = sweep_svg(sweep(0.01, 0.1, 1, 10))
    x = largest(svg, "stroke: #0072b2; stroke-width: 1.5")[:, 0]
    assert np.allclose(np.diff(x), np.diff(x)[0], atol=0.01)
    assert {"0.01", "0.1", "1", "10"} <= set(texts(svg))


@pytest.mark.parametrize(
    ("values", "decades"),
    [((16, 256), True), ((0.1, 0.5), False), ((0.0, 10.0), False), ((-1, 100), False), ((3,), False)],
)
def test_only_positive_values_far_apart_span_decades(values: tuple[float, ...], decades: bool) -> None:
    assert spans_decades(values) is decades


@pytest.mark.parametrize("values", [(0.2,), (0.0, 1.0), tuple(range(1, 40))])
def test_sweeps_of_any_length_are_drawn(values: tuple[float, ...]) -> None:
    assert "metric.margin" in texts(sweep_svg(sweep(*values)))


def test_lines_differ_in_colour_and_dashes_and_the_others_are_grey() -> None:
    curves = {f"line {n}": [0.1 * n, 0.2 * n + 0.1] for n in range(MOST_LINES + 3)}
    svg = curves_svg(curves, "loss")
    named = [text for text in texts(svg) if text.startswith("line ")]
    assert named == [f"line {n}" for n in range(MOST_LINES)]
    tree = ElementTree.fromstring(svg)
    drawn = [p.get("style", "") for p in tree.iter("path") if "stroke-width: 1.5" in p.get("style", "")]
    looks = {
        (re.findall(r"stroke: (#\w+)", style)[0], *re.findall(r"dasharray: ([^;]*)", style))
        for style in drawn
    }
    assert len(looks) == MOST_LINES
    assert len([path for path in paths(svg, f"stroke: {GREY}") if len(path) == 2]) == 3


def test_curves_leave_gaps_and_large_falls_stand_on_a_logarithm() -> None:
    svg = curves_svg({"a": [100.0, 10.0, 1.0, 0.1], "b": [1.0, float("nan"), 1.0, 1.0]}, "loss")
    steps = np.diff(largest(svg, "stroke: #0072b2; stroke-width: 1.5")[:, 1])
    assert len(steps) == 3
    assert np.allclose(steps, steps[0], atol=0.01)
    assert "nan" not in svg


def test_names_are_cut_and_none_is_lost() -> None:
    named = texts(curves_svg({"_hidden": [1.0], "": [2.0], "n" * 200: [3.0]}, "loss"))
    assert {"_hidden", "–"} <= set(named)
    assert [len(name) for name in named if name.startswith("nnn")] == [56]


@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_kinds_are_shares_that_fill_the_panel(epochs: int) -> None:
    counts = np.arange(1.0, epochs + 1)  # more and more of them: the shares stay
    svg = kinds_svg({"easy": list(3 * counts), "semi_hard": list(counts)})
    assert {"easy", "semi-hard", "epoch", "share"} <= set(texts(svg))
    easy, semi = (np.ptp(largest(svg, f"fill: {tone}")[:, 1]) for tone in ("#d3e3ef", "#6fa3c7"))
    assert easy / semi == pytest.approx(3, abs=0.01)


def test_epochs_without_any_tuple_are_empty() -> None:
    assert "easy" in texts(kinds_svg({"easy": [0.0, float("nan"), 2.0]}))


def image(markup: str) -> Image.Image:
    data = re.search(r'src="data:image/png;base64,([^"]+)"', markup)
    assert data is not None
    return Image.open(io.BytesIO(base64.b64decode(data[1]))).convert("RGB")


def embedding(classes: int, points: int = 40, name: str = "a & b") -> Embedding:
    rng = np.random.default_rng(0)
    cloud = Cloud("train", rng.normal(size=(points, 2)), rng.integers(classes, size=points))
    return Embedding(name, tuple(f"$class_{n}" for n in range(classes)), (cloud, cloud))


def test_an_embedding_is_an_image_in_the_page_with_its_name_escaped() -> None:
    markup = embedding_png(embedding(3, name='<img src="x">'))
    assert markup.startswith("<img ")
    assert markup.count("<") == 1
    assert image(markup).size[0] > 800


def test_classes_are_named_where_they_are_few() -> None:
    few, many = (image(embedding_png(embedding(n))).size[1] for n in (MOST_NAMED, MOST_NAMED + 1))
    assert few > many


def test_thousands_of_points_stay_small() -> None:
    assert len(embedding_png(embedding(10, 20_000))) < 100_000


def test_points_keep_their_side() -> None:
    """Class 0 lies left and low, class 1 right and high, in both panels."""
    cloud = Cloud("t", np.array([[-1.0, -1.0]] * 3 + [[1.0, 1.0]] * 3), np.array([0] * 3 + [1] * 3))
    pixels = np.asarray(image(embedding_png(Embedding("e", ("a", "b"), (cloud,)))), dtype=int)
    pixels = pixels[: int(0.86 * len(pixels))]  # above the legend
    places = []
    for colour in ((0x3F, 0x90, 0xDA), (0xFF, 0xA9, 0x0E)):
        near = np.abs(pixels - colour).max(axis=2) < 60
        places.append(np.argwhere(near).mean(axis=0))
    assert places[0][0] > places[1][0]
    assert places[0][1] < places[1][1]


def test_empty_and_single_clouds_are_drawn() -> None:
    nothing = Cloud("test", np.zeros((0, 2)), np.zeros(0, int))
    one = Cloud("train", np.ones((1, 2)), np.zeros(1, int))
    assert image(embedding_png(Embedding("e", ("a",), (one, nothing)))).size
    assert image(embedding_png(Embedding("e", ("a",), (nothing,)))).size
