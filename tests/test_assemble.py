"""From a config to objects: what does not fit is refused, and chance comes from the seed alone."""

from typing import Any

import pytest
import torch

from kilnsense.assemble import check_parts, make_classifier, make_distance, make_encoder
from kilnsense.config import Config, check_config
from kilnsense.errors import ConfigError


def config(**sections: Any) -> Config:
    return check_config(sections, origin="test")


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"metric": {"distance": "euclid"}}, "metric.distance: got 'euclid'"),
        ({"metric": {"distance": "cie76"}}, "branches.head: the head gives a vector"),
        ({"metric": {"loss": "tripel"}}, "metric.loss: got 'tripel'.*did you mean 'triplet'"),
        (
            {"metric": {"miner": "semihard"}},
            r"metric.miner \(loss 'triplet' is over triplets\): got 'semihard'.*did you mean 'semi_hard'",
        ),
        (
            {"metric": {"loss": "contrastive"}},
            r"metric.miner \(loss 'contrastive' is over pairs\): got 'semi_hard', allowed: .*hard_negative",
        ),
        ({"metric": {"loss_options": {"reduced": "sum"}}}, "metric.loss 'triplet': unknown option 'reduced'"),
        ({"metric": {"miner_options": {"pik": "x"}}}, "'semi_hard': unknown option 'pik', allowed: pick"),
        (
            {"metric": {"first_miner": "hard_negative", "first_epochs": 2}},
            r"metric.first_miner \(loss 'triplet' .*: got 'hard_negative'",
        ),
        ({"metric": {"margin_by": "cie67"}}, "metric.margin_by: got 'cie67'.*did you mean 'cie76'"),
        ({"metric": {"margin_by": "cosine"}}, "metric.margin_by: got 'cosine', allowed: cie76, .*redmean$"),
        (
            {"metric": {"views": "across"}, "branches": {"views": ["scale:0.5"]}},
            "'across': compares two kinds of view, got scale:0.5; name two or more in branches.views",
        ),
        (
            {"metric": {"views": "across", "loss": "softmax"}},
            "loss 'softmax' compares no two samples; set metric.views",
        ),
        ({"branches": {"trunk": "conv3"}}, "branches.trunk: got 'conv3'.*did you mean 'conv"),
        ({"branches": {"pool": "flat"}}, "branches.pool 'flat': needs crops"),
        ({"fusion": {"kind": "concta"}}, "fusion.kind: got 'concta'.*did you mean 'concat'"),
        ({"classifier": {"kind": "tree"}}, "classifier: got 'tree'"),
        ({"training": {"enabled": False}, "fusion": {"descriptors": False}}, "nothing is left to judge by"),
    ],
)
def test_parts_that_do_not_fit_are_refused(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_parts(config(**sections))


@pytest.mark.parametrize(
    "metric",
    [
        {"loss": "contrastive", "miner": "hard_negative", "first_miner": "all", "first_epochs": 1},
        {"loss": "triplet_soft", "miner": "all", "miner_options": {"kind": "semi_hard"}},
        {"loss": "softmax", "miner": "", "margin_by": ""},
        {"views": "across", "miner": "as_drawn", "margin_by": "ciede2000"},
    ],
)
def test_parts_that_fit_pass(metric: dict[str, Any]) -> None:
    check_parts(config(metric=metric))


def test_a_distance_is_squared_where_that_is_asked_for() -> None:
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    plain, squared = (make_distance(config(metric={"squared": value})) for value in (False, True))
    assert plain.matrix(x, x)[0, 1] == 5
    assert squared.matrix(x, x)[0, 1] == 25


def test_the_network_is_the_configured_one() -> None:
    branches = {"trunk": "conv2", "pool": "flat", "mode": "crop", "size": 28, "hidden": [256, 256]}
    encoder = make_encoder(config(branches=branches | {"dimensions": 2, "views": ["scale:1.0"]}))
    shapes = [tuple(p.shape) for p in encoder.parameters() if p.ndim > 1]
    assert shapes[:2] == [(32, 3, 5, 5), (64, 32, 5, 5)]
    assert [shape for shape in shapes if shape[1] > 1][2:] == [(1, 1024, 256), (1, 256, 256), (1, 256, 2)]


def test_weights_depend_on_the_seed_and_the_part_alone() -> None:
    def first(seed: int, part: str) -> torch.Tensor:
        return next(make_encoder(config(seed=seed), part=part).parameters()).detach()

    torch.rand(3)
    assert torch.equal(first(1, "a"), first(1, "a"))
    assert not torch.equal(first(1, "a"), first(2, "a"))
    assert not torch.equal(first(1, "a"), first(1, "b"))


def test_a_classifier_is_new_every_time() -> None:
    make = make_classifier(config())
    assert make() is not make()
