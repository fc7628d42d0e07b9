import re
from xml.etree import ElementTree

import numpy as np
import pytest
from sklearn.decomposition import PCA

from kilnsense.errors import InputError
from kilnsense.record.plots import HEIGHT, WIDTH, lines_svg, project, scatter_svg


def places(svg: str) -> list[tuple[float, float]]:
    return [
        (float(x), float(y))
        for x, y in re.findall(r'" transform="translate\(([-\d.]+) ([-\d.]+)\)" fill', svg)
    ]


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


def test_scatter_draws_every_point_inside_the_frame_with_its_sign() -> None:
    points = np.random.default_rng(0).normal(size=(12, 2))
    labels, held = ["a<b", "c"] * 6, [True] * 4 + [False] * 8
    svg = scatter_svg(points, labels, held, classes=("a<b", "c"))
    ElementTree.fromstring(svg)
    assert "a&lt;b" in svg
    drawn = places(svg)[:12]
    assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in drawn)
    assert svg.count('fill="none" fill-opacity') == 8
    shapes = re.findall(r'<path d="([^"]+)" transform', svg)[:12]
    assert len(set(shapes)) == 2


def test_scatter_keeps_up_and_right() -> None:
    points = np.array([[0.0, 0.0], [1.0, 2.0]])
    (x0, y0), (x1, y1) = places(scatter_svg(points, ["a", "a"], [False, True], classes=("a",)))[:2]
    assert x1 > x0
    assert y1 < y0


def test_scatter_of_one_place_is_drawn() -> None:
    svg = scatter_svg(np.zeros((3, 2)), ["a"] * 3, [True] * 3, classes=("a",))
    assert np.isfinite(places(svg)).all()


def test_scatter_refuses_what_does_not_fit() -> None:
    with pytest.raises(InputError, match=r"scatter: got \(2, 2\) points, 1 labels"):
        scatter_svg(np.zeros((2, 2)), ["a"], [True], classes=("a",))
    with pytest.raises(InputError, match="scatter: got label 'b', allowed: a"):
        scatter_svg(np.zeros((1, 2)), ["b"], [True], classes=("a",))


def test_curves_leave_gaps_and_keep_order() -> None:
    svg = lines_svg({"loss": [3.0, float("nan"), 1.0, 0.5]})
    ElementTree.fromstring(svg)
    path = next(re.finditer(r'<path d="(M[^"]+)" fill="none" stroke="#', svg)).group(1)
    assert path.count("M") == 2
    assert path.count("L") == 1
    heights = [float(part) for part in re.findall(r" ([\d.]+)", path)]
    assert heights == sorted(heights)
    assert "nan" not in svg


@pytest.mark.parametrize(
    "curve", [[1.0], [0.0, 0.0], [1e-9, 2e-9], [5e6, 1e6], [-1.0, 1.0], list(range(300))]
)
def test_curves_of_any_size_are_drawn(curve: list[float]) -> None:
    svg = lines_svg({"value": curve})
    ElementTree.fromstring(svg)
    assert 1 <= svg.count('text-anchor="end"') <= 12


def test_curves_need_a_finite_value() -> None:
    with pytest.raises(InputError, match="curves: got no finite value"):
        lines_svg({"loss": [float("nan")]})
