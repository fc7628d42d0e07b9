"""The loss of one batch: over its views one by one, or over pairs of views."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from kilnsense.errors import ConfigError
from kilnsense.metric.counts import Counts
from kilnsense.metric.margins import scaled_margins
from kilnsense.metric.miners import Mined
from kilnsense.metric.objective import Mining, Objective, PerBranch, shaped
from kilnsense.metric.pair_miners import Pairs
from kilnsense.metric.ranking import relate


@dataclass(frozen=True, eq=False)
class Batch:
    """What a network makes of N samples through V views.

    Attributes:
        embeddings: (N, V, D).
        present: (N, V) bool: False where a sample has no such view, so that it takes no part there.
        labels: (N,) int64.
        palettes: (N, V, p, 3) Lab, the views' own; looked at only where they scale the margin.
    """

    embeddings: Tensor
    present: Tensor
    labels: Tensor
    palettes: Tensor


@dataclass(frozen=True, eq=False)
class Term:
    """Embeddings that are compared with each other.

    Attributes:
        rows: (R, D).
        labels: (R,) int64.
        sides: (R,) int64, 0 and 1 for the two views; None: they are of one view.
        palettes: (R, p, 3).
        branch: the view, or the first of the two.
    """

    rows: Tensor
    labels: Tensor
    sides: Tensor | None
    palettes: Tensor
    branch: int


@dataclass(frozen=True, eq=False)
class BatchLoss:
    """What a batch teaches.

    Attributes:
        value: mean over the terms, a scalar that back-propagates.
        counts: of the triplets or pairs of the batch by kind, over the terms, as the miner counts them.
        chosen: how many triplets, pairs or samples the value rests on; 0: nothing can be learned from it.
    """

    value: Tensor
    counts: Counts
    chosen: int


def batch_loss(
    batch: Batch,
    objective: Objective,
    mining: Mining,
    *,
    margin: float,
    learned: PerBranch,
    generator: torch.Generator,
) -> BatchLoss:
    """The mean over the terms of each term's own loss.

    A term that holds no valid triplet or pair is left out of the mean; where all are, the loss is 0, with a
    gradient of 0.

    Args:
        batch: embeddings and labels.
        objective: what to minimise.
        mining: of the epoch.
        margin: of the step.
        learned: what the loss learns, per branch.
        generator: for the miner.

    Raises:
        InputError: an embedding of a present view is not finite.
        ConfigError: the margin is scaled by palettes, and there are none.
    """
    total, counts, terms_left, taught = (batch.embeddings[:0] * 0).sum(), Counts(), 0, 0
    for term in terms(batch, across=objective.across, tuples=mining.tuples):
        distance = objective.compare(learned, term.branch)
        x = shaped(term.rows, distance)
        chosen: Mined | Pairs | Tensor
        if mining.miner is None:
            chosen, valid, number = term.labels, len(x), len(x)
        else:
            fixed = x.detach()
            chosen = mining.miner(
                distance.matrix(fixed, fixed),
                relate(term.labels, term.sides),
                margin=_margin(term, objective, margin),
                generator=generator,
            )
            valid, number = chosen.valid, chosen.chosen
            counts += chosen.counts
        if valid == 0:
            continue
        total = total + objective.loss.value(x, chosen, distance, learned[term.branch])
        terms_left, taught = terms_left + 1, taught + number
    return BatchLoss(total / max(1, terms_left), counts, taught)


def terms(batch: Batch, *, across: bool, tuples: int = 0) -> Iterator[Term]:
    """The embeddings of a batch, as they are compared.

    Within views: one term per view. Across: one per pair of views, the rows of both stacked; the relation of
    `metric.ranking.relate` then joins rows of different sides alone. With tuples across, the first row of
    each comes from one view and the others from the other, once each way.

    Args:
        batch: N samples, V views.
        across: see above.
        tuples: 0, or how many rows a tuple has: rows t, t + N / tuples, ... are one. Tuples with an absent
            view are left out whole.
    """
    count, views = batch.present.shape
    every = torch.arange(count, device=batch.present.device)
    for u, v in view_pairs(views, across=across, ordered=tuples > 0):
        if tuples:
            sides = (every >= count // tuples).long()
            seen = torch.where(sides == 0, u, v)
            there = batch.present[every, seen].reshape(tuples, -1).all(0).repeat(tuples)
            samples, seen, sides = every[there], seen[there], sides[there]
        elif u == v:
            samples = every[batch.present[:, v]]
            seen = sides = torch.full_like(samples, v)
        else:
            ends = [every[batch.present[:, side]] for side in (u, v)]
            samples = torch.cat(ends)
            sides = (torch.arange(len(samples), device=samples.device) >= len(ends[0])).long()
            seen = torch.where(sides == 0, u, v)
        yield Term(
            rows=batch.embeddings[samples, seen],
            labels=batch.labels[samples],
            sides=sides if across else None,
            palettes=batch.palettes[samples, seen],
            branch=u,
        )


def view_pairs(views: int, *, across: bool, ordered: bool) -> list[tuple[int, int]]:
    """Which views are compared: each with itself, or each with each other, once or once each way."""
    if not across:
        return [(v, v) for v in range(views)]
    return list(
        itertools.permutations(range(views), 2) if ordered else itertools.combinations(range(views), 2)
    )


def _margin(term: Term, objective: Objective, margin: float) -> float | Tensor:
    if objective.margin_by is None:
        return margin
    if term.palettes.shape[1] == 0:
        raise ConfigError(
            "metric.margin_by: the margin goes by the views' palettes, but these views hold none; draw them "
            "with palettes, or leave metric.margin_by empty"
        )
    return scaled_margins(margin, objective.margin_by.matrix(term.palettes, term.palettes))
