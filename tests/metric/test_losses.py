"""The triplet loss, against a loop over triplets and against an independent library."""

import pytest
import torch
from pytorch_metric_learning import distances as pml_distances
from pytorch_metric_learning import losses as pml_losses
from pytorch_metric_learning import miners as pml_miners
from pytorch_metric_learning import reducers as pml_reducers
from torch import Tensor

from kilnsense.errors import ConfigError, InputError
from kilnsense.metric.colour import srgb_to_lab
from kilnsense.metric.distances import DISTANCES, Distance
from kilnsense.metric.losses import LOSSES, triplet
from kilnsense.metric.miners import MINERS, Mined

NAMES = list(DISTANCES)


def batch(distance: Distance, n: int = 20, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 4, (n,), generator=generator)
    if distance.takes == "vector":
        x = torch.randn(n, 6, generator=generator, dtype=torch.float64)
    else:
        x = srgb_to_lab(torch.rand(n, 2, 3, generator=generator, dtype=torch.float64))
    return x.requires_grad_(), labels


def mine(name: str, distance: Distance, x: Tensor, labels: Tensor, margin: float, kind: str = "all") -> Mined:
    miner = MINERS[name](kind=kind) if name == "all" else MINERS[name]()
    generator = torch.Generator().manual_seed(0)
    return miner(distance.matrix(x, x), labels, margin=margin, generator=generator)


def hinges(mined: Mined, distance: Distance, x: Tensor, labels: Tensor, margin: float) -> Tensor:
    """The hinge of every chosen triplet by plain loops: of all valid ones where the miner folded them."""
    n = len(labels)
    chosen = zip(mined.anchor.tolist(), mined.positive.tolist(), mined.negative.tolist(), strict=True)
    if mined.weights is not None:
        pairs = [(a, p) for a in range(n) for p in range(n) if a != p and labels[a] == labels[p]]
        chosen = ((a, p, q) for a, p in pairs for q in range(n) if labels[q] != labels[a])
    table = torch.stack([distance.pairs(x[i].expand_as(x), x) for i in range(n)])
    values = [(table[a, p] - table[a, q] + margin).clamp_min(0) for a, p, q in chosen]
    return torch.stack(values)


@pytest.mark.parametrize("reduction", ["mean_violating", "mean", "sum"])
@pytest.mark.parametrize("miner", MINERS)
@pytest.mark.parametrize("name", ["euclidean", "cosine", "cie76", "ciede2000"])
def test_value_and_slope_equal_a_loop_over_triplets(name: str, miner: str, reduction: str) -> None:
    distance = DISTANCES[name]()
    margin = 4 * distance.margin
    x, labels = batch(distance)
    mined = mine(miner, distance, x, labels, margin)
    values = hinges(mined, distance, x, labels, margin)
    count = {"mean_violating": int((values > 0).sum()), "mean": len(values), "sum": 1}[reduction]
    expected = values.sum() / count
    loss = LOSSES["triplet"](reduction=reduction)(x, mined, distance, margin=margin)
    assert loss.item() > 0
    assert loss.item() == pytest.approx(expected.item(), rel=1e-9)
    (ours,) = torch.autograd.grad(loss, x)
    (theirs,) = torch.autograd.grad(expected, x)
    assert theirs.abs().max() > 1e-4
    assert torch.allclose(ours, theirs, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize(("kind", "theirs"), [("all", "all"), ("hard", "hard"), ("semi_hard", "semihard")])
def test_all_triplets_equal_pytorch_metric_learning(kind: str, theirs: str, power: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(48, 8, generator=generator).double().requires_grad_()
    labels = torch.randint(0, 4, (48,), generator=generator)
    margin = 1.5
    peer = pml_distances.LpDistance(normalize_embeddings=False, p=2, power=power)
    peer_miner = pml_miners.TripletMarginMiner(margin, theirs, distance=peer)
    peer_loss = pml_losses.TripletMarginLoss(margin, distance=peer)
    expected = peer_loss(x, labels, peer_miner(x, labels))
    distance = DISTANCES["euclidean" if power == 1 else "squared_euclidean"]()
    loss = triplet(x, mine("all", distance, x, labels, margin, kind), distance, margin=margin)
    assert loss.item() > 0.1
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    (ours,) = torch.autograd.grad(loss, x)
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
    loss = triplet(x, mined, distance, margin=0.5, reduction="mean")
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    (ours,) = torch.autograd.grad(loss, x)
    (peers,) = torch.autograd.grad(expected, x)
    assert (ours - peers).abs().max() < 1e-6


@pytest.mark.parametrize("miner", ["all", "semi_hard", "batch_hard"])
@pytest.mark.parametrize("name", NAMES)
def test_slope_equals_finite_differences(name: str, miner: str) -> None:
    distance = DISTANCES[name]()
    margin = 4 * distance.margin
    x, labels = batch(distance, 10)
    mined = mine(miner, distance, x, labels, margin)
    assert mined.violating > 0
    assert torch.autograd.gradcheck(
        lambda e: triplet(e, mined, distance, margin=margin, reduction="sum"), (x,), eps=1e-6, atol=1e-5
    )


@pytest.mark.parametrize("miner", MINERS)
@pytest.mark.parametrize("name", NAMES)
def test_collapsed_embeddings_give_the_margin_and_a_finite_slope(name: str, miner: str) -> None:
    """All embeddings equal: where a triplet is chosen, its hinge is the margin."""
    distance = DISTANCES[name]()
    shape = (8, 4) if distance.takes == "vector" else (8, 2, 3)
    x = torch.zeros(shape, requires_grad=True)
    labels = torch.arange(8) % 2
    mined = mine(miner, distance, x, labels, distance.margin)
    loss = triplet(x, mined, distance, margin=distance.margin)
    loss.backward()
    assert loss.item() == pytest.approx(0.0 if miner == "semi_hard" else distance.margin)
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("miner", MINERS)
@pytest.mark.parametrize("name", ["euclidean", "ciede2000"])
def test_a_batch_without_a_triplet_gives_a_zero_that_back_propagates(name: str, miner: str) -> None:
    distance = DISTANCES[name]()
    x, _ = batch(distance, 6)
    mined = mine(miner, distance, x, torch.zeros(6, dtype=torch.int64), 0.2)
    loss = triplet(x, mined, distance, margin=0.2)
    loss.backward()
    assert loss.item() == 0
    assert x.grad is not None
    assert (x.grad == 0).all()
    assert mined.chosen == 0


def test_easy_triplets_alone_give_zero() -> None:
    """Two tight classes far apart: nothing violates the margin, and no mean of nothing becomes NaN."""
    x = torch.tensor([[0.0, 0], [0.01, 0], [9, 0], [9.01, 0]], requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1])
    distance = DISTANCES["euclidean"]()
    for miner in MINERS:
        mined = mine(miner, distance, x, labels, 0.2)
        loss = triplet(x, mined, distance, margin=0.2)
        (slope,) = torch.autograd.grad(loss, x)
        assert loss.item() == 0
        assert (slope == 0).all()
        assert mined.violating == 0


def test_float32_agrees_with_float64() -> None:
    distance = DISTANCES["euclidean"]()
    x, labels = batch(distance, 200)
    exact = triplet(x, mine("all", distance, x, labels, 0.2), distance, margin=0.2)
    short = x.detach().float()
    ours = triplet(short, mine("all", distance, short, labels, 0.2), distance, margin=0.2)
    assert ours.dtype == torch.float32
    assert ours.item() == pytest.approx(exact.item(), rel=1e-5)


def test_bad_arguments_are_named() -> None:
    distance = DISTANCES["euclidean"]()
    x, labels = batch(distance)
    mined = mine("all", distance, x, labels, 0.2)
    with pytest.raises(ConfigError, match="margin: got -1"):
        triplet(x, mined, distance, margin=-1)
    with pytest.raises(ConfigError, match=r"margin 0.3, but mined with 0.2"):
        triplet(x, mined, distance, margin=0.3)
    with pytest.raises(ConfigError, match="got 'median', allowed: mean_violating, mean, sum"):
        LOSSES["triplet"](reduction="median")
    broken = x.detach().clone()
    broken[3, 0] = float("nan")
    with pytest.raises(InputError, match=r"1 of 20 rows hold NaN or infinity \(rows 3\)"):
        triplet(broken, mined, distance, margin=0.2)
    empty = mine("all", distance, x, torch.zeros_like(labels), 0.2)
    with pytest.raises(InputError, match="learning rate"):
        triplet(broken, empty, distance, margin=0.2)


def test_learning_with_each_colour_distance_pulls_classes_apart() -> None:
    """A few gradient steps on free palettes: fewer and fewer triplets violate the margin."""
    for name in ("cie76", "cie94", "ciede2000", "hyab", "redmean"):
        distance = DISTANCES[name]()
        x, labels = batch(distance, 24)
        optimiser = torch.optim.Adam([x], lr=1.0)
        counts = []
        for _ in range(30):
            mined = mine("all", distance, x, labels, distance.margin)
            counts.append(mined.violating)
            optimiser.zero_grad()
            triplet(x, mined, distance, margin=distance.margin).backward()
            optimiser.step()
        assert counts[-1] < 0.7 * counts[0], name
