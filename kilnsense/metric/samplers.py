"""Batches of samples: P classes x K samples, in which to mine, or ready-made pairs and triplets.

Works on arrays alone and draws from a named generator; torch is not needed.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import ConfigError, InputError

Indices = NDArray[np.int64]


def pk_batches(
    labels: Sequence[Any] | NDArray[Any],
    groups: Sequence[Any] | NDArray[Any] | None,
    *,
    classes_per_batch: int,
    samples_per_class: int,
    batches: int,
    rng: np.random.Generator,
    replace: bool = False,
) -> Iterator[Indices]:
    """Index batches of P classes x K samples each, the samples of one class side by side.

    A sample comes again only after all others of its class have been drawn. Within a batch the K samples of a
    class come from as many different groups as it has left, so that a network cannot tell classes by the
    camera run. Hermans, Beyer, Leibe, "In Defense of the Triplet Loss", 2017 (the P x K batch).

    Args:
        labels: class of each sample, (n,).
        groups: group (camera run, video, shift) of each sample, (n,); None where nothing is known of them.
        classes_per_batch: P, from 2 to the number of classes; below that the classes take turns.
        samples_per_class: K, 2 or more.
        batches: how many batches to give.
        rng: all chance comes from here.
        replace: lets a class with fewer than K samples fill its place by repeating them.

    Returns:
        An iterator over `batches` arrays (P * K,) of int64. The arguments are checked at once.

    Raises:
        ConfigError: P, K or `batches` out of range.
        InputError: labels and groups of unequal length, one class only, or a class with fewer than K samples.
    """
    label_array, group_array = _arrays(labels, groups)
    classes, sizes = np.unique(label_array, return_counts=True)
    _check_classes(classes)
    _check_numbers(classes, classes_per_batch, samples_per_class, batches)
    _check_sizes(classes, sizes, samples_per_class, replace=replace)
    decks = [_Deck(np.flatnonzero(label_array == c), group_array, rng) for c in classes]
    return _deal(decks, classes_per_batch, samples_per_class, batches, rng)


def tuple_batches(
    labels: Sequence[Any] | NDArray[Any],
    groups: Sequence[Any] | NDArray[Any] | None,
    *,
    size: Literal[2, 3],
    tuples: int,
    batches: int,
    rng: np.random.Generator,
) -> Iterator[Indices]:
    """Index batches of ready-made pairs or triplets, for the miners `as_drawn`.

    The first of a pair and the anchor of a triplet come from the classes in turn, and a sample comes again
    only after all others of its class have been drawn. The second of a genuine pair and the positive are of
    another group of that class, where it has one; negatives are any sample of any other class, each class
    alike.

    Args:
        labels: class of each sample, (n,).
        groups: group (camera run, video, shift) of each sample, (n,); None where nothing is known of them.
        size: 2: pairs, the first half genuine (and the odd one), the others impostors. 3: triplets.
        tuples: pairs or triplets in a batch; 2 or more pairs.
        batches: how many batches to give.
        rng: all chance comes from here.

    Returns:
        An iterator over `batches` arrays (size * tuples,) of int64: all first ones and then all second ones,
        or anchors, positives, negatives. The arguments are checked at once.

    Raises:
        ConfigError: size, `tuples` or `batches` out of range.
        InputError: labels and groups of unequal length, one class only, or a class with a single sample.
    """
    label_array, group_array = _arrays(labels, groups)
    classes, sizes = np.unique(label_array, return_counts=True)
    _check_classes(classes)
    _check_sizes(classes, sizes, 2, replace=True)
    for name, got, least in (("size", size, 2), ("tuples", tuples, 4 - size), ("batches", batches, 1)):
        if got < least or (name == "size" and got > 3):
            allowed = "2, pairs, or 3, triplets" if name == "size" else f"{least} and above"
            raise ConfigError(f"{name}: got {got}, allowed: {allowed}")
    suits = [_Suit(np.flatnonzero(label_array == c), group_array, rng) for c in classes]
    return _deal_tuples(suits, tuples if size == 3 else (tuples + 1) // 2, tuples, batches, rng)


class _Deck:
    """The samples of one class, dealt without replacement until all are out, then shuffled again."""

    def __init__(self, members: Indices, groups: NDArray[Any], rng: np.random.Generator) -> None:
        _, codes = np.unique(groups[members], return_inverse=True)
        order = np.argsort(codes, kind="stable")
        self._by_group = np.split(members[order], np.cumsum(np.bincount(codes))[:-1])
        self._rng = rng
        self._piles: list[list[int]] = [[] for _ in self._by_group]
        self._left = np.zeros(len(self._by_group), dtype=np.int64)  # sizes of the piles

    def deal(self, count: int) -> list[int]:
        """The next `count` samples: groups not yet in this hand first, large ones more often."""
        hand: list[int] = []
        times, held = np.zeros_like(self._left), np.zeros_like(self._left)
        while len(hand) < count:
            if not self._left.any():
                held = self._shuffle(set(hand))
            # The last `held` samples of a pile are in the hand already.
            weight = np.where(self._left > held, self._left, 0)
            if not weight.any():  # the class is smaller than the hand: repeats were allowed
                weight = self._left
            if len(weight) > 1:
                weight = np.where(times == times[weight > 0].min(), weight, 0)
            shares = weight.cumsum()
            group = int(shares.searchsorted(self._rng.random() * shares[-1], side="right"))
            hand.append(self._piles[group].pop())
            self._left[group] -= 1
            times[group] += 1
        return hand

    def _shuffle(self, hand: set[int]) -> Indices:
        """All samples anew; those already in the hand lie at the bottom, so that they wait for the next.

        Returns how many of each pile those are.
        """
        held = np.zeros_like(self._left)
        for group, members in enumerate(self._by_group):
            pile = self._rng.permutation(members).tolist()
            bottom = [i for i in pile if i in hand]
            self._piles[group] = bottom + [i for i in pile if i not in hand] if bottom else pile
            self._left[group], held[group] = len(pile), len(bottom)
        return held


class _Suit:
    """The samples of one class: firsts dealt without replacement, and partners for them."""

    def __init__(self, members: Indices, groups: NDArray[Any], rng: np.random.Generator) -> None:
        self.members = members[np.argsort(groups[members], kind="stable")]
        self.deck = _Deck(members, groups, rng)
        self._rng = rng
        _, begin, self._codes, sizes = np.unique(
            groups[self.members], return_index=True, return_inverse=True, return_counts=True
        )
        self._begin, self._end = begin, begin + sizes
        self._place = {int(sample): i for i, sample in enumerate(self.members)}

    def partner(self, sample: int) -> int:
        """Another sample of the class, of another group where there is one."""
        place = self._place[sample]
        begin, end = int(self._begin[self._codes[place]]), int(self._end[self._codes[place]])
        if end - begin == len(self.members):
            begin, end = place, place + 1
        drawn = int(self._rng.integers(len(self.members) - (end - begin)))
        return int(self.members[drawn if drawn < begin else drawn + end - begin])

    def any_member(self) -> int:
        """A sample of the class."""
        return int(self.members[self._rng.integers(len(self.members))])


def _deal_tuples(
    suits: list[_Suit], genuine: int, tuples: int, batches: int, rng: np.random.Generator
) -> Iterator[Indices]:
    """Batches of `tuples` pairs, `genuine` of them genuine, or of triplets where all of them are."""
    turns: list[int] = []
    for _ in range(batches):
        while len(turns) < tuples:
            turns += [int(c) for c in rng.permutation(len(suits))]
        classes, turns = turns[:tuples], turns[tuples:]
        first = [suits[c].deck.deal(1)[0] for c in classes]
        partners = [suits[c].partner(i) for c, i in zip(classes[:genuine], first, strict=False)]
        strangers = [
            suits[(c + 1 + int(rng.integers(len(suits) - 1))) % len(suits)].any_member()
            for c in (classes if genuine == tuples else classes[genuine:])
        ]
        yield np.array(first + partners + strangers, dtype=np.int64)


def _deal(
    decks: list[_Deck], classes_per_batch: int, samples_per_class: int, batches: int, rng: np.random.Generator
) -> Iterator[Indices]:
    turns: list[int] = []
    for _ in range(batches):
        if len(turns) < classes_per_batch:
            anew = [int(c) for c in rng.permutation(len(decks))]
            # Those still waiting go first, and not twice into the same batch.
            turns = turns + [c for c in anew if c not in turns] + [c for c in anew if c in turns]
        chosen, turns = turns[:classes_per_batch], turns[classes_per_batch:]
        yield np.array([i for c in chosen for i in decks[c].deal(samples_per_class)], dtype=np.int64)


def _arrays(
    labels: Sequence[Any] | NDArray[Any], groups: Sequence[Any] | NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[Any]]:
    label_array = np.asarray(labels)
    group_array = np.zeros(len(label_array), dtype=np.int64) if groups is None else np.asarray(groups)
    if label_array.ndim != 1 or group_array.shape != label_array.shape:
        raise InputError(
            "sampler: needs one label and one group per sample, got shapes "
            f"{label_array.shape} and {group_array.shape}"
        )
    return label_array, group_array


def _check_classes(classes: NDArray[Any]) -> None:
    if len(classes) < 2:
        raise InputError(
            f"sampler: found {len(classes)} class{'' if len(classes) == 1 else 'es'} "
            f"({', '.join(map(str, classes)) or 'no samples'}), needs 2 or more: triplets need a negative; "
            "add labelled samples of another class"
        )


def _check_numbers(
    classes: NDArray[Any], classes_per_batch: int, samples_per_class: int, batches: int
) -> None:
    if not 2 <= classes_per_batch <= len(classes):
        raise ConfigError(
            f"classes_per_batch: got {classes_per_batch}, allowed: 2..{len(classes)} "
            f"(the classes are {', '.join(map(str, classes))})"
        )
    if samples_per_class < 2:
        raise ConfigError(
            f"samples_per_class: got {samples_per_class}, allowed: 2 and above; an anchor needs a positive"
        )
    if batches < 1:
        raise ConfigError(f"batches: got {batches}, allowed: 1 and above")


def _check_sizes(
    classes: NDArray[Any], sizes: NDArray[Any], samples_per_class: int, *, replace: bool
) -> None:
    needed = 2 if replace else samples_per_class
    short = [f"{c} ({n})" for c, n in zip(classes, sizes, strict=True) if n < needed]
    if short:
        remedy = (
            "an anchor needs another sample of its class; add some, or leave the class out"
            if replace or int(sizes.min()) < 2
            else f"lower samples_per_class to {int(sizes.min())}, add samples, or allow `replace`"
        )
        raise InputError(
            f"sampler: too few samples, needs {needed} per class, got {', '.join(short)}; {remedy}"
        )
