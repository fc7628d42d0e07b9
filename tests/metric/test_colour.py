"""Colour differences: published pairs, independent implementations, slopes."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import color as skimage_color
from torch import Tensor

from kilnsense.errors import InputError
from kilnsense.metric.colour import (
    cie76,
    cie94,
    ciede2000,
    hyab,
    lab_to_srgb,
    redmean,
    safe_sqrt,
    srgb_to_lab,
)

PAIRS = Path(__file__).parent / "data" / "ciede2000_sharma_2005.csv"
DIFFERENCES = {"cie76": cie76, "cie94": cie94, "ciede2000": ciede2000, "hyab": hyab, "redmean": redmean}
BLACK, WHITE, GREY, NEAR_GREY = [0.0, 0, 0], [100.0, 0, 0], [50.0, 0, 0], [50.0, 1e-6, -1e-7]
EDGES = {
    "equal": ([50.0, 20, -30], [50.0, 20, -30]),
    "both grey": (GREY, [60.0, 0, 0]),
    "equal greys": (GREY, GREY),
    "grey and colour": (GREY, [50.0, 20, -30]),
    "near grey and blue": (NEAR_GREY, [50.0, 2, -80]),
    "both black": (BLACK, BLACK),
    "black and white": (BLACK, WHITE),
    "black and colour": (BLACK, [70.0, -60, 60]),
    "180 degrees": ([50.0, 40, 0], [50.0, -40, 0]),
    "180 degrees, vertical": ([50.0, 0, -40], [60.0, 0, 20]),
    "90 degrees": ([50.0, 40, 0], [50.0, 0, 30]),
    "hue 0": ([50.0, 40, 0], [50.0, 30, 0]),
    "lightness 50": ([50.0, 10, 10], [50.0, 30, -5]),
    "tiny chroma": ([50.0, 1e-25, 0], [50.0, 0, 1e-25]),
}


def sharma() -> tuple[Tensor, Tensor, Tensor]:
    """The 34 pairs of Sharma, Wu, Dalal 2005, table 1: colours, colours, differences."""
    with PAIRS.open() as file:
        rows = torch.tensor(
            [[float(v) for v in row] for row in list(csv.reader(file))[1:]], dtype=torch.float64
        )
    assert rows.shape == (34, 7)
    return rows[:, :3], rows[:, 3:6], rows[:, 6]


def random_lab(n: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return srgb_to_lab(torch.rand(n, 3, generator=generator, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_ciede2000_gives_the_34_published_values_both_ways(dtype: torch.dtype) -> None:
    x, y, expected = sharma()
    for one, two in ((x, y), (y, x)):
        result = ciede2000(one.to(dtype), two.to(dtype))
        assert (result.double() - expected).abs().max() < 1e-4


def test_ciede2000_equals_scikit_image_on_random_colours() -> None:
    x, y = random_lab(2000), random_lab(2000, seed=1)
    expected = skimage_color.deltaE_ciede2000(x.numpy(), y.numpy())
    assert expected.max() > 50
    np.testing.assert_allclose(ciede2000(x, y).numpy(), expected, atol=1e-9)


def test_ciede2000_keeps_its_digits_in_float32() -> None:
    x, y = random_lab(2000).float(), random_lab(2000, seed=1).float()
    exact = ciede2000(x.double(), y.double())
    assert ((ciede2000(x, y).double() - exact).abs() / (1 + exact)).max() < 1e-5


def test_cie76_equals_scikit_image() -> None:
    x, y = random_lab(100), random_lab(100, seed=1)
    np.testing.assert_allclose(cie76(x, y).numpy(), skimage_color.deltaE_cie76(x.numpy(), y.numpy()))


def test_cie94_equals_a_plain_loop_over_the_formula() -> None:
    x, y = random_lab(200), random_lab(200, seed=1)
    for one, two, got in zip(x.tolist(), y.tolist(), cie94(x, y).tolist(), strict=True):
        c1, c2 = math.hypot(one[1], one[2]), math.hypot(two[1], two[2])
        mean = math.sqrt(c1 * c2)
        turn = math.atan2(one[2], one[1]) - math.atan2(two[2], two[1])
        d_hue = 2 * math.sqrt(c1 * c2) * math.sin(turn / 2)
        square = (
            (one[0] - two[0]) ** 2 + ((c1 - c2) / (1 + 0.045 * mean)) ** 2 + (d_hue / (1 + 0.015 * mean)) ** 2
        )
        assert got == pytest.approx(math.sqrt(square), abs=1e-9)


def test_cie94_is_the_published_one_for_colours_of_equal_chroma() -> None:
    """With equal chromas it does not matter which colour is the reference, so the usual form is an oracle."""
    angle = torch.linspace(0, 6, 50, dtype=torch.float64)
    x = torch.stack([torch.full_like(angle, 40), 30 * torch.cos(angle), 30 * torch.sin(angle)], -1)
    y = x.roll(7, 0) + torch.tensor([5.0, 0, 0])
    np.testing.assert_allclose(
        cie94(x, y).numpy(), skimage_color.deltaE_ciede94(x.numpy(), y.numpy()), atol=1e-6
    )


def test_hyab_and_redmean_by_hand() -> None:
    assert hyab(torch.tensor([50.0, 3, 4]), torch.tensor([40.0, 0, 0])).item() == pytest.approx(15)
    black, white, red = torch.zeros(3), torch.ones(3), torch.tensor([1.0, 0, 0])
    assert redmean(black, white).item() == pytest.approx(math.sqrt(8 + 255 / 256))
    assert redmean(black, red).item() == pytest.approx(math.sqrt(2 + 0.5 * 255 / 256))


@pytest.mark.parametrize("name", DIFFERENCES)
def test_axioms(name: str) -> None:
    """Zero for equal colours, the same both ways, never negative."""
    x, y = random_lab(300), random_lab(300, seed=1)
    x[0], y[0] = torch.tensor(GREY), torch.tensor(BLACK)
    if name == "redmean":
        x, y = lab_to_srgb(x), lab_to_srgb(y)
    difference = DIFFERENCES[name]
    assert (difference(x, x) == 0).all()
    assert torch.allclose(difference(x, y), difference(y, x), rtol=0, atol=1e-10)
    assert (difference(x, y) > 0).all()


@pytest.mark.parametrize("name", DIFFERENCES)
def test_slopes_equal_finite_differences_away_from_the_kinks(name: str) -> None:
    x, y = random_lab(40), random_lab(40, seed=1)
    if name == "redmean":
        x, y = lab_to_srgb(x), lab_to_srgb(y)
    assert torch.autograd.gradcheck(
        DIFFERENCES[name], (x.requires_grad_(), y.requires_grad_()), eps=1e-6, atol=1e-5
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", DIFFERENCES)
def test_slopes_are_finite_at_every_edge(name: str, dtype: torch.dtype) -> None:
    ends = torch.tensor(list(EDGES.values()), dtype=dtype)
    first, second = ends[:, 0].clone().requires_grad_(), ends[:, 1].clone().requires_grad_()
    with torch.autograd.set_detect_anomaly(True):  # not even an intermediate slope may be NaN
        x, y = (lab_to_srgb(first), lab_to_srgb(second)) if name == "redmean" else (first, second)
        values = DIFFERENCES[name](x, y)
        values.sum().backward()
    for numbers in (values[:, None], first.grad, second.grad):
        assert numbers is not None
        finite = torch.isfinite(numbers).all(-1).tolist()
        assert [edge for edge, good in zip(EDGES, finite, strict=True) if not good] == []


@pytest.mark.parametrize("name", DIFFERENCES)
def test_the_slope_along_lightness_lives_at_grey(name: str) -> None:
    """A guard must not silence the whole gradient: between two greys lightness still counts."""
    x = torch.tensor(GREY, dtype=torch.float64, requires_grad=True)
    y = torch.tensor([60.0, 0, 0], dtype=torch.float64)
    value = DIFFERENCES[name](*((lab_to_srgb(x), lab_to_srgb(y)) if name == "redmean" else (x, y)))
    value.backward()
    assert x.grad is not None
    assert x.grad[0] < -0.01


def test_180_degrees_is_decided_exactly_in_float32() -> None:
    """A change of 1e-4 in b moves the mean hue to the other side, as in pairs 13 and 15 of the table."""
    x = torch.tensor([50.0, -0.0010, 2.49])
    below, above = torch.tensor([50.0, 0.0010, -2.49]), torch.tensor([50.0, 0.0011, -2.49])
    assert ciede2000(x, below).item() == pytest.approx(4.8045, abs=1e-4)
    assert ciede2000(x, above).item() == pytest.approx(4.7461, abs=1e-4)


def test_leading_axes_broadcast() -> None:
    x, y = random_lab(6).reshape(3, 1, 2, 3), random_lab(8, seed=1).reshape(4, 2, 3)
    for difference in DIFFERENCES.values():
        table = difference(x, y)
        assert table.shape == (3, 4, 2)
        assert table[1, 2, 0].item() == pytest.approx(difference(x[1, 0, 0], y[2, 0]).item())


def test_lab_equals_scikit_image() -> None:
    rgb = torch.rand(500, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rgb[:3] = torch.tensor([[0.0, 0, 0], [1, 1, 1], [0.02, 0.01, 0.03]])
    np.testing.assert_allclose(srgb_to_lab(rgb).numpy(), skimage_color.rgb2lab(rgb.numpy()), atol=1e-3)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
def test_lab_and_back(dtype: torch.dtype, tolerance: float) -> None:
    rgb = torch.rand(500, 3, generator=torch.Generator().manual_seed(0), dtype=dtype)
    rgb[0] = 0
    assert (lab_to_srgb(srgb_to_lab(rgb)) - rgb).abs().max() < tolerance


@pytest.mark.parametrize("convert", [srgb_to_lab, lab_to_srgb])
def test_conversions_have_a_finite_slope(convert: object) -> None:
    assert callable(convert)
    points = torch.tensor([[0.0, 0, 0], [1, 1, 1], [-0.1, 0, 2], [8, 0, 0], [100, 0, 0], [50, 120, -120]])
    points.requires_grad_()
    convert(points).sum().backward()
    assert points.grad is not None
    assert torch.isfinite(points.grad).all()


def test_conversions_slopes_equal_finite_differences() -> None:
    lab = random_lab(30).requires_grad_()
    assert torch.autograd.gradcheck(lab_to_srgb, lab, eps=1e-6, atol=1e-6)
    rgb = lab_to_srgb(lab.detach()).requires_grad_()
    assert torch.autograd.gradcheck(srgb_to_lab, rgb, eps=1e-7, atol=1e-4)


def test_safe_sqrt_has_slope_zero_at_zero() -> None:
    x = torch.tensor([0.0, 4.0, -1.0], requires_grad=True)
    safe_sqrt(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 0.25, 0.0]


@pytest.mark.parametrize("bad", [torch.zeros(4, 2), torch.zeros(3, dtype=torch.int64), torch.tensor(1.0)])
def test_what_is_no_colour_is_refused(bad: Tensor) -> None:
    with pytest.raises(InputError, match="last axis of 3"):
        ciede2000(bad, torch.zeros(3))
