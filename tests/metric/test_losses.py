"""The table of losses: what a trainer reads in it."""

import pytest
import torch

from kilnsense.errors import ConfigError, InputError
from kilnsense.metric.distances import DISTANCES, squared
from kilnsense.metric.losses import LOSSES
from kilnsense.metric.miners import MINERS
from kilnsense.metric.pair_miners import PAIR_MINERS
from kilnsense.metric.ranking import relate


def test_every_loss_carries_its_name() -> None:
    assert {name: build().name for name, build in LOSSES.items()} == {name: name for name in LOSSES}


def test_margins_begin_at_a_tenth_of_a_distance_for_triplets_and_at_half_for_pairs() -> None:
    for build in LOSSES.values():
        loss = build()
        for distance in (DISTANCES["euclidean"](), DISTANCES["ciede2000"]()):
            margin = loss.default_margin(distance)
            assert margin == (5 * distance.margin if loss.over == "pairs" else distance.margin)
    assert LOSSES["contrastive"]().default_margin(DISTANCES["euclidean"]()) == 1.0
    assert LOSSES["contrastive"]().default_margin(squared(DISTANCES["euclidean"]())) == 1.0


def test_what_was_mined_for_another_kind_of_loss_is_refused() -> None:
    distance, labels = DISTANCES["euclidean"](), torch.tensor([0, 0, 1, 1])
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    table, chance = distance.matrix(x, x), torch.Generator()
    chosen = {
        "triplets": MINERS["all"]()(table, relate(labels), margin=0.2, generator=chance),
        "pairs": PAIR_MINERS["all"]()(table, relate(labels), margin=1.0, generator=chance),
        "classes": labels,
    }
    for name, build in LOSSES.items():
        loss = build()
        own = loss.start(3, 2, chance) if loss.start else {}
        for over, given in chosen.items():
            if over == loss.over:
                assert loss.value(x, given, distance, own).ndim == 0
            else:
                with pytest.raises(InputError, match=f"loss '{name}' learns from"):
                    loss.value(x, given, distance, own)


@pytest.mark.parametrize("name", ["triplet", "triplet_soft", "triplet_cosine"])
def test_an_unknown_reduction_is_refused(name: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"loss '{name}': reduction: got 'median', allowed: mean_violating, mean, sum"
    ):
        LOSSES[name](reduction="median")
