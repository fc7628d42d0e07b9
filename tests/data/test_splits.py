from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilnsense.data.folders import Sample
from kilnsense.data.splits import check_disjoint, grouped_folds, holdout_groups, split_held_out, usable_folds
from kilnsense.errors import InputError

RUNS = [(f"run{n}", "abc"[n % 3], 5 + n) for n in range(12)]
LABELS = [label for _, label, size in RUNS for _ in range(size)]
GROUPS = [group for group, _, size in RUNS for _ in range(size)]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_folds_keep_groups_whole_and_tile_all_samples() -> None:
    folds = grouped_folds(LABELS, GROUPS, folds=4, rng=rng())
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(len(LABELS)))
    for train, test in folds:
        assert not {GROUPS[i] for i in train} & {GROUPS[i] for i in test}
        assert sorted([*train, *test]) == list(range(len(LABELS)))
        assert {LABELS[i] for i in train} == set("abc")


def test_folds_are_stratified_when_groups_allow() -> None:
    for _, test in grouped_folds(LABELS, GROUPS, folds=4, rng=rng()):
        assert {LABELS[i] for i in test} == set("abc")


def test_single_sample_groups_give_an_ordinary_stratified_split() -> None:
    labels = ["a"] * 40 + ["b"] * 20
    folds = grouped_folds(labels, [str(n) for n in range(60)], folds=5, rng=rng())
    counts = [(sum(labels[i] == "a" for i in test), len(test)) for _, test in folds]
    assert counts == [(8, 12)] * 5


def test_folds_are_deterministic_and_follow_the_generator() -> None:
    first, again, other = (grouped_folds(LABELS, GROUPS, folds=3, rng=rng(s))[0][1] for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 7)), min_size=4, max_size=40), st.integers(2, 5)
)
def test_folds_hold_their_promises_or_refuse(pairs: list[tuple[str, int]], wanted: int) -> None:
    labels, groups = [label for label, _ in pairs], [f"g{group}" for _, group in pairs]
    count = usable_folds(labels, groups, wanted)
    assert count <= min(wanted, len(set(groups)))
    if count < 2:
        pairs_of = {label: {group for own, group in pairs if own == label} for label in labels}
        assert min(len(own) for own in pairs_of.values()) < 2
        with pytest.raises(InputError, match="folds: "):
            grouped_folds(labels, groups, folds=2, rng=rng())
        return
    for train, test in grouped_folds(labels, groups, folds=count, rng=rng()):
        assert len(test)
        assert {labels[i] for i in train} == set(labels)
        check_disjoint([groups[i] for i in train], [groups[i] for i in test])


def test_other_orders_are_tried_where_the_greedy_one_strands_a_class() -> None:
    """Only {g1, g2} against {g3} keeps every class in both training parts."""
    labels, groups = ["b", "c", "d", "b", "c", "d"], ["g1", "g2", "g2", "g3", "g3", "g3"]
    for seed in range(20):
        for train, _ in grouped_folds(labels, groups, folds=2, rng=rng(seed)):
            assert {labels[i] for i in train} == {"b", "c", "d"}


def test_class_in_one_group_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"class 'b' is in 1 group \(r3\), needed: 2 or more"):
        grouped_folds(["a", "a", "b"], ["r1", "r2", "r3"], folds=2, rng=rng())


def test_more_folds_than_groups_is_refused_with_the_count() -> None:
    labels, groups = ["a", "b"] * 3, ["r1", "r1", "r2", "r2", "r3", "r3"]
    assert usable_folds(labels, groups, 5) == 3
    with pytest.raises(InputError, match=r"got 5 folds for 3 groups, allowed: 2\.\.3"):
        grouped_folds(labels, groups, folds=5, rng=rng())


def test_lengths_must_agree() -> None:
    with pytest.raises(InputError, match="got 2 labels and 1 groups"):
        usable_folds(["a", "b"], ["g"], 2)


def test_holdout_is_grouped_stratified_and_near_the_share() -> None:
    train, held = holdout_groups(LABELS, GROUPS, share=0.25, rng=rng())
    assert not {GROUPS[i] for i in train} & {GROUPS[i] for i in held}
    assert {LABELS[i] for i in train} == {LABELS[i] for i in held} == set("abc")
    assert sorted([*train, *held]) == list(range(len(LABELS)))
    assert 0.15 < len(held) / len(LABELS) < 0.35


def test_holdout_has_every_class_even_where_that_overshoots_the_share() -> None:
    labels = ["a"] * 20 + ["b"] * 2
    _, held = holdout_groups(labels, [str(n) for n in range(22)], share=0.1, rng=rng())
    assert {labels[i] for i in held} == {"a", "b"}


def test_holdout_keeps_a_class_of_one_group_in_training() -> None:
    labels, groups = ["a", "a", "a", "b", "b"], ["r1", "r2", "r3", "r4", "r4"]
    for seed in range(20):
        train, held = holdout_groups(labels, groups, share=0.5, rng=rng(seed))
        assert {labels[i] for i in train} == {"a", "b"}
        assert len(held)


def test_holdout_refuses_what_cannot_be_split() -> None:
    with pytest.raises(InputError, match="all 2 samples are of group 'r'"):
        holdout_groups(["a", "b"], ["r", "r"], share=0.5, rng=rng())
    with pytest.raises(InputError, match="a class would be missing from training"):
        holdout_groups(["a", "b"], ["r", "s"], share=0.5, rng=rng())
    with pytest.raises(InputError, match=r"got 1.0, allowed: above 0 and below 1"):
        holdout_groups(["a", "b"], ["r", "s"], share=1.0, rng=rng())


def test_check_disjoint_names_the_groups() -> None:
    check_disjoint(["a"], ["b"])
    with pytest.raises(InputError, match=r"1 group is on both sides \(b\)"):
        check_disjoint(["a", "b"], ["b", "c"])


def test_split_held_out() -> None:
    samples = [Sample(Path(name), name, "a", name) for name in ("run1", "run2", "run3")]
    training, held = split_held_out(samples, ("run2",))
    assert [s.group for s in training] == ["run1", "run3"]
    assert [s.group for s in held] == ["run2"]
    with pytest.raises(InputError, match="no group 'rum2', there are: run1, run2, run3; did you mean 'run2'"):
        split_held_out(samples, ("rum2",))
    with pytest.raises(InputError, match="names every group"):
        split_held_out(samples, ("run1", "run2", "run3"))
