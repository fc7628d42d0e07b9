"""Losses over triplets, against a loop over triplets and against an independent library."""

import math

import pytest
import torch
from pytorch_metric_learning import distances as pml_distances
from pytorch_metric_learning import losses as pml_losses
from pytorch_metric_learning import miners as pml_miners
from pytorch_metric_learning import reducers as pml_reducers
from torch import Tensor

from kilnsense.errors import InputError
from kilnsense.metric.colour import srgb_to_lab
from kilnsense.metric.distances import DISTANCES, Distance, cosine
from kilnsense.metric.losses import LOSSES
from kilnsense.metric.margins import scaled_margins
from kilnsense.metric.miners import MINERS, Mined
from kilnsense.metric.ranking import relate

OVER = ("triplet", "triplet_soft", "triplet_cosine", "ratio")
COLOURS = ("cie76", "cie94", "ciede2000", "hyab", "redmean")


def batch(distance: Distance, n: int = 18, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Embeddings and labels, laid out so that the three thirds are anchors, positives and negatives."""
    generator = torch.Generator().manual_seed(seed)
    anchors = torch.arange(n // 3) % 4
    labels = torch.cat([anchors, anchors, (anchors + 1) % 4])
    if distance.takes == "vector":
        x = torch.randn(n, 6, generator=generator, dtype=torch.float64)
    else:
        x = srgb_to_lab(torch.rand(n, 2, 3, generator=generator, dtype=torch.float64))
    return x.requires_grad_(), labels


def mine(
    name: str, distance: Distance, x: Tensor, labels: Tensor, margin: float | Tensor, kind: str = "all"
) -> Mined:
    miner = MINERS[name](kind=kind) if name == "all" else MINERS[name]()
    chance = torch.Generator().manual_seed(0)
    return miner(distance.matrix(x, x), relate(labels), margin=margin, generator=chance)


def worth(name: str, mined: Mined, distance: Distance, x: Tensor) -> Tensor:
    return LOSSES[name]().value(x, mined, distance, {})


def listed(mined: Mined, labels: Tensor) -> list[tuple[int, int, int]]:
    """The chosen triplets: all valid ones where the miner does not list them."""
    n, y = len(labels), labels.tolist()
    if mined.every is None:
        return list(zip(mined.anchor.tolist(), mined.positive.tolist(), mined.negative.tolist(), strict=True))
    pairs = [(a, p) for a in range(n) for p in range(n) if a != p and y[a] == y[p]]
    return [(a, p, q) for a, p in pairs for q in range(n) if y[q] != y[a]]


def by_hand(
    name: str, triplets: list[tuple[int, int, int]], distance: Distance, x: Tensor, margins: Tensor
) -> tuple[Tensor, Tensor]:
    """The formulas of the papers on every triplet alone: the losses, and which of them violate the margin."""
    if name == "triplet_cosine":
        margins = margins * (0.1 / distance.margin)
        unit = x.flatten(1) / x.flatten(1).norm(dim=1, keepdim=True)
        table = 1 - unit @ unit.T
    else:
        table = torch.stack([distance.pairs(x[i].expand_as(x), x) for i in range(len(x))])
    a, p, n = torch.tensor(triplets).T
    gap = table[a, p] - table[a, n]
    hinge = gap + margins[a, n]
    scale = {"euclidean": 1, "cosine": 2}.get(distance.name, 0.2 / distance.margin)
    shares = torch.stack([scale * table[a, p], scale * table[a, n]]).softmax(0)
    values = {
        "triplet": hinge.clamp_min(0),
        "triplet_cosine": hinge.clamp_min(0),
        "triplet_soft": torch.log(1 + hinge.exp()),
        "ratio": shares[0] ** 2 + (shares[1] - 1) ** 2,
    }
    return values[name], hinge > 0


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("loss", OVER)
@pytest.mark.parametrize("miner", MINERS)
@pytest.mark.parametrize("name", ["euclidean", "cosine", "ciede2000"])
def test_value_and_slope_equal_the_formula_on_every_triplet(
    name: str, miner: str, loss: str, *, scaled: bool
) -> None:
    distance = DISTANCES[name]()
    x, labels = batch(distance)
    margin = 2 * distance.margin
    margins = torch.full((len(x), len(x)), margin, dtype=torch.float64)
    if scaled:
        differences = torch.rand(len(x), len(x), generator=torch.Generator().manual_seed(1)).double()
        margins = scaled_margins(margin, differences + differences.T)
    mined = mine(miner, distance, x, labels, margins if scaled else margin)
    triplets = listed(mined, labels)
    values, violating = by_hand(loss, triplets, distance, x, margins)
    reductions = ("mean_violating", "mean", "sum") if loss != "ratio" else ("mean",)
    for reduction in reductions:
        build = LOSSES[loss]() if loss == "ratio" else LOSSES[loss](reduction=reduction)
        kept = values[violating] if reduction == "mean_violating" else values
        expected = kept.sum() if reduction == "sum" else kept.mean()
        value = build.value(x, mined, distance, {})
        assert value.item() > 0
        assert value.item() == pytest.approx(expected.item(), rel=1e-9)
        (ours,) = torch.autograd.grad(value, x)
        (theirs,) = torch.autograd.grad(expected, x, retain_graph=True)
        assert theirs.abs().max() > 1e-4
        assert torch.allclose(ours, theirs, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("kind", ["semi_hard", "hard"])
@pytest.mark.parametrize("loss", OVER)
def test_all_of_one_kind_are_those_alone(loss: str, kind: str) -> None:
    distance = DISTANCES["euclidean"]()
    x, labels = batch(distance)
    table = distance.matrix(x, x)
    margins = scaled_margins(0.8, 1 + table)
    for margin in (0.8, margins):
        mined = mine("all", distance, x, labels, margin, kind)
        of = margins if isinstance(margin, Tensor) else torch.full_like(margins, margin)
        triplets = [
            (a, p, n)
            for a, p, n in listed(mined, labels)
            if (table[a, n] <= table[a, p]) == (kind == "hard") and table[a, n] < table[a, p] + of[a, n]
        ]
        assert len(triplets) == mined.chosen > 20
        values, violating = by_hand(loss, triplets, distance, x, of)
        expected = values[violating] if loss == "triplet_cosine" else values
        assert worth(loss, mined, distance, x).item() == pytest.approx(expected.mean().item(), rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize(("kind", "theirs"), [("all", "all"), ("hard", "hard"), ("semi_hard", "semihard")])
def test_all_triplets_equal_pytorch_metric_learning(
    kind: str, theirs: str, power: int, seed: int, *, smooth: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(48, 8, generator=generator).double().requires_grad_()
    labels = torch.randint(0, 4, (48,), generator=generator)
    margin = 1.5
    peer = pml_distances.LpDistance(normalize_embeddings=False, p=2, power=power)
    chosen = pml_miners.TripletMarginMiner(margin, theirs, distance=peer)(x, labels)
    expected = pml_losses.TripletMarginLoss(margin, smooth_loss=smooth, distance=peer)(x, labels, chosen)
    distance = DISTANCES["euclidean" if power == 1 else "squared_euclidean"]()
    mined = mine("all", distance, x, labels, margin, kind)
    value = LOSSES["triplet_soft" if smooth else "triplet"](reduction="mean_violating").value(
        x, mined, distance, {}
    )
    assert value.item() > 0.1
    assert value.item() == pytest.approx(expected.item(), abs=1e-6)
    (ours,) = torch.autograd.grad(value, x)
    (peers,) = torch.autograd.grad(expected, x)
    assert peers.abs().max() > 1e-3
    assert (ours - peers).abs().max() < 1e-6


def test_batch_hard_equals_pytorch_metric_learning() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(48, 8, generator=generator).double().requires_grad_()
    labels = torch.randint(0, 4, (48,), generator=generator)
    peer = pml_distances.LpDistance(normalize_embeddings=False)
    reducer = pml_reducers.MeanReducer()
    peer_loss = pml_losses.TripletMarginLoss(0.5, distance=peer, reducer=reducer)
    expected = peer_loss(x, labels, pml_miners.BatchHardMiner(distance=peer)(x, labels))
    distance = DISTANCES["euclidean"]()
    mined = mine("batch_hard", distance, x, labels, 0.5)
    value = LOSSES["triplet"](reduction="mean").value(x, mined, distance, {})
    assert value.item() == pytest.approx(expected.item(), abs=1e-6)
    (ours,) = torch.autograd.grad(value, x)
    (peers,) = torch.autograd.grad(expected, x)
    assert (ours - peers).abs().max() < 1e-6


@pytest.mark.parametrize("loss", OVER)
@pytest.mark.parametrize("name", DISTANCES)
def test_slope_equals_finite_differences(name: str, loss: str) -> None:
    distance = DISTANCES[name]()
    x, labels = batch(distance, 12)
    for miner in ("all", "random_hard"):
        mined = mine(miner, distance, x, labels, 4 * distance.margin)
        assert mined.counts.violating > 0
        value = LOSSES[loss]().value
        assert torch.autograd.gradcheck(
            lambda e, value=value, mined=mined: value(e, mined, distance, {}), (x,), eps=1e-6, atol=1e-5
        )


@pytest.mark.parametrize("loss", OVER)
@pytest.mark.parametrize("miner", MINERS)
@pytest.mark.parametrize("name", DISTANCES)
def test_collapsed_embeddings_give_the_loss_of_no_difference_and_a_finite_slope(
    name: str, miner: str, loss: str
) -> None:
    """All embeddings equal, grey and at zero: where a triplet is chosen, its hinge is the margin."""
    distance = DISTANCES[name]()
    x = torch.zeros((9, 4) if distance.takes == "vector" else (9, 2, 3), requires_grad=True)
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 1, 2, 0])
    mined = mine(miner, distance, x, labels, distance.margin)
    value = worth(loss, mined, distance, x)
    value.backward()
    expected = {
        "triplet": distance.margin,
        "triplet_soft": math.log(1 + math.exp(distance.margin)),
        "triplet_cosine": 0.1,
        "ratio": 0.5,
    }
    assert value.item() == pytest.approx(0.0 if miner == "semi_hard" else expected[loss])
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("loss", OVER)
@pytest.mark.parametrize("miner", [m for m in MINERS if m != "as_drawn"])
@pytest.mark.parametrize("name", ["euclidean", "ciede2000"])
def test_a_batch_without_a_triplet_gives_a_zero_that_back_propagates(
    name: str, miner: str, loss: str
) -> None:
    distance = DISTANCES[name]()
    x, _ = batch(distance, 6)
    mined = mine(miner, distance, x, torch.zeros(6, dtype=torch.int64), 0.2)
    value = worth(loss, mined, distance, x)
    value.backward()
    assert value.item() == 0
    assert x.grad is not None
    assert (x.grad == 0).all()
    assert mined.chosen == 0


def test_easy_triplets_alone_give_zero() -> None:
    """Two tight classes far apart: nothing violates the margin, and no mean of nothing becomes NaN."""
    x = torch.tensor([[0.0, 0], [9, 0], [0.01, 0], [9.01, 0], [9, 0], [0, 0]], requires_grad=True)
    labels = torch.tensor([0, 1, 0, 1, 1, 0])
    distance = DISTANCES["euclidean"]()
    for miner in MINERS:
        mined = mine(miner, distance, x, labels, 0.2)
        value = worth("triplet", mined, distance, x)
        (slope,) = torch.autograd.grad(value, x)
        assert value.item() == 0
        assert (slope == 0).all()
        assert mined.counts.violating == 0


def test_the_cosine_hinge_is_the_triplet_loss_of_the_cosine_distance() -> None:
    distance = cosine()
    x, labels = batch(distance)
    for miner in MINERS:
        mined = mine(miner, distance, x, labels, 0.3)
        assert worth("triplet_cosine", mined, distance, x).item() == pytest.approx(
            worth("triplet", mined, distance, x).item(), rel=1e-12
        )


def test_float32_agrees_with_float64() -> None:
    distance = DISTANCES["euclidean"]()
    x, labels = batch(distance, 198)
    short = x.detach().float()
    for loss in OVER:
        exact = worth(loss, mine("all", distance, x, labels, 0.2), distance, x)
        ours = worth(loss, mine("all", distance, short, labels, 0.2), distance, short)
        assert ours.dtype == torch.float32
        assert ours.item() == pytest.approx(exact.item(), rel=1e-5)


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same loss and slope when a block holds a single pair of anchor and positive."""
    distance = DISTANCES["euclidean"]()
    x, labels = batch(distance, 30)
    mined = mine("all", distance, x, labels, 0.2)
    whole = worth("triplet_soft", mined, distance, x)
    monkeypatch.setattr("kilnsense.metric.every.BLOCK", 1)
    parts = worth("triplet_soft", mined, distance, x)
    assert parts.item() == pytest.approx(whole.item(), rel=1e-12)
    (a,), (b,) = torch.autograd.grad(whole, x), torch.autograd.grad(parts, x)
    assert torch.allclose(a, b, rtol=1e-10)


def test_bad_embeddings_are_named() -> None:
    distance = DISTANCES["euclidean"]()
    x, labels = batch(distance)
    broken = x.detach().clone()
    broken[3, 0] = float("nan")
    for miner in ("all", "semi_hard"):
        for of in (labels, torch.zeros_like(labels)):
            mined = mine(miner, distance, x, of, 0.2)
            with pytest.raises(InputError, match=r"1 of 18 rows hold NaN or infinity \(rows 3\)"):
                worth("triplet", mined, distance, broken)


def test_learning_with_each_colour_distance_pulls_classes_apart() -> None:
    """A few gradient steps on free palettes: fewer and fewer triplets violate the margin."""
    for name in COLOURS:
        distance = DISTANCES[name]()
        x, labels = batch(distance, 24)
        optimiser = torch.optim.Adam([x], lr=1.0)
        counts = []
        for _ in range(30):
            mined = mine("all", distance, x, labels, distance.margin)
            counts.append(mined.counts.violating)
            optimiser.zero_grad()
            worth("triplet", mined, distance, x).backward()
            optimiser.step()
        assert counts[-1] < 0.7 * counts[0], name
