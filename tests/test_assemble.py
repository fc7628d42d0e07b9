"""From a config to objects: what does not fit is refused, and chance comes from the seed alone."""

from typing import Any

import pytest
import torch

from kilnsense.assemble import check_parts, make_classifier, make_encoder
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
        ({"metric": {"miner": "semihard"}}, "metric.miner: got 'semihard'.*did you mean 'semi_hard'"),
        ({"fusion": {"kind": "concta"}}, "fusion.kind: got 'concta'.*did you mean 'concat'"),
        ({"classifier": {"kind": "tree"}}, "classifier: got 'tree'"),
        ({"training": {"enabled": False}, "fusion": {"descriptors": False}}, "nothing is left to judge by"),
    ],
)
def test_parts_that_do_not_fit_are_refused(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_parts(config(**sections))


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
