"""Losses over pairs, against the formulas of the papers written out for every pair."""

import math

import pytest
import torch
from torch import Tensor

from kilnsense.errors import ConfigError, InputError
from kilnsense.metric.colour import srgb_to_lab
from kilnsense.metric.distances import DISTANCES, Distance
from kilnsense.metric.losses import LOSSES
from kilnsense.metric.margins import scaled_margins
from kilnsense.metric.pair_miners import PAIR_MINERS, Pairs
from kilnsense.metric.ranking import relate

OVER = ("contrastive", "energy", "weighted_l1_bce")
LABELS = torch.tensor([0, 1, 2, 0, 1, 1, 2, 0, 0, 2])


def embeddings(distance: Distance, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    if distance.takes == "vector":
        x = torch.randn(10, 6, generator=generator, dtype=torch.float64)
    else:
        x = srgb_to_lab(torch.rand(10, 2, 3, generator=generator, dtype=torch.float64))
    return x.requires_grad_()


def mine(name: str, distance: Distance, x: Tensor, margin: float | Tensor, labels: Tensor = LABELS) -> Pairs:
    return PAIR_MINERS[name]()(
        distance.matrix(x, x), relate(labels), margin=margin, generator=torch.Generator()
    )


def learned(width: int = 6) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    of = LOSSES["weighted_l1_bce"]().start
    assert of is not None
    return {k: v.double().requires_grad_() for k, v in of(width, 3, generator).items()}


def by_hand(name: str, pairs: Pairs, distance: Distance, x: Tensor, own: dict[str, Tensor]) -> Tensor:
    values = []
    margins = pairs.margin if isinstance(pairs.margin, Tensor) else [pairs.margin] * pairs.chosen
    for i, j, same, m in zip(pairs.first, pairs.second, pairs.genuine, margins, strict=True):
        d = distance.pairs(x[i][None], x[j][None])[0]
        q = 10 * distance.margin
        p = 1 / (1 + torch.exp(-(own["weights"] * (x[i] - x[j]).abs().flatten()).sum() - own["bias"][0]))
        values.append(
            {
                "contrastive": d**2 / 2 if same else max(m - d, 0 * d) ** 2 / 2,
                "energy": 2 / q * d**2 if same else 2 * q * torch.exp(-2.77 / q * d),
                "weighted_l1_bce": -torch.log(p if same else 1 - p),
            }[name]
        )
    return torch.stack(values).mean()


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("loss", OVER)
@pytest.mark.parametrize("miner", PAIR_MINERS)
@pytest.mark.parametrize("name", ["euclidean", "cosine", "ciede2000"])
def test_value_and_slope_equal_the_formula_on_every_pair(
    name: str, miner: str, loss: str, *, scaled: bool
) -> None:
    distance = DISTANCES[name]()
    x, own = embeddings(distance), learned()
    x = x if distance.takes == "vector" else (x / 50).detach().requires_grad_()
    margin = LOSSES[loss]().default_margin(distance)
    of = scaled_margins(margin, 1 + distance.matrix(x, x)) if scaled else margin
    pairs = mine(miner, distance, x, of)
    expected = by_hand(loss, pairs, distance, x, own)
    value = LOSSES[loss]().value(x, pairs, distance, own)
    assert value.item() > 1e-3
    assert value.item() == pytest.approx(expected.item(), rel=1e-9)
    sought = [x, *(own.values() if loss == "weighted_l1_bce" else ())]
    for ours, theirs in zip(
        torch.autograd.grad(value, sought), torch.autograd.grad(expected, sought), strict=True
    ):
        assert theirs.abs().max() > 1e-5
        assert torch.allclose(ours, theirs, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("loss", OVER)
@pytest.mark.parametrize("name", DISTANCES)
def test_slope_equals_finite_differences(name: str, loss: str) -> None:
    distance = DISTANCES[name]()
    x, own = embeddings(distance), learned()
    pairs = mine("hard_negative", distance, x, LOSSES[loss]().default_margin(distance))
    value = LOSSES[loss]().value
    scale = 50 if distance.takes == "palette" and loss == "weighted_l1_bce" else 1
    assert torch.autograd.gradcheck(
        lambda e, w, b: value(e / scale, pairs, distance, {"weights": w, "bias": b}),
        (x, own["weights"], own["bias"]),
        eps=1e-6,
        atol=1e-5,
    )


@pytest.mark.parametrize("loss", OVER)
@pytest.mark.parametrize("name", DISTANCES)
def test_equal_grey_embeddings_have_the_loss_of_no_difference_and_a_finite_slope(
    name: str, loss: str
) -> None:
    distance = DISTANCES[name]()
    x = torch.zeros((4, 6) if distance.takes == "vector" else (4, 2, 3), requires_grad=True)
    of = LOSSES[loss]()
    margin = of.default_margin(distance)
    pairs = mine("all", distance, x, margin, torch.tensor([0, 0, 1, 1]))
    own = {"weights": torch.ones(6, requires_grad=True), "bias": torch.zeros(1, requires_grad=True)}
    value = of.value(x, pairs, distance, own)
    value.backward()
    expected = {
        "contrastive": 4 / 6 * margin**2 / 2,
        "energy": 4 / 6 * 2 * 10 * distance.margin,
        "weighted_l1_bce": math.log(2),
    }
    assert value.item() == pytest.approx(expected[loss])
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("loss", OVER)
@pytest.mark.parametrize("name", ["euclidean", "ciede2000"])
def test_a_batch_without_a_pair_gives_a_zero_that_back_propagates(name: str, loss: str) -> None:
    distance = DISTANCES[name]()
    x, own = embeddings(distance), learned()
    pairs = mine("all", distance, x[:1], 1.0, LABELS[:1])
    value = LOSSES[loss]().value(x[:1], pairs, distance, own)
    value.backward()
    assert value.item() == pairs.chosen == 0
    assert x.grad is not None
    assert (x.grad == 0).all()


def test_the_bound_of_the_energy_is_an_option() -> None:
    distance = DISTANCES["euclidean"]()
    x = torch.tensor([[0.0], [1.0], [3.0]])
    pairs = mine("all", distance, x, 1.0, torch.tensor([0, 0, 1]))
    value = LOSSES["energy"](bound=4.0).value(x, pairs, distance, {})
    expected = (2 / 4 + 8 * math.exp(-2.77 * 3 / 4) + 8 * math.exp(-2.77 * 2 / 4)) / 3
    assert value.item() == pytest.approx(expected)
    for bad in (0.0, -1.0, math.inf):
        with pytest.raises(ConfigError, match=r"loss 'energy': bound: got .*, allowed: above 0"):
            LOSSES["energy"](bound=bad)


def test_the_learned_distance_orders_pairs_as_their_chance_of_being_genuine() -> None:
    own = {"weights": torch.tensor([-1.0, -0.5]), "bias": torch.tensor([2.0])}
    compare = LOSSES["weighted_l1_bce"]().compare
    assert compare is not None
    distance = compare(own)
    x = torch.tensor([[0.0, 0.0], [1.0, 2.0], [-3.0, 4.0]])
    chance = torch.sigmoid(2 - (x[:, None] - x[None]).abs() @ torch.tensor([1.0, 0.5]))
    assert torch.allclose(distance.matrix(x, x.clone()), -chance.log(), atol=1e-6)
    assert torch.allclose(distance.pairs(x, x.flip(0)), -chance[[0, 1, 2], [2, 1, 0]].log(), atol=1e-6)
    assert torch.allclose(distance.matrix(x, x), -chance.log(), atol=1e-6)
    with pytest.raises(InputError, match="2 weights were learned, the embeddings are 3 wide"):
        distance.matrix(torch.zeros(2, 3), torch.zeros(2, 3))


def test_what_is_learned_begins_as_in_the_paper_and_from_the_generator() -> None:
    start = LOSSES["weighted_l1_bce"]().start
    assert start is not None
    one = start(5000, 2, torch.Generator().manual_seed(0))
    assert one["weights"].std().item() == pytest.approx(0.2, rel=0.05)
    assert abs(one["weights"].mean().item()) < 0.01
    assert one["bias"].shape == (1,)
    assert abs(one["bias"].item() - 0.5) < 0.05
    same = start(5000, 2, torch.Generator().manual_seed(0))
    assert torch.equal(one["weights"], same["weights"])


def test_learning_the_weights_finds_the_coordinate_that_tells() -> None:
    """Only the first coordinate depends on the class: its weight becomes the most negative."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(40) % 2
    x = torch.randn(40, 4, generator=generator)
    x[:, 0] = labels * 3.0
    loss, distance = LOSSES["weighted_l1_bce"](), DISTANCES["euclidean"]()
    assert loss.start is not None
    own = {k: v.requires_grad_() for k, v in loss.start(4, 2, generator).items()}
    pairs = mine("all", distance, x, 1.0, labels)
    optimiser = torch.optim.Adam(own.values(), lr=0.1)
    for _ in range(60):
        optimiser.zero_grad()
        value = loss.value(x, pairs, distance, own)
        value.backward()
        optimiser.step()
    assert own["weights"].argmin().item() == 0
    assert own["weights"][0].item() < -1
    assert value.item() < 0.3


@pytest.mark.parametrize("loss", OVER)
def test_bad_embeddings_are_named(loss: str) -> None:
    distance = DISTANCES["euclidean"]()
    x = embeddings(distance)
    pairs = mine("all", distance, x, 1.0)
    broken = x.detach().clone()
    broken[3, 0] = torch.nan
    with pytest.raises(InputError, match=r"1 of 10 rows hold NaN or infinity \(rows 3\)"):
        LOSSES[loss]().value(broken, pairs, distance, learned())
    if loss == "weighted_l1_bce":
        with pytest.raises(InputError, match="5 weights were learned, the embeddings are 6 wide"):
            LOSSES[loss]().value(x, pairs, distance, learned(5))
