"""Which samples a batch holds, and which are judged after an epoch."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kilnsense.config import TrainingConfig
from kilnsense.metric.samplers import pk_batches, tuple_batches

MAX_JUDGED = 400
"""At most so many validation frames, and so many neighbours, are kept in memory and judged every epoch."""

_FEW = 5  # of a class that is judged among its own kind: more would leave few classes, and an easy question

Indices = NDArray[np.int64]


def draw_batches(
    labels: NDArray[np.int64],
    groups: NDArray[np.str_],
    config: TrainingConfig,
    *,
    tuples: int,
    rng: np.random.Generator,
) -> Iterator[Indices]:
    """The batches of one epoch, as places in `labels`.

    Args:
        labels, groups: (n,) of the samples to learn from.
        config: how many batches, and how large.
        tuples: 0 for balanced batches; 2 or 3 for batches of so many pairs or triplets.
        rng: all chance comes from here.

    Raises:
        InputError: too few classes or samples.
    """
    if tuples:
        return tuple_batches(
            labels,
            groups,
            size=3 if tuples == 3 else 2,
            tuples=config.tuples,
            batches=config.batches_per_epoch,
            rng=rng,
        )
    return pk_batches(
        labels,
        groups,
        classes_per_batch=max(2, min(config.classes_per_batch, len(np.unique(labels)))),
        samples_per_class=config.samples_per_class,
        batches=config.batches_per_epoch,
        rng=rng,
    )


def pick_judged(
    rows: Indices,
    labels: NDArray[np.int64],
    known: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    most: int = MAX_JUDGED,
) -> Indices:
    """At most so many of these rows, at random.

    Samples of classes that have no reference are judged among themselves, so they come in whole classes, at
    most 5 of each where there are many.

    Args:
        rows: places in `labels`.
        labels: (N,) of all samples.
        known: the classes that have references; none for samples that judge each other.
        rng: all chance comes from here.
        most: how many.
    """
    if len(rows) <= most:
        return rows
    new = rows[~np.isin(labels[rows], known)]
    old = np.setdiff1d(rows, new)
    room = round(most * len(new) / len(rows))
    chosen = [rng.choice(old, min(len(old), most - room), replace=False)]
    classes = rng.permutation(np.unique(labels[new]))
    few = max(_FEW, room // max(1, len(classes)))
    for label in classes:
        members = rng.permutation(new[labels[new] == label])[: min(few, room)]
        chosen.append(members)
        room -= len(members)
        if room < 2:
            break
    return np.sort(np.concatenate(chosen)).astype(np.int64)
