"""The P x K sampler: balance, groups, coverage, and what it refuses."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from kilnsense.errors import ConfigError, InputError
from kilnsense.metric.samplers import pk_batches

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
