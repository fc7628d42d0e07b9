"""Every distance of the table keeps the same contract."""

import pytest
import torch
from torch import Tensor

from kilnsense.errors import ConfigError, InputError
from kilnsense.metric import distances
from kilnsense.metric.colour import ciede2000, srgb_to_lab
from kilnsense.metric.distances import DISTANCES, Distance, check_finite, squared

PLAIN = [pytest.param(build(), id=name) for name, build in DISTANCES.items()]
ALL = PLAIN + [pytest.param(squared(build()), id=f"{name} squared") for name, build in DISTANCES.items()]
VECTORS = [name for name, build in DISTANCES.items() if build().takes == "vector"]


def embeddings(distance: Distance, n: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    if distance.takes == "vector":
        return torch.randn(n, 7, generator=generator, dtype=torch.float64)
    return srgb_to_lab(torch.rand(n, 4, 3, generator=generator, dtype=torch.float64))


@pytest.mark.parametrize("distance", PLAIN)
def test_name_and_margin(distance: Distance) -> None:
    assert DISTANCES[distance.name]().name == distance.name
    assert distance.margin > 0


@pytest.mark.parametrize("distance", [p for p in PLAIN if p.id not in VECTORS])
def test_default_colour_margins_are_about_a_tenth_of_a_random_pair(distance: Distance) -> None:
    x = srgb_to_lab(torch.rand(400, 1, 3, generator=torch.Generator().manual_seed(0)))
    typical = distance.matrix(x, x).mean().item()
    assert 0.07 * typical < distance.margin < 0.13 * typical


@pytest.mark.parametrize("name", DISTANCES)
def test_a_square_is_the_square(name: str) -> None:
    plain, square = DISTANCES[name](), squared(DISTANCES[name]())
    x, y = embeddings(plain, 9), embeddings(plain, 9, seed=1)
    assert torch.allclose(square.pairs(x, y), plain.pairs(x, y) ** 2)
    assert torch.allclose(square.matrix(x, y), plain.matrix(x, y) ** 2)
    assert square.margin == pytest.approx(0.2 * plain.unit**2)
    assert square.takes == plain.takes
    if name == "euclidean":
        assert square.name == "squared_euclidean"


@pytest.mark.parametrize("distance", ALL)
def test_weighted_is_the_weighted_sum_with_its_slope(distance: Distance) -> None:
    x = embeddings(distance, 7).requires_grad_()
    weights = torch.randn(7, 7, generator=torch.Generator().manual_seed(2)).fill_diagonal_(0)
    expected = sum(
        weights[i, j] * distance.pairs(x[i][None], x[j][None])[0] for i in range(7) for j in range(7)
    )
    got = distance.weighted(x, weights)
    assert got.item() == pytest.approx(expected.item(), rel=1e-5)
    (ours,), (theirs,) = torch.autograd.grad(got, x), torch.autograd.grad(expected, x)
    assert theirs.abs().max() > 1e-3
    assert torch.allclose(ours, theirs, atol=1e-9 + 1e-6 * theirs.abs().max().item())


@pytest.mark.parametrize("distance", ALL)
def test_matrix_equals_pairs(distance: Distance) -> None:
    x, y = embeddings(distance, 9), embeddings(distance, 11, seed=1)
    table = distance.matrix(x, y)
    assert table.shape == (9, 11)
    rows = torch.stack([distance.pairs(x, y[j].expand_as(x)) for j in range(11)], dim=1)
    assert torch.allclose(table, rows, atol=1e-9)
    assert not table.requires_grad


@pytest.mark.parametrize("distance", ALL)
def test_axioms(distance: Distance) -> None:
    """Zero from itself, symmetric, positive between different embeddings."""
    x = embeddings(distance, 30)
    table = distance.matrix(x, x)
    assert torch.equal(table, table.T)
    assert (table.diagonal() < 1e-9).all()
    assert (table + torch.eye(30) > 0).all()
    assert torch.allclose(table, distance.matrix(x, x.clone()), atol=1e-9)


@pytest.mark.parametrize("distance", ALL)
def test_blocks_change_nothing(distance: Distance, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = embeddings(distance, 23), embeddings(distance, 17, seed=1)
    whole, whole_self = distance.matrix(x, y), distance.matrix(x, x)
    monkeypatch.setattr(distances, "_BLOCK", 200)
    monkeypatch.setattr(distances, "_BLOCK_VECTOR", 50)
    assert torch.allclose(distance.matrix(x, y), whole, atol=1e-12)
    assert torch.allclose(distance.matrix(x, x), whole_self, atol=1e-7)


@pytest.mark.parametrize("distance", ALL)
@pytest.mark.parametrize("kept", [1 << 18, 8], ids=["kept", "recomputed"])
@pytest.mark.parametrize("many", [True, False])
def test_chosen_equals_pairs_with_its_slope(
    distance: Distance, kept: int, many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distances, "_KEPT", kept)
    x = embeddings(distance, 8).requires_grad_()
    n = 40 if many else 5
    generator = torch.Generator().manual_seed(3)
    first = torch.randint(0, 8, (n,), generator=generator)
    second = (first + torch.randint(1, 8, (n,), generator=generator)) % 8
    weight = torch.rand(n, generator=generator, dtype=torch.float64)
    expected = distance.pairs(x[first], x[second])
    got = distance.chosen(x, first, second)
    assert torch.allclose(got, expected, atol=1e-9)
    (slope,) = torch.autograd.grad((expected * weight).sum(), x)
    (ours,) = torch.autograd.grad((got * weight).sum(), x)
    assert slope.abs().max() > 1e-3
    assert torch.allclose(ours, slope, atol=1e-9)


@pytest.mark.parametrize("distance", ALL)
def test_slopes_equal_finite_differences(distance: Distance) -> None:
    x, y = embeddings(distance, 6).requires_grad_(), embeddings(distance, 6, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(distance.pairs, (x, y), eps=1e-6, atol=1e-5)


@pytest.mark.parametrize("distance", ALL)
def test_slopes_near_grey_and_near_equal_colours_equal_finite_differences(distance: Distance) -> None:
    """A hair beside the points where the textbook formulas have no derivative."""
    x = embeddings(distance, 4)
    if distance.takes == "palette":
        x[..., 1:] *= 1e-2
    y = (
        x + 1e-2 * torch.randn(x.shape, generator=torch.Generator().manual_seed(4)).double()
    ).requires_grad_()
    assert torch.autograd.gradcheck(distance.pairs, (x.requires_grad_(), y), eps=1e-7, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("distance", ALL)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_slopes_are_finite_for_equal_and_zero_embeddings(distance: Distance, dtype: torch.dtype) -> None:
    x = embeddings(distance, 6).to(dtype)
    x[3:] = 0
    x.requires_grad_()
    first, second = torch.tensor([0, 0, 3, 3]), torch.tensor([0, 3, 4, 5])
    for value in (distance.pairs(x[first], x[second]), distance.chosen(x, first.repeat(9), second.repeat(9))):
        (slope,) = torch.autograd.grad(value.sum(), x)
        assert torch.isfinite(value).all()
        assert torch.isfinite(slope).all()


def test_cosine_ignores_length_and_counts_opposites_as_two() -> None:
    cosine = DISTANCES["cosine"]()
    x, y = (
        torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]]),
        torch.tensor([[5.0, 0.0], [-1.0, 0], [1.0, 0.0]]),
    )
    assert torch.allclose(cosine.pairs(x, y), torch.tensor([0.0, 2.0, 1.0]))


def test_a_palette_is_compared_token_by_token() -> None:
    x = embeddings(DISTANCES["ciede2000"](), 2)
    expected = sum(ciede2000(x[0, t], x[1, t]).item() for t in range(4)) / 4
    assert DISTANCES["ciede2000"]().pairs(x[:1], x[1:]).item() == pytest.approx(expected)


def test_empty_sets_give_an_empty_matrix() -> None:
    for build in DISTANCES.values():
        distance = build()
        x = embeddings(distance, 4)
        assert distance.matrix(x[:0], x).shape == (0, 4)
        assert distance.matrix(x, x[:0]).shape == (4, 0)


@pytest.mark.parametrize("distance", ALL)
def test_the_wrong_kind_of_embedding_is_named(distance: Distance) -> None:
    other = torch.zeros(4, 2, 3) if distance.takes == "vector" else torch.zeros(4, 6)
    with pytest.raises(ConfigError, match=rf"{distance.name}.*{distance.takes} head"):
        distance.matrix(other, other)
    with pytest.raises(ConfigError, match=distance.name):
        distance.pairs(other, other)


def test_a_head_that_does_not_fit_is_refused_before_training() -> None:
    distance = DISTANCES["ciede2000"]()
    distance.require("palette", where="branches.flame.head")
    with pytest.raises(
        ConfigError, match=r"branches.flame.head.*gives a vector.*'ciede2000'.*cosine, euclidean"
    ):
        distance.require("vector", where="branches.flame.head")


def test_unequal_widths_are_refused() -> None:
    distance = DISTANCES["euclidean"]()
    with pytest.raises(InputError, match="differ in width"):
        distance.matrix(torch.zeros(3, 4), torch.zeros(3, 5))
    with pytest.raises(InputError, match="equal shapes"):
        distance.pairs(torch.zeros(3, 4), torch.zeros(4, 4))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_embeddings_are_named(value: float) -> None:
    x = torch.zeros(9, 4)
    x[2, 1] = x[7, 0] = value
    with pytest.raises(InputError, match=r"2 of 9 rows.*rows 2, 7\)"):
        check_finite(x)
    with pytest.raises(InputError, match="learning rate"):
        DISTANCES["euclidean"]().matrix(x, x)
