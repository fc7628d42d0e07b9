"""Miners and the ranking below them, against loops over every triplet."""

import math
from collections import Counter
from itertools import product

import pytest
import torch
from torch import Tensor

from kilnsense.errors import ConfigError, InputError
from kilnsense.metric.distances import DISTANCES
from kilnsense.metric.miners import MINERS, Mined

MARGIN = 0.8
LISTING = [name for name in MINERS if name != "all"]


def batch(n: int = 24, classes: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Distances (n, n) and labels (n,), the classes of unequal size, one of them with a single sample."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (n,), generator=generator)
    labels[n // 2] = 17
    x = torch.randn(n, 3, generator=generator)
    return DISTANCES["euclidean"]().matrix(x, x), labels


def mine(name: str, distances: Tensor, labels: Tensor, margin: float = MARGIN, seed: int = 0) -> Mined:
    return MINERS[name]()(distances, labels, margin=margin, generator=torch.Generator().manual_seed(seed))


def triplets(labels: Tensor) -> list[tuple[int, int, int]]:
    """Every valid triplet, by brute force."""
    y, n = labels.tolist(), len(labels)
    return [(a, p, q) for a, p, q in product(range(n), repeat=3) if a != p and y[a] == y[p] and y[a] != y[q]]


def kind(distances: Tensor, triplet: tuple[int, int, int], margin: float = MARGIN) -> str:
    a, p, n = triplet
    if distances[a, n] <= distances[a, p]:
        return "hard"
    return "semi_hard" if distances[a, n] < distances[a, p] + margin else "easy"


def listed(mined: Mined) -> list[tuple[int, int, int]]:
    return list(zip(mined.anchor.tolist(), mined.positive.tolist(), mined.negative.tolist(), strict=True))


@pytest.mark.parametrize("name", LISTING)
def test_only_valid_triplets_and_their_kinds_counted(name: str) -> None:
    distances, labels = batch()
    mined = mine(name, distances, labels)
    every = triplets(labels)
    assert set(listed(mined)) <= set(every)
    assert mined.valid == len(every)
    counts = Counter(kind(distances, t) for t in listed(mined))
    assert (mined.easy, mined.semi_hard, mined.hard) == (counts["easy"], counts["semi_hard"], counts["hard"])
    assert mined.chosen == len(listed(mined)) > 10
    assert mined.violating == counts["semi_hard"] + counts["hard"]


@pytest.mark.parametrize("which", ["all", "semi_hard", "hard"])
@pytest.mark.parametrize("margin", [0.0, 0.3, MARGIN, 50.0])
def test_all_counts_and_folds_every_triplet(which: str, margin: float) -> None:
    distances, labels = batch()
    mined = MINERS["all"](kind=which)(distances, labels, margin=margin, generator=torch.Generator())
    counts = Counter(kind(distances, t, margin) for t in triplets(labels))
    wanted = {"all": ["easy", "semi_hard", "hard"], "semi_hard": ["semi_hard"], "hard": ["hard"]}[which]
    assert [mined.easy, mined.semi_hard, mined.hard] == [
        counts[k] if k in wanted else 0 for k in ("easy", "semi_hard", "hard")
    ]
    expected = torch.zeros(len(labels), len(labels), dtype=torch.float64)
    for a, p, n in triplets(labels):
        if kind(distances, (a, p, n), margin) in set(wanted) - {"easy"}:
            expected[min(a, p), max(a, p)] += 1
            expected[min(a, n), max(a, n)] -= 1
    assert mined.weights is not None
    assert torch.equal(mined.weights, expected)


def test_batch_hard_takes_the_farthest_positive_and_the_nearest_negative() -> None:
    distances, labels = batch()
    expected = []
    for a in range(len(labels)):
        mates = [(distances[a, p].item(), p) for p in range(len(labels)) if p != a and labels[p] == labels[a]]
        others = [(distances[a, n].item(), n) for n in range(len(labels)) if labels[n] != labels[a]]
        if mates:
            expected.append((a, max(mates)[1], min(others)[1]))
    assert listed(mine("batch_hard", distances, labels)) == expected


def test_hardest_takes_the_nearest_negative_of_each_pair_inside_the_margin() -> None:
    distances, labels = batch()
    expected = []
    for a, p in product(range(len(labels)), repeat=2):
        others = [(distances[a, n].item(), n) for n in range(len(labels)) if labels[n] != labels[a]]
        if a != p and labels[a] == labels[p] and min(others)[0] < distances[a, p] + MARGIN:
            expected.append((a, p, min(others)[1]))
    assert listed(mine("hardest", distances, labels)) == expected


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("random", {"easy", "semi_hard", "hard"}),
        ("random_hard", {"semi_hard", "hard"}),
        ("semi_hard", {"semi_hard"}),
    ],
)
def test_random_picks_reach_every_candidate_alike(name: str, kinds: set[str]) -> None:
    distances, labels = batch(14)
    candidates = [t for t in triplets(labels) if kind(distances, t) in kinds]
    rounds = 1500
    drawn = Counter(t for seed in range(rounds) for t in listed(mine(name, distances, labels, seed=seed)))
    assert set(drawn) == set(candidates)
    per_pair = Counter((a, p) for a, p, _ in candidates)
    for (a, p, _), count in drawn.items():
        share = 1 / per_pair[a, p]
        assert abs(count / rounds - share) < 6 * math.sqrt(share * (1 - share) / rounds) + 1e-9


def test_nearest_semi_hard_is_the_first_beyond_the_positive() -> None:
    distances, labels = batch()
    mined = MINERS["semi_hard"](pick="nearest")(distances, labels, margin=MARGIN, generator=torch.Generator())
    assert mined.chosen > 10
    for a, p, n in listed(mined):
        beyond = [distances[a, j] for j in range(len(labels)) if labels[j] != labels[a]]
        assert distances[a, n] == min(d for d in beyond if d > distances[a, p])


def test_same_generator_same_triplets() -> None:
    distances, labels = batch()
    for name in LISTING:
        assert listed(mine(name, distances, labels)) == listed(mine(name, distances, labels))
    assert listed(mine("random", distances, labels)) != listed(mine("random", distances, labels, seed=1))


def test_ties_are_hard_even_without_a_margin() -> None:
    """Equal embeddings: every negative is exactly as far as every positive."""
    labels = torch.tensor([0, 0, 1, 1])
    for name in MINERS:
        mined = mine(name, torch.zeros(4, 4), labels, margin=0.0)
        assert mined.semi_hard == mined.easy == 0
        assert mined.hard == {"all": 8, "batch_hard": 4, "semi_hard": 0}.get(name, mined.hard)


def test_a_negative_exactly_on_the_margin_is_easy() -> None:
    distances = torch.tensor([[0.0, 1, 2], [1, 0, 2], [2, 2, 0]])
    labels = torch.tensor([0, 0, 1])
    assert mine("all", distances, labels, margin=1.0).easy == 2
    assert mine("hardest", distances, labels, margin=1.0).chosen == 0
    assert mine("batch_hard", distances, labels, margin=1.0).easy == 2
    assert mine("batch_hard", distances, labels, margin=1.125).semi_hard == 2


@pytest.mark.parametrize("name", MINERS)
@pytest.mark.parametrize(
    "labels", [[0, 0, 0, 0], [0, 1, 2, 3], [5], []], ids=["one class", "alone", "one", "none"]
)
def test_a_batch_without_a_triplet_is_counted_not_refused(name: str, labels: list[int]) -> None:
    n = len(labels)
    mined = mine(name, torch.ones(n, n), torch.tensor(labels, dtype=torch.int64))
    assert mined.valid == mined.chosen == len(mined.anchor) == 0


@pytest.mark.parametrize("name", MINERS)
@pytest.mark.parametrize("margin", [-0.1, float("nan"), float("inf")])
def test_a_margin_below_zero_is_refused(name: str, margin: float) -> None:
    with pytest.raises(ConfigError, match=r"margin: got .* allowed: 0 and above"):
        mine(name, torch.zeros(2, 2), torch.tensor([0, 1]), margin=margin)


@pytest.mark.parametrize("name", MINERS)
def test_bad_arguments_are_named(name: str) -> None:
    with pytest.raises(InputError, match=r"labels \(N,\) and distances \(N, N\)"):
        mine(name, torch.zeros(3, 4), torch.tensor([0, 1, 1]))
    with pytest.raises(InputError, match="integer type"):
        mine(name, torch.zeros(2, 2), torch.tensor([0.0, 1.0]))
    broken = torch.zeros(3, 3)
    broken[1, 2] = float("nan")
    with pytest.raises(InputError, match="1 of 3 rows hold NaN or infinity, the first in row 1"):
        mine(name, broken, torch.tensor([0, 1, 1]))


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="pick: got 'farthest', allowed: random, nearest"):
        MINERS["semi_hard"](pick="farthest")
    with pytest.raises(ConfigError, match="kind: got 'easy', allowed: all, semi_hard, hard"):
        MINERS["all"](kind="easy")
