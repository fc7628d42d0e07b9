"""Splits that keep whole groups together, so that no frame of a camera run is on both sides.

Frames of one run resemble each other far more than frames of the next run do. A split by frame measures
memory; a split by group measures what a plant will see. Where every sample is its own group, the functions
here give an ordinary stratified split.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from kilnsense.data.folders import Sample
from kilnsense.errors import InputError
from kilnsense.parts import near_match

TRIES = 16
"""Orders of the groups that are tried before a split counts as impossible."""

Indices = NDArray[np.intp]


def grouped_folds(
    labels: Sequence[str], groups: Sequence[str], *, folds: int, rng: np.random.Generator
) -> list[tuple[Indices, Indices]]:
    """Folds of whole groups, each class spread over them as evenly as the groups allow.

    Groups are dealt one by one, the most one-sided first, to the fold that then strays least from an equal
    share of every class. Every class is in every training part; a test part may lack one.

    Args:
        labels, groups: N class names and N group names.
        folds: number of folds, 2 and up; `usable_folds` says how many are possible.
        rng: breaks ties, nothing else; the same state gives the same folds.

    Returns:
        (train, test) index arrays, ascending, one pair per fold; the test parts tile 0..N-1.

    Raises:
        InputError: fewer groups than folds, or a class that would be missing from a training part.
    """
    counts, member = _table(labels, groups)
    names = sorted(set(labels))
    for column, name in enumerate(names):
        if (held := int((counts[:, column] > 0).sum())) < 2:
            only = sorted({group for label, group in zip(labels, groups, strict=True) if label == name})
            raise InputError(
                f"folds: class {name!r} is in {held} group ({only[0]}), needed: 2 or more; add frames of it "
                f"from another run, or name finer groups"
            )
    if not 2 <= folds <= len(counts):
        raise InputError(
            f"folds: got {folds} folds for {len(counts)} groups, allowed: 2..{len(counts)}; "
            f"set decide.folds lower or add runs"
        )
    for _ in range(TRIES):
        fold_of_group = _deal(counts, folds, rng)
        per_fold = np.stack([counts[fold_of_group == fold].sum(axis=0) for fold in range(folds)])
        if ((counts.sum(axis=0) - per_fold) > 0).all():
            tests = [np.flatnonzero(fold_of_group[member] == fold) for fold in range(folds)]
            every = np.arange(len(labels))
            return [(np.setdiff1d(every, test), test) for test in tests]
    raise InputError(
        f"folds: the groups leave no {folds} folds with every class in every training part; "
        f"set decide.folds lower or add runs"
    )


def usable_folds(labels: Sequence[str], groups: Sequence[str], wanted: int) -> int:
    """The largest number of folds, at most `wanted`, that `grouped_folds` can make; 0 where it can make none.

    None are possible where a class is in one group only.
    """
    counts, _ = _table(labels, groups)
    if int((counts > 0).sum(axis=0).min()) < 2:
        return 0
    return min(wanted, len(counts))


def holdout_groups(
    labels: Sequence[str], groups: Sequence[str], *, share: float, rng: np.random.Generator
) -> tuple[Indices, Indices]:
    """Whole groups set aside for validation, about `share` of each class.

    Among random orders of the groups and all their prefixes, the prefix is taken that leaves the fewest
    classes missing on either side and then strays least from `share` in every class.

    Args:
        labels, groups: N class names and N group names.
        share: of the samples, above 0 and below 1.
        rng: draws the orders.

    Returns:
        (train, validation) index arrays, ascending, both non-empty.

    Raises:
        InputError: one group only, a share outside 0..1, or a class that would be missing from training.
    """
    counts, member = _table(labels, groups)
    if not 0.0 < share < 1.0:
        raise InputError(f"validation share: got {share}, allowed: above 0 and below 1")
    if len(counts) < 2:
        raise InputError(
            f"validation: all {len(labels)} samples are of group {groups[0]!r}, needed: 2 groups or more; "
            f"add another run, or name finer groups"
        )
    totals = counts.sum(axis=0)
    best_cost, chosen = np.inf, np.zeros(0, dtype=np.intp)
    for _ in range(TRIES):
        order = rng.permutation(len(counts))
        held = counts[order].cumsum(axis=0)[:-1]
        missing = 1000 * (held == totals).sum(axis=1) + 10 * (held == 0).sum(axis=1)
        cost = missing + ((held / totals - share) ** 2).sum(axis=1)
        size = int(cost.argmin())
        if cost[size] < best_cost:
            best_cost, chosen = cost[size], order[: size + 1]
    if best_cost >= 1000:
        raise InputError(
            "validation: a class would be missing from training, because all its frames are of one group; "
            "add frames of it from another run, or name finer groups"
        )
    inside = np.isin(member, chosen)
    return np.flatnonzero(~inside), np.flatnonzero(inside)


def split_held_out(samples: Sequence[Sample], held_out: Sequence[str]) -> tuple[list[Sample], list[Sample]]:
    """Samples for training, and samples of the groups that training must not see.

    Raises:
        InputError: a name of `held_out` is no group, or nothing is left to train on.
    """
    known = sorted({sample.group for sample in samples})
    for name in held_out:
        if name not in known:
            shown = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
            raise InputError(f"data.held_out: no group {name!r}, there are: {shown}{near_match(name, known)}")
    training = [sample for sample in samples if sample.group not in held_out]
    if not training:
        raise InputError("data.held_out: names every group; leave some to train on")
    return training, [sample for sample in samples if sample.group in held_out]


def check_disjoint(train_groups: Iterable[str], test_groups: Iterable[str]) -> None:
    """Raises InputError where a group is on both sides; names up to three."""
    both = sorted(set(train_groups) & set(test_groups))
    if both:
        shown = ", ".join(both[:3]) + (", ..." if len(both) > 3 else "")
        raise InputError(
            f"split: {len(both)} group{'s are' if len(both) > 1 else ' is'} on both sides ({shown}); frames "
            f"of one run resemble each other, so give every group to one side"
        )


def _table(labels: Sequence[str], groups: Sequence[str]) -> tuple[NDArray[np.int64], Indices]:
    """(G, C) counts of samples per group and class, both sorted by name, and the (N,) group of each."""
    if not len(labels) or len(labels) != len(groups):
        raise InputError(
            f"split: got {len(labels)} labels and {len(groups)} groups, allowed: N of each, N >= 1"
        )
    _, label = np.unique(np.asarray(labels), return_inverse=True)
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    counts = np.zeros((member.max() + 1, label.max() + 1), dtype=np.int64)
    np.add.at(counts, (member, label), 1)
    return counts, member


def _deal(counts: NDArray[np.int64], folds: int, rng: np.random.Generator) -> Indices:
    """(G,) fold of each group; no fold stays empty."""
    shares = counts / counts.sum(axis=0)
    order = rng.permutation(len(counts))
    order = order[np.argsort(-shares[order].max(axis=1), kind="stable")]
    load = np.zeros((folds, counts.shape[1]))
    filled = np.zeros(folds, dtype=bool)
    fold_of_group = np.zeros(len(counts), dtype=np.intp)
    for place, group in enumerate(order):
        # The cost of adding a to load l is (l + a)^2 - l^2 = a (2 l + a); summed over classes.
        cost = (shares[group] * (2 * load + shares[group])).sum(axis=1)
        if len(counts) - place <= int((~filled).sum()):
            cost = np.where(filled, np.inf, cost)
        fold = int(rng.permutation(np.flatnonzero(cost <= cost.min() + 1e-12))[0])
        load[fold] += shares[group]
        filled[fold] = True
        fold_of_group[group] = fold
    return fold_of_group
