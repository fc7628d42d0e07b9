"""Miners and the ranking below them, against loops over every triplet."""

import math
from collections import Counter
from itertools import product

import pytest
import torch
from torch import Tensor

from kilnsense.errors import ConfigError, InputError
from kilnsense.metric.distances import DISTANCES
from kilnsense.metric.every import fold
from kilnsense.metric.margins import scaled_margins
from kilnsense.metric.miners import MINERS, Mined
from kilnsense.metric.ranking import Relation, relate

MARGIN = 0.8
MINING = [name for name in MINERS if name != "as_drawn"]
LISTING = [name for name in MINING if name != "all"]
RANKING = ["all", "hardest", "random_hard", "semi_hard"]
"""These count the kinds of all valid triplets, the others of the chosen ones."""


def batch(n: int = 24, classes: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Distances (n, n) and labels (n,), the classes of unequal size, one of them with a single sample."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (n,), generator=generator)
    labels[n // 2] = 17
    x = torch.randn(n, 3, generator=generator)
    return DISTANCES["euclidean"]().matrix(x, x), labels


def mine(
    name: str,
    distances: Tensor,
    labels: Tensor,
    margin: float | Tensor = MARGIN,
    seed: int = 0,
    **options: str,
) -> Mined:
    chance = torch.Generator().manual_seed(seed)
    return MINERS[name](**options)(distances, relate(labels), margin=margin, generator=chance)


def triplets(labels: Tensor) -> list[tuple[int, int, int]]:
    """Every valid triplet, by brute force."""
    y, n = labels.tolist(), len(labels)
    return [(a, p, q) for a, p, q in product(range(n), repeat=3) if a != p and y[a] == y[p] and y[a] != y[q]]


def kind(distances: Tensor, triplet: tuple[int, int, int], margin: float | Tensor = MARGIN) -> str:
    a, p, n = triplet
    if distances[a, n] <= distances[a, p]:
        return "hard"
    if isinstance(margin, Tensor):
        return "semi_hard" if distances[a, n] - margin[a, n] < distances[a, p] else "easy"
    return "semi_hard" if distances[a, n] < distances[a, p] + margin else "easy"


def margins(n: int) -> Tensor:
    """One per pair, some of them 0."""
    differences = torch.rand(n, n, generator=torch.Generator().manual_seed(5))
    return scaled_margins(MARGIN, (differences + differences.T - 0.5).clamp_min(0))


def kinds_of(mined: Mined) -> dict[str, int]:
    return {"easy": mined.counts.easy, "semi_hard": mined.counts.semi_hard, "hard": mined.counts.hard}


def kinds_among(
    distances: Tensor, among: list[tuple[int, int, int]], margin: float | Tensor = MARGIN
) -> dict[str, int]:
    return {"easy": 0, "semi_hard": 0, "hard": 0} | Counter(kind(distances, t, margin) for t in among)


def listed(mined: Mined) -> list[tuple[int, int, int]]:
    return list(zip(mined.anchor.tolist(), mined.positive.tolist(), mined.negative.tolist(), strict=True))


@pytest.mark.parametrize("name", LISTING)
def test_only_valid_triplets_are_chosen_and_all_kinds_counted(name: str) -> None:
    distances, labels = batch()
    mined = mine(name, distances, labels)
    every = triplets(labels)
    assert set(listed(mined)) <= set(every)
    assert mined.valid == len(every)
    counts = kinds_among(distances, every if name in RANKING else listed(mined))
    assert kinds_of(mined) == counts
    assert mined.chosen == len(listed(mined)) > 10
    assert mined.counts.violating == counts["semi_hard"] + counts["hard"]
    assert not mined.counts.genuine + mined.counts.inside + mined.counts.beyond


@pytest.mark.parametrize("which", ["all", "semi_hard", "hard"])
@pytest.mark.parametrize("margin", [0.0, 0.3, MARGIN, 50.0, "scaled"])
def test_all_counts_and_folds_every_triplet(which: str, margin: float | str) -> None:
    distances, labels = batch()
    of = margins(len(labels)) if isinstance(margin, str) else margin
    mined = mine("all", distances, labels, of, kind=which)
    counts = Counter(kind(distances, t, of) for t in triplets(labels))
    wanted = {"all": ["easy", "semi_hard", "hard"], "semi_hard": ["semi_hard"], "hard": ["hard"]}[which]
    assert kinds_of(mined) == {"easy": 0, "semi_hard": 0, "hard": 0} | counts
    assert mined.chosen == sum(counts[k] for k in wanted)
    expected = torch.zeros(len(labels), len(labels))
    sum_of_margins = 0.0
    for a, p, n in triplets(labels):
        if kind(distances, (a, p, n), of) in set(wanted) - {"easy"}:
            expected[a, p] += 1
            expected[a, n] -= 1
            sum_of_margins += float(of[a, n]) if isinstance(of, Tensor) else of
    assert mined.every is not None
    weights, total = fold(mined.every)
    assert torch.equal(weights, expected)
    assert total == pytest.approx(sum_of_margins, rel=1e-6)


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
    mined = mine("semi_hard", distances, labels, pick="nearest")
    assert mined.chosen > 10
    for a, p, n in listed(mined):
        beyond = [distances[a, j] for j in range(len(labels)) if labels[j] != labels[a]]
        assert distances[a, n] == min(d for d in beyond if d > distances[a, p])


def test_easy_triplets_are_seen_by_the_miner_that_shuns_them() -> None:
    """Two classes far apart: nothing is left to choose, and the counts say why."""
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    distances = 9.0 * (labels[:, None] != labels[None])
    for name in ("semi_hard", "random_hard", "hardest"):
        mined = mine(name, distances, labels)
        assert (mined.chosen, mined.valid) == (0, 36)
        assert kinds_of(mined) == {"easy": 36, "semi_hard": 0, "hard": 0}


def test_same_generator_same_triplets() -> None:
    distances, labels = batch()
    for name in LISTING:
        assert listed(mine(name, distances, labels)) == listed(mine(name, distances, labels))
    assert listed(mine("random", distances, labels)) != listed(mine("random", distances, labels, seed=1))


def test_ties_are_hard_even_without_a_margin() -> None:
    """Equal embeddings: every negative is exactly as far as every positive."""
    labels = torch.tensor([0, 0, 1, 1])
    for name in MINING:
        for margin in (0.0, torch.zeros(4, 4)):
            mined = mine(name, torch.zeros(4, 4), labels, margin=margin)
            assert kinds_of(mined) == {"easy": 0, "semi_hard": 0, "hard": 8 if name in RANKING else 4}
            assert mined.chosen == {"all": 8, "semi_hard": 0}.get(name, 4)


def test_a_negative_exactly_on_the_margin_is_easy() -> None:
    distances = torch.tensor([[0.0, 1, 2], [1, 0, 2], [2, 2, 0]])
    labels = torch.tensor([0, 0, 1])
    assert mine("all", distances, labels, margin=1.0).counts.easy == 2
    assert mine("hardest", distances, labels, margin=1.0).chosen == 0
    assert mine("batch_hard", distances, labels, margin=1.0).counts.easy == 2
    assert mine("batch_hard", distances, labels, margin=1.125).counts.semi_hard == 2


@pytest.mark.parametrize("name", MINING)
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


def test_margins_of_a_pair_that_are_all_equal_are_one_margin() -> None:
    distances, labels = batch()
    for name in MINING:
        one = mine(name, distances, labels)
        many = mine(name, distances, labels, torch.full_like(distances, MARGIN))
        assert one.counts.total > 10
        if name != "semi_hard":  # which draws by other means where margins differ
            assert listed(one) == listed(many)
        assert one.counts == many.counts


def test_with_margins_of_a_pair_the_picks_are_those_of_their_own_margin() -> None:
    distances, labels = batch()
    of = margins(len(labels))
    every = triplets(labels)
    kinds = {t: kind(distances, t, of) for t in every}
    hinges = {(a, p, n): float(distances[a, p] - distances[a, n] + of[a, n]) for a, p, n in every}
    for name in LISTING:
        mined = mine(name, distances, labels, of)
        assert mined.chosen > 10
        assert kinds_of(mined) == kinds_among(distances, every if name in RANKING else listed(mined), of)
        assert isinstance(mined.margin, Tensor)
        assert mined.margin.tolist() == [of[a, n].item() for a, _, n in listed(mined)]
    pairs = {(a, p) for a, p, _ in every}
    for name, kept in (("semi_hard", {"semi_hard"}), ("random_hard", {"semi_hard", "hard"})):
        got = {(a, p) for a, p, _ in listed(mine(name, distances, labels, of))}
        assert got == {(a, p) for a, p in pairs if kept & {kinds[t] for t in every if t[:2] == (a, p)}}
        assert {kinds[t] for t in listed(mine(name, distances, labels, of))} == kept
    for a, p, n in listed(mine("hardest", distances, labels, of)):
        assert hinges[a, p, n] == max(h for t, h in hinges.items() if t[:2] == (a, p))
    for a, p, n in listed(mine("semi_hard", distances, labels, of, pick="nearest")):
        assert distances[a, n] == min(
            distances[t[0], t[2]] for t in every if t[:2] == (a, p) and kinds[t] == "semi_hard"
        )


def test_as_drawn_takes_the_thirds_of_the_batch() -> None:
    distances, _ = batch(9)
    mined = mine("as_drawn", distances, torch.tensor([0, 1, 2, 0, 1, 2, 5, 5, 5]))
    assert listed(mined) == [(0, 3, 6), (1, 4, 7), (2, 5, 8)]
    assert mined.chosen == 3
    assert kinds_of(mined) == kinds_among(distances, listed(mined))
    for wrong in ([0, 1, 2, 0, 1, 1, 5, 5, 5], [0, 1, 2, 0, 1, 2, 0, 5, 5]):
        with pytest.raises(InputError, match="the 9 rows are no anchors, positives and negatives in thirds"):
            mine("as_drawn", distances, torch.tensor(wrong))
    with pytest.raises(InputError, match="tuple_batches"):
        mine("as_drawn", distances[:8, :8], torch.arange(8))


@pytest.mark.parametrize("name", MINING)
def test_across_sides_only_the_other_side_is_mined(name: str) -> None:
    distances, _ = batch(12)
    labels = torch.tensor([0, 0, 1, 1, 2, 2]).repeat(2)
    sides = torch.arange(12) // 6
    relation = relate(labels, sides)
    mined = MINERS[name]()(distances, relation, margin=MARGIN, generator=torch.Generator())
    assert mined.valid == 12 * 2 * 4
    assert mined.chosen > 0
    for a, p, n in listed(mined):
        assert sides[a] != sides[p]
        assert sides[a] != sides[n]
        assert labels[a] == labels[p] != labels[n]
    assert relation.positive[0, 6]
    assert not relation.positive[0, 1]


def test_a_relation_that_fits_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="one side per label 3"):
        relate(torch.tensor([0, 1, 1]), torch.tensor([0, 1]))
    with pytest.raises(InputError, match=r"shape \(2, 2\)"):
        relate(torch.zeros(2, 2, dtype=torch.int64))
    yes = torch.ones(3, 3, dtype=torch.bool)
    for bad in (torch.ones(2, 2), torch.full((3, 3), -1.0), torch.full((3, 3), math.nan)):
        with pytest.raises(InputError, match=r"margins: got shape .* allowed: one number of 0 and above"):
            MINERS["all"]()(torch.ones(3, 3), Relation(yes, ~yes), margin=bad, generator=torch.Generator())
