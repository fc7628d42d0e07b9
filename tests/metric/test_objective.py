"""What a config of the metric means."""

from typing import Any

import pytest
import torch

from kilnsense.assemble import build_objective
from kilnsense.config import MetricConfig
from kilnsense.errors import ConfigError
from kilnsense.metric.losses import LOSSES
from kilnsense.metric.margins import Margin
from kilnsense.metric.objective import Objective
from kilnsense.metric.ranking import relate


def objective(**settings: Any) -> Objective:
    return build_objective(MetricConfig.model_validate(settings))


def test_the_margin_is_that_of_loss_and_distance_unless_given() -> None:
    own = objective(distance="cie76")
    assert own.margin == Margin(own.distance.margin)
    assert own.distance.margin > 1
    pairs = objective(distance="cie76", loss="contrastive", miner="all")
    assert pairs.margin.start > own.margin.start
    assert objective(margin=0.0).margin == Margin(0.0)
    assert objective(margin=0.5, margin_end=1.5).margin.at(0.5) == 1.0


def test_the_first_miner_serves_the_first_epochs_without_the_options_of_the_other() -> None:
    found = objective(miner="all", miner_options={"kind": "hard"}, first_miner="as_drawn", first_epochs=2)
    assert [found.mining_of(epoch).tuples for epoch in (1, 2, 3)] == [3, 3, 0]
    assert [found.mining_of(epoch) is found.mining for epoch in (1, 2, 3)] == [False, False, True]
    only = objective()
    assert only.mining_of(1) is only.mining


def test_tuples_are_pairs_or_triplets_as_the_loss_wants() -> None:
    assert objective(miner="as_drawn").mining.tuples == 3
    assert objective(loss="energy", miner="as_drawn").mining.tuples == 2
    assert objective(loss="softmax", miner="as_drawn").mining.tuples == 0
    for name in ("", "semi_hard", "hard_negative", "as_drawn"):
        assert objective(loss="softmax", miner=name).mining.miner is None


def test_options_reach_loss_and_miner() -> None:
    x, labels = torch.tensor([[0.0], [1.0], [1.5], [9.0]]), torch.tensor([0, 0, 1, 1])
    chosen = []
    for kind in ("hard", "all"):
        found = objective(miner="all", miner_options={"kind": kind}, margin=0.1)
        assert found.mining.miner is not None
        table = found.distance.matrix(x, x)
        mined = found.mining.miner(table, relate(labels), margin=0.1, generator=torch.Generator())
        chosen.append(mined.chosen)
    assert chosen[0] == mined.counts.hard < chosen[1] == mined.valid
    with pytest.raises(ConfigError, match="reduction: got 'median'"):
        objective(loss_options={"reduction": "median"})


def test_a_squared_distance_is_the_square() -> None:
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    assert objective(squared=True).distance.pairs(x[:1], x[1:]).item() == pytest.approx(25)
    assert objective().distance.pairs(x[:1], x[1:]).item() == pytest.approx(5)


def test_what_a_loss_learns_is_started_per_branch_and_shared_across_views() -> None:
    own = objective(loss="weighted_l1_bce", miner="all").start(4, 3, 2, seed=1)
    assert len(own) == 2
    assert not torch.equal(own[0]["weights"], own[1]["weights"])
    again = objective(loss="weighted_l1_bce", miner="all").start(4, 3, 2, seed=1)
    assert torch.equal(own[1]["weights"], again[1]["weights"])
    shared = objective(loss="weighted_l1_bce", miner="all", views="across").start(4, 3, 2, seed=1)
    assert shared[0] is shared[1]
    assert objective().start(4, 3, 2, seed=1) == ({}, {})
    (layer,) = objective(loss="softmax").start(4, 3, 1, seed=1)
    assert layer["weights"].shape == (3, 4)


def test_embeddings_are_compared_as_the_loss_has_learned_to() -> None:
    learned = [{"weights": torch.tensor([-1.0, -2.0]), "bias": torch.zeros(1)}] * 2
    x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    koch = objective(loss="weighted_l1_bce", miner="all").compare(learned, 1)
    assert koch.pairs(x, y).item() == pytest.approx(-torch.sigmoid(torch.tensor(-3.0)).log().item())
    assert objective().compare([{}, {}], 0).name == "euclidean"


def test_the_least_spread_goes_by_the_margin_where_there_is_one() -> None:
    assert objective(margin=1.0).least_spread(0.6) == 0.3
    assert objective(loss="contrastive", miner="all", margin=1.0).least_spread(1.0) == 0.25
    for name in ("softmax", "energy", "ratio", "weighted_l1_bce"):
        over = LOSSES[name]().over
        found = objective(loss=name, miner="all" if over == "pairs" else "semi_hard", margin=8.0)
        assert found.least_spread(8.0) == found.distance.margin / 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"miner": "semihard"}, r"metric\.miner .*: got 'semihard'.*did you mean 'semi_hard'"),
        (
            {"loss": "contrastive"},
            r"\(loss 'contrastive' is over pairs\): got 'semi_hard', allowed: all, as_drawn, hard_negative",
        ),
        ({"first_miner": "odd", "first_epochs": 2}, r"metric\.first_miner .*: got 'odd'"),
        ({"first_miner": "all"}, r"metric\.first_miner: got 'all' with .*first_epochs 0.* or neither"),
        ({"first_epochs": 2}, r"metric\.first_miner: got '' with .*first_epochs 2.* or neither"),
        (
            {"loss": "softmax", "miner": "semihard"},
            r"metric\.miner \(loss 'softmax' is over classes\): got 'semihard', allowed: .*hard_negative",
        ),
        (
            {"loss": "softmax", "first_miner": "odd", "first_epochs": 1},
            r"metric\.first_miner \(loss 'softmax' .*: got 'odd'",
        ),
        (
            {"distance": "squared_euclidean", "squared": True},
            r"metric\.squared: got true .* squared already; set metric\.squared: false",
        ),
        ({"miner_options": {"kind": "all"}}, r"metric\.miner .* 'semi_hard': unknown option 'kind'"),
        ({"loss_options": {"bound": 1.0}}, r"metric\.loss 'triplet': unknown option 'bound'"),
        ({"margin_by": "euclidean"}, r"metric\.margin_by: got 'euclidean', allowed: cie76, "),
        ({"loss": "softmax", "views": "across"}, r"metric\.views: got 'across', but loss 'softmax'"),
    ],
)
def test_parts_that_do_not_fit_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        objective(**settings)
