"""The loss of a batch against slow loops."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from kilnsense.assemble import build_objective
from kilnsense.config import MetricConfig
from kilnsense.errors import ConfigError
from kilnsense.training.batch_loss import Batch, BatchLoss, batch_loss


def new_batch(count: int = 9, views: int = 3, width: int = 4, classes: int = 3) -> Batch:
    generator = torch.Generator().manual_seed(0)
    return Batch(
        embeddings=torch.randn(count, views, width, generator=generator, requires_grad=True),
        present=torch.ones(count, views, dtype=torch.bool),
        labels=torch.arange(count) % classes,
        palettes=50 + 20 * torch.randn(count, views, 2, 3, generator=generator),
    )


def loss_of(batch: Batch, learned: Any = None, **settings: Any) -> BatchLoss:
    objective = build_objective(MetricConfig.model_validate(settings))
    return batch_loss(
        batch,
        objective,
        objective.mining,
        margin=objective.margin.start,
        learned=learned or [{}] * batch.present.shape[1],
        generator=torch.Generator().manual_seed(0),
    )


def hinges(anchor: Tensor, others: Tensor, batch: Batch, *, same: bool) -> list[float]:
    """Of all triplets with the anchor in one view and the others in another; `same`: it is the same view."""
    found, labels = [], batch.labels
    for a, p, n in itertools.product(range(len(labels)), repeat=3):
        if labels[a] == labels[p] and labels[a] != labels[n] and not (same and a == p):
            found.append(float((anchor[a] - others[p]).norm() - (anchor[a] - others[n]).norm()) + 0.2)
    return found


def mean_above(values: list[float]) -> float:
    above = [value for value in values if value > 0]
    return sum(above) / len(above)


def test_the_loss_is_the_mean_over_branches_of_the_present_samples() -> None:
    batch = new_batch()
    batch.present[:2, 0] = False
    batch.present[:, 2] = False  # never seen: left out of the mean
    found = loss_of(batch, miner="all")
    want = []
    for v in range(2):
        keep = batch.present[:, v]
        part = replace(batch, labels=batch.labels[keep])
        x = batch.embeddings.detach()[keep, v]
        want.append(mean_above(hinges(x, x, part, same=True)))
    assert found.value.item() == pytest.approx(sum(want) / 2, rel=1e-5)
    assert found.counts.easy > 0
    assert found.counts.hard > 0
    assert found.chosen == found.counts.total
    found.value.backward()
    gradient = batch.embeddings.grad
    assert gradient is not None
    assert (gradient[:2, 0] == 0).all()
    assert (gradient[2:, 0].abs().sum(1) > 0).all()
    assert (gradient[:, 2] == 0).all()


def test_across_views_anchors_come_from_one_view_and_their_partners_from_another() -> None:
    batch = new_batch()
    found = loss_of(batch, miner="all", views="across")
    chosen = loss_of(batch, miner="semi_hard", views="across")
    assert chosen.counts == found.counts  # of all triplets, whichever are chosen
    assert 0 < chosen.chosen < found.chosen == found.counts.total
    x, want = batch.embeddings.detach(), []
    for u, v in ((0, 1), (0, 2), (1, 2)):
        both = hinges(x[:, u], x[:, v], batch, same=False) + hinges(x[:, v], x[:, u], batch, same=False)
        want.append(mean_above(both))
    assert found.value.item() == pytest.approx(sum(want) / 3, rel=1e-5)


def test_pairs_across_views_are_of_all_samples_with_all() -> None:
    batch = new_batch(count=6, views=2)
    found = loss_of(batch, loss="contrastive", miner="all", views="across", margin=2.0)
    values = []
    for i, j in itertools.product(range(6), repeat=2):
        d = float((batch.embeddings.detach()[i, 0] - batch.embeddings.detach()[j, 1]).norm())
        values.append(d**2 / 2 if batch.labels[i] == batch.labels[j] else max(0, 2 - d) ** 2 / 2)
    assert found.value.item() == pytest.approx(sum(values) / 36, rel=1e-5)
    assert found.counts.genuine == 12
    assert found.counts.inside + found.counts.beyond == 24


def drawn(views: int) -> Batch:
    """Three triplets, as drawn."""
    return replace(new_batch(views=views), labels=torch.tensor([0, 1, 2, 0, 1, 2, 1, 2, 0]))


def test_triplets_as_drawn_are_left_out_whole_where_a_view_is_absent() -> None:
    batch = drawn(1)
    batch.present[4] = False  # the positive of the second
    found = loss_of(batch, miner="as_drawn", loss_options={"reduction": "mean"})
    x = batch.embeddings.detach()[:, 0]
    want = [max(0.0, float((x[t] - x[t + 3]).norm() - (x[t] - x[t + 6]).norm()) + 0.2) for t in (0, 2)]
    assert found.value.item() == pytest.approx(sum(want) / 2, rel=1e-5)
    assert found.chosen == 2


def test_triplets_as_drawn_across_views_go_both_ways() -> None:
    batch = drawn(2)
    found = loss_of(batch, miner="as_drawn", views="across", loss_options={"reduction": "mean"})
    x, want = batch.embeddings.detach(), []
    for u, v in ((0, 1), (1, 0)):
        for t in range(3):
            near, far = (float((x[t, u] - x[t + k, v]).norm()) for k in (3, 6))
            want.append(max(0.0, near - far + 0.2))
    assert found.value.item() == pytest.approx(sum(want) / 6, rel=1e-5)
    assert found.chosen == 6


def test_the_margin_goes_by_the_colour_difference_of_the_palettes() -> None:
    batch = new_batch(count=6, views=1)
    found = loss_of(batch, loss="contrastive", miner="all", margin=2.0, margin_by="cie76")
    x, colours = batch.embeddings.detach()[:, 0], batch.palettes[:, 0]
    pairs = list(itertools.combinations(range(6), 2))
    apart = {(i, j): float((colours[i] - colours[j]).norm(dim=-1).mean()) for i, j in pairs}
    mean = sum(apart.values()) / len(pairs)
    values = []
    for i, j in pairs:
        d, margin = float((x[i] - x[j]).norm()), 2.0 * apart[i, j] / mean
        values.append(d**2 / 2 if batch.labels[i] == batch.labels[j] else max(0.0, margin - d) ** 2 / 2)
    assert found.value.item() == pytest.approx(sum(values) / len(pairs), rel=1e-4)


def test_a_margin_by_palettes_that_are_not_there_is_refused() -> None:
    batch = replace(new_batch(), palettes=torch.zeros(9, 3, 0, 3))
    with pytest.raises(ConfigError, match=r"metric\.margin_by: .*hold none"):
        loss_of(batch, margin_by="cie76")


def test_classes_are_learned_by_a_layer_per_branch() -> None:
    batch = new_batch(views=2)
    batch.present[0, 1] = False
    layers = [{"weights": torch.randn(3, 4), "bias": torch.randn(3)} for _ in range(2)]
    found = loss_of(batch, layers, loss="softmax")
    want = []
    for v, rows in ((0, slice(0, 9)), (1, slice(1, 9))):
        scores = batch.embeddings.detach()[rows, v] @ layers[v]["weights"].T + layers[v]["bias"]
        want.append(-scores.log_softmax(1)[torch.arange(len(scores)), batch.labels[rows]].mean())
    assert found.value.item() == pytest.approx(float(sum(want)) / 2, rel=1e-5)
    assert (found.chosen, found.counts.total) == (17, 0)


def test_a_learned_distance_is_learned_per_branch_and_mined_with() -> None:
    batch = new_batch(count=6, views=2)
    learned = [{"weights": torch.randn(4), "bias": torch.randn(1)} for _ in range(2)]
    for one in learned:
        one["weights"].requires_grad_()
    found = loss_of(batch, learned, loss="weighted_l1_bce", miner="hard_negative")
    fixed = [{name: tensor.detach() for name, tensor in one.items()} for one in learned]
    want = []
    for v in range(2):
        x = batch.embeddings.detach()[:, v]
        chance = {}
        for i, j in itertools.combinations(range(6), 2):
            chance[i, j] = float(torch.sigmoid((x[i] - x[j]).abs() @ fixed[v]["weights"] + fixed[v]["bias"]))
        genuine = [p for (i, j), p in chance.items() if batch.labels[i] == batch.labels[j]]
        impostors = sorted(p for (i, j), p in chance.items() if batch.labels[i] != batch.labels[j])
        chosen = [*genuine, *(1 - p for p in impostors[-len(genuine) :])]
        want.append(-torch.tensor(chosen).log().mean())
    assert found.value.item() == pytest.approx(float(sum(want)) / 2, rel=1e-4)
    found.value.backward()
    assert all(one["weights"].grad.abs().sum() > 0 for one in learned)


@pytest.mark.parametrize(
    "settings",
    [
        {"distance": "cie76"},
        {"loss": "contrastive", "miner": "all"},
        {"miner": "as_drawn"},
        {"views": "across"},
        {"margin_by": "ciede2000"},
    ],
)
def test_a_batch_of_nothing_gives_zero_with_a_gradient(settings: dict[str, Any]) -> None:
    batch = replace(new_batch(6, 2, 6), present=torch.zeros(6, 2, dtype=torch.bool))
    found = loss_of(batch, **settings)
    found.value.backward()
    assert found.value.item() == 0
    assert (found.counts.total, found.chosen) == (0, 0)
    assert batch.embeddings.grad is not None
