"""The loss of a batch against a slow loop."""

import pytest
import torch

from kilnsense.config import MetricConfig
from kilnsense.errors import ConfigError
from kilnsense.training.objective import batch_loss, build_objective


def slow_branch(x: torch.Tensor, labels: torch.Tensor, margin: float) -> float:
    """The mean hinge over the violating triplets of one branch."""
    hinges = []
    for a in range(len(x)):
        for p in range(len(x)):
            for n in range(len(x)):
                if a != p and labels[a] == labels[p] and labels[a] != labels[n]:
                    hinge = float((x[a] - x[p]).norm() - (x[a] - x[n]).norm()) + margin
                    if hinge > 0:
                        hinges.append(hinge)
    return sum(hinges) / len(hinges)


def test_the_loss_is_the_mean_over_branches_of_the_present_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(9, 3, 4, generator=generator, requires_grad=True)
    labels = torch.arange(9) % 3
    present = torch.ones(9, 3, dtype=torch.bool)
    present[:2, 0] = False
    present[:, 2] = False  # never seen: left out of the mean
    loss, counts = batch_loss(
        x, present, labels, build_objective(MetricConfig(miner="all")), generator=generator
    )
    fixed = x.detach()
    want = [slow_branch(fixed[present[:, v], v], labels[present[:, v]], 0.2) for v in range(2)]
    assert loss.item() == pytest.approx(sum(want) / 2, rel=1e-5)
    assert counts.easy > 0
    assert counts.hard > 0
    loss.backward()
    assert x.grad is not None
    assert (x.grad[:2, 0] == 0).all()
    assert (x.grad[2:, 0].abs().sum(1) > 0).all()
    assert (x.grad[:, 2] == 0).all()


def test_a_batch_without_triplets_gives_zero_with_a_gradient() -> None:
    x = torch.randn(4, 2, 6, requires_grad=True)
    loss, counts = batch_loss(
        x,
        torch.zeros(4, 2, dtype=torch.bool),
        torch.arange(4),
        build_objective(MetricConfig(distance="cie76")),
        generator=torch.Generator(),
    )
    loss.backward()
    assert loss.item() == 0
    assert counts.easy + counts.semi_hard + counts.hard == 0
    assert x.grad is not None


def test_the_margin_is_the_distances_own_unless_given() -> None:
    own = build_objective(MetricConfig(distance="cie76"))
    assert own.margin == own.distance.margin > 1
    assert build_objective(MetricConfig(margin=0.0)).margin == 0.0


def test_unknown_parts_are_named() -> None:
    with pytest.raises(ConfigError, match=r"metric\.miner: got 'semihard'.*did you mean 'semi_hard'"):
        build_objective(MetricConfig(miner="semihard"))
