"""Miners of pairs, against loops over every pair."""

import pytest
import torch
from torch import Tensor

from kilnsense.errors import ConfigError, InputError
from kilnsense.metric.counts import Counts
from kilnsense.metric.distances import DISTANCES
from kilnsense.metric.margins import scaled_margins
from kilnsense.metric.pair_miners import PAIR_MINERS, Pairs
from kilnsense.metric.ranking import relate

MARGIN = 1.5
MINING = [name for name in PAIR_MINERS if name != "as_drawn"]


def batch(labels: list[int]) -> tuple[Tensor, Tensor]:
    x = torch.randn(len(labels), 3, generator=torch.Generator().manual_seed(0))
    return DISTANCES["euclidean"]().matrix(x, x), torch.tensor(labels)


def mine(name: str, distances: Tensor, labels: Tensor, margin: float | Tensor = MARGIN) -> Pairs:
    return PAIR_MINERS[name]()(distances, relate(labels), margin=margin, generator=torch.Generator())


def listed(pairs: Pairs) -> list[tuple[int, int]]:
    return list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))


def test_all_are_all_once() -> None:
    distances, labels = batch([0, 0, 1, 1, 1, 2])
    pairs = mine("all", distances, labels)
    every = [(i, j) for i in range(6) for j in range(i + 1, 6)]
    assert sorted(listed(pairs)) == every
    assert pairs.valid == pairs.chosen == 15
    assert pairs.genuine.tolist() == [bool(labels[i] == labels[j]) for i, j in listed(pairs)]
    impostors = [(i, j) for i, j in every if labels[i] != labels[j]]
    near = sum(distances[i, j].item() < MARGIN for i, j in impostors)
    assert (pairs.counts.genuine, pairs.counts.inside, pairs.counts.beyond) == (4, near, 11 - near)
    assert 0 < near < 11


@pytest.mark.parametrize("labels", [[0, 0, 0, 1, 1, 2, 3, 4, 5], [0, 0, 0, 0, 0, 1]], ids=["many", "few"])
def test_hard_negative_takes_as_many_of_the_nearest_impostors(labels: list[int]) -> None:
    distances, of = batch(labels)
    n = len(labels)
    every = [(i, j) for i in range(n) for j in range(i + 1, n)]
    genuine = [pair for pair in every if labels[pair[0]] == labels[pair[1]]]
    impostors = sorted((p for p in every if p not in genuine), key=lambda p: distances[p].item())
    pairs = mine("hard_negative", distances, of)
    assert sorted(listed(pairs)) == sorted(genuine + impostors[: len(genuine)])
    assert pairs.chosen == (8 if n == 9 else 15)
    near = sum(distances[pair].item() < MARGIN for pair in impostors)
    assert 0 < near < len(impostors)
    assert pairs.counts == Counts(genuine=len(genuine), inside=near, beyond=len(impostors) - near)


def test_as_drawn_takes_the_halves_of_the_batch() -> None:
    distances, labels = batch([0, 1, 2, 0, 1, 0])
    pairs = mine("as_drawn", distances, labels)
    assert listed(pairs) == [(0, 3), (1, 4), (2, 5)]
    assert pairs.genuine.tolist() == [True, True, False]
    assert pairs.counts.genuine == 2
    with pytest.raises(InputError, match="the 5 rows are no first and second of pairs in halves"):
        mine("as_drawn", distances[:5, :5], labels[:5])
    with pytest.raises(InputError, match="tuple_batches"):
        PAIR_MINERS["as_drawn"]()(
            distances,
            relate(labels, torch.zeros(6, dtype=torch.int64)),
            margin=MARGIN,
            generator=torch.Generator(),
        )


def test_each_pair_has_its_own_margin() -> None:
    distances, labels = batch([0, 0, 1, 1, 1, 2])
    margins = scaled_margins(2 * MARGIN, 1 + distances)
    for name in PAIR_MINERS:
        pairs = mine(name, distances, labels, margins)
        assert isinstance(pairs.margin, Tensor)
        assert pairs.margin.tolist() == [margins[i, j].item() for i, j in listed(pairs)]
        every = [(i, j) for i in range(6) for j in range(i + 1, 6)]
        counted = [
            p for p in (listed(pairs) if name == "as_drawn" else every) if labels[p[0]] != labels[p[1]]
        ]
        near = sum((distances[pair] < margins[pair]).item() for pair in counted)
        assert (pairs.counts.inside, pairs.counts.beyond) == (near, len(counted) - near)
        assert near > 0


def test_across_sides_only_pairs_of_both_are_taken() -> None:
    distances, labels = batch([0, 0, 1, 0, 0, 1])
    sides = torch.tensor([0, 0, 0, 1, 1, 1])
    for name in PAIR_MINERS:
        pairs = PAIR_MINERS[name]()(
            distances, relate(labels, sides), margin=MARGIN, generator=torch.Generator()
        )
        assert pairs.valid == 9
        assert pairs.counts.genuine == (3 if name == "as_drawn" else 5)
        assert all(sides[i] != sides[j] for i, j in listed(pairs))


@pytest.mark.parametrize("name", PAIR_MINERS)
def test_a_batch_without_a_pair_is_counted_not_refused(name: str) -> None:
    pairs = mine(name, torch.zeros(0, 0), torch.zeros(0, dtype=torch.int64))
    assert pairs.valid == pairs.chosen == 0
    distances, labels = batch([3, 3])
    one_class = mine(name, distances, labels)
    assert (one_class.counts.genuine, one_class.chosen) == (1, 1)


@pytest.mark.parametrize("name", MINING)
def test_bad_arguments_are_named(name: str) -> None:
    distances, labels = batch([0, 0, 1, 1])
    with pytest.raises(ConfigError, match=r"margin: got -1"):
        mine(name, distances, labels, -1)
    with pytest.raises(InputError, match=r"labels \(N,\) and distances \(N, N\)"):
        mine(name, distances[:3], labels)
    distances[2, 0] = torch.nan
    with pytest.raises(InputError, match="1 of 4 rows hold NaN or infinity, the first in row 2"):
        mine(name, distances, labels)
