"""The P x K sampler: balance, groups, coverage, and what it refuses."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from kilnsense.errors import ConfigError, InputError
from kilnsense.metric.samplers import pk_batches, tuple_batches

LABELS = np.array(["under"] * 12 + ["normal"] * 30 + ["over"] * 7)
GROUPS = np.array(
    [f"u{i % 3}" for i in range(12)] + [f"n{i % 5}" for i in range(30)] + ["o0"] * 5 + ["o1"] * 2
)


def draw(p: int = 3, k: int = 4, batches: int = 5, seed: int = 0, **options: bool) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return list(
        pk_batches(
            LABELS, GROUPS, classes_per_batch=p, samples_per_class=k, batches=batches, rng=rng, **options
        )
    )


def test_every_batch_holds_k_different_samples_of_p_classes() -> None:
    batches = draw(batches=40)
    assert len(batches) == 40
    for batch in batches:
        assert batch.dtype == np.int64
        assert Counter(LABELS[batch].tolist()) == {"under": 4, "normal": 4, "over": 4}
        assert len(set(batch.tolist())) == 12


def test_classes_take_turns_where_not_all_fit() -> None:
    turns = Counter(label for batch in draw(p=2, batches=30) for label in set(LABELS[batch].tolist()))
    assert set(turns.values()) == {20}
    assert all(len(set(LABELS[batch].tolist())) == 2 for batch in draw(p=2, batches=30))


def test_nothing_comes_twice_before_all_have_come() -> None:
    seen = Counter(int(i) for batch in draw(batches=30) for i in batch)
    for label in ("under", "normal", "over"):
        counts = [seen[int(i)] for i in np.flatnonzero(label == LABELS)]
        assert min(counts) >= 3
        assert max(counts) - min(counts) <= 1


def test_positives_come_from_as_many_groups_as_there_are() -> None:
    """30 samples of 5 equal groups, 4 at a time: every hand can come from 4 different groups."""
    labels, groups = np.repeat([0, 1], 30), np.tile(np.arange(5), 12)
    batches = pk_batches(
        labels, groups, classes_per_batch=2, samples_per_class=4, batches=7, rng=np.random.default_rng(0)
    )
    distinct = [len(set(groups[b[labels[b] == c]].tolist())) for b in batches for c in (0, 1)]
    assert np.mean(distinct) > 3.7
    assert min(distinct) >= 2


def test_without_groups_it_still_balances() -> None:
    batches = list(
        pk_batches(
            [0, 0, 0, 1, 1],
            None,
            classes_per_batch=2,
            samples_per_class=2,
            batches=3,
            rng=np.random.default_rng(0),
        )
    )
    assert all(len(set(b.tolist())) == 4 for b in batches)


def test_same_generator_same_batches() -> None:
    assert all((a == b).all() for a, b in zip(draw(), draw(), strict=True))
    assert any((a != b).any() for a, b in zip(draw(), draw(seed=1), strict=True))


def test_a_small_class_repeats_only_when_told() -> None:
    with pytest.raises(InputError, match=r"needs 8 per class, got over \(7\); lower samples_per_class to 7"):
        draw(k=8)
    for batch in draw(k=8, batches=10, replace=True):
        over = batch[LABELS[batch] == "over"].tolist()
        assert (len(over), len(set(over))) == (8, 7)
        assert len(set(batch[LABELS[batch] == "under"].tolist())) == 8


def call(
    labels: list[object], groups: list[object] | None = None, p: int = 2, k: int = 2, n: int = 1
) -> None:
    rng = np.random.default_rng(0)
    pk_batches(labels, groups, classes_per_batch=p, samples_per_class=k, batches=n, rng=rng)


def test_refusals_name_what_is_wrong_before_the_first_batch() -> None:
    with pytest.raises(InputError, match=r"found 1 class \(over\), needs 2 or more"):
        call(["over", "over"])
    with pytest.raises(InputError, match="no samples"):
        call([])
    with pytest.raises(InputError, match=r"got b \(1\); an anchor needs another"):
        call(["a", "a", "b"])
    with pytest.raises(InputError, match="one label and one group per sample"):
        call(["a", "a", "b", "b"], ["g"])
    with pytest.raises(
        ConfigError, match=r"classes_per_batch: got 3, allowed: 2..2 \(the classes are a, b\)"
    ):
        call(["a", "a", "b", "b"], p=3)
    with pytest.raises(ConfigError, match="samples_per_class: got 1, allowed: 2"):
        call(["a", "a", "b", "b"], k=1)
    with pytest.raises(ConfigError, match="batches: got 0"):
        call(["a", "a", "b", "b"], n=0)


def test_needs_no_torch() -> None:
    code = "import sys, kilnsense.metric.samplers; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def draw_tuples(size: int, tuples: int = 12, batches: int = 30, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        batch.reshape(size, tuples)
        for batch in tuple_batches(LABELS, GROUPS, size=size, tuples=tuples, batches=batches, rng=rng)  # type: ignore[arg-type]
    ]


def test_triplets_lie_in_thirds() -> None:
    batches = draw_tuples(3)
    assert len(batches) == 30
    for anchor, positive, negative in batches:
        assert (LABELS[anchor] == LABELS[positive]).all()
        assert (anchor != positive).all()
        assert (GROUPS[anchor] != GROUPS[positive]).all()
        assert (LABELS[anchor] != LABELS[negative]).all()


def test_pairs_lie_in_halves_and_are_half_genuine() -> None:
    for tuples, genuine in ((12, 6), (7, 4)):
        for first, second in draw_tuples(2, tuples):
            same = LABELS[first] == LABELS[second]
            assert same.tolist() == [True] * genuine + [False] * (tuples - genuine)
            assert (first[same] != second[same]).all()
            assert (GROUPS[first] != GROUPS[second]).all()


@pytest.mark.parametrize("size", [2, 3])
def test_firsts_come_from_all_classes_in_turn_and_not_twice_before_all_have_come(size: int) -> None:
    first = np.concatenate([batch[0] for batch in draw_tuples(size, batches=60)])
    assert set(Counter(LABELS[first].tolist()).values()) == {240}
    seen = Counter(first.tolist())
    for label in ("under", "normal", "over"):
        counts = [seen[int(i)] for i in np.flatnonzero(label == LABELS)]
        assert max(counts) - min(counts) <= 1


def test_partners_and_negatives_reach_every_sample_alike() -> None:
    batches = draw_tuples(3, tuples=30, batches=200)
    anchor, positive, negative = (np.concatenate([b[i] for b in batches]) for i in range(3))
    small = (LABELS[anchor] == "over") & (GROUPS[anchor] == "o1")
    partners = Counter(positive[small].tolist())
    assert set(partners) == set(np.flatnonzero(GROUPS == "o0").tolist())
    assert max(partners.values()) < 1.5 * min(partners.values())
    of_under = Counter(LABELS[negative[LABELS[anchor] == "under"]].tolist())
    assert abs(of_under["normal"] - of_under["over"]) < 6 * np.sqrt(of_under.total() / 4) * 2
    assert set(negative.tolist()) == set(range(len(LABELS)))


def test_where_a_class_has_one_group_its_partner_is_any_other_sample() -> None:
    labels = np.repeat([0, 1], 3)
    pairs = set()
    for batch in tuple_batches(labels, None, size=3, tuples=4, batches=60, rng=np.random.default_rng(0)):
        anchor, positive, _ = batch.reshape(3, 4)
        pairs |= set(zip(anchor.tolist(), positive.tolist(), strict=True))
    assert pairs == {(i, j) for i in range(6) for j in range(6) if i != j and labels[i] == labels[j]}


def test_same_generator_same_tuples() -> None:
    assert all((a == b).all() for a, b in zip(draw_tuples(2), draw_tuples(2), strict=True))
    assert any((a != b).any() for a, b in zip(draw_tuples(2), draw_tuples(2, seed=1), strict=True))


@pytest.mark.parametrize(
    ("error", "labels", "changed", "message"),
    [
        (ConfigError, [0, 0, 1, 1], {"size": 4}, "size: got 4, allowed: 2, pairs, or 3, triplets"),
        (ConfigError, [0, 0, 1, 1], {"tuples": 0}, "tuples: got 0, allowed: 1 and above"),
        (ConfigError, [0, 0, 1, 1], {"size": 2, "tuples": 1}, "tuples: got 1, allowed: 2 and above"),
        (ConfigError, [0, 0, 1, 1], {"batches": 0}, "batches: got 0, allowed: 1 and above"),
        (InputError, [0, 0, 0, 0], {}, "found 1 class"),
        (InputError, [0, 0, 0, 1], {}, r"got 1 \(1\); an anchor needs another sample"),
        (InputError, [[0, 0], [1, 1]], {}, "one label and one group per sample"),
    ],
)
def test_bad_arguments_for_tuples_are_named(
    error: type[Exception], labels: list[int], changed: dict[str, int], message: str
) -> None:
    numbers = {"size": 3, "tuples": 2, "batches": 1} | changed
    with pytest.raises(error, match=message):
        tuple_batches(labels, None, rng=np.random.default_rng(0), **numbers)  # type: ignore[arg-type]
