"""Distances between embeddings: smaller is more alike, 0 for equal ones, symmetric, never inverted.

One `Distance` serves the miner, the loss and the neighbour search, so they cannot disagree. It has two verbs:
`matrix` compares all with all, without a gradient and in row blocks of bounded memory; `pairs` compares row
by row and differentiates. `chosen` is `pairs` for indices into one batch, by whichever route is cheaper.

A *vector* distance compares embeddings (N, d). A *palette* distance compares N palettes of p Lab colours,
(N, p, 3): the mean over the p tokens of a colour difference, so its unit, and a margin's, is delta-E.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from kilnsense.errors import ConfigError, InputError
from kilnsense.metric import colour, vector

Takes = Literal["vector", "palette"]
"""What a distance compares, and what a head gives."""

_BLOCK = 1 << 16  # colour differences computed at once: their many temporaries then stay in the cache
_BLOCK_VECTOR = 1 << 22  # entries of a vector matrix computed at once
_KEPT = 1 << 18  # colour differences whose temporaries autograd may keep (55 MB); beyond, they are recomputed


@dataclass(frozen=True)
class Distance:
    """A way to compare two embeddings.

    Attributes:
        name: its name in `DISTANCES`.
        takes: "vector" (N, d) or "palette" (N, p, 3), Lab.
        margin: to begin with, in its own unit; about a tenth of the distance of two random embeddings.
        prepare: what is done to each embedding once, before any comparison (normalise, convert to sRGB).
        between: prepared embeddings that broadcast, (..., d) or (..., p, 3) -> (...), differentiable.
        table: all with all of them, (N, ·) x (M, ·) -> (N, M), differentiable.
    """

    name: str
    takes: Takes
    margin: float
    prepare: Callable[[Tensor], Tensor]
    between: Callable[[Tensor, Tensor], Tensor]
    table: Callable[[Tensor, Tensor], Tensor]

    @property
    def unit(self) -> float:
        """Half the distance of two random embeddings, about; by `euclidean` 1, half that of opposite ones."""
        return 5 * self.margin

    @torch.no_grad()
    def matrix(self, x: Tensor, y: Tensor) -> Tensor:
        """Distances of all rows of x to all rows of y, (N, ·) x (M, ·) -> (N, M), without a gradient.

        Where y is the same object as x, the result of every distance in `DISTANCES` is exactly symmetric with
        a zero diagonal. A learned one (`compare_weighted_l1`) has a diagonal above 0.

        Raises:
            ConfigError: the embeddings are of the other kind.
            InputError: widths differ, or an embedding is not finite.
        """
        x_all = self.prepare(self._checked(x))
        if y is x:
            return self._symmetric_matrix(x_all)
        y_all = self.prepare(self._checked(y))
        _check_widths(x_all, y_all, self.name)
        step = self._rows(y_all)
        blocks = [self.table(rows, y_all) for rows in torch.split(x_all, step)]
        return torch.cat(blocks) if blocks else x_all.new_zeros(0, len(y_all))

    def pairs(self, x: Tensor, y: Tensor) -> Tensor:
        """Distances of row i of x to row i of y, (P, ·) x (P, ·) -> (P,), differentiable, finite slope
        everywhere.

        Raises:
            ConfigError: the embeddings are of the other kind.
            InputError: the shapes differ, or an embedding is not finite.
        """
        x, y = self._checked(x), self._checked(y)
        if x.shape != y.shape:
            raise InputError(
                f"distance {self.name!r}: pairs need equal shapes, got {tuple(x.shape)} and {tuple(y.shape)}"
            )
        return self.between(self.prepare(x), self.prepare(y))

    def chosen(self, x: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """Distances of rows `first` to rows `second` of one batch x, (N, ·) and two (P,) of int64 -> (P,).

        The same numbers as `pairs(x[first], x[second])`, differentiable, with bounded memory: many vector
        pairs are read from one differentiable table, many palette pairs are recomputed in the backward pass.
        """
        x = self.prepare(self._checked(x))
        if self.takes == "vector":
            # A gathered pair costs about as much as eight cells of the table, a wide one more.
            if max(8, x.shape[1] // 4) * len(first) > len(x) ** 2:
                return self.table(x, x).flatten().index_select(0, first * len(x) + second)
            return self._gathered(x, first, second)
        # Each pair of palettes is computed once, whichever way round and however often it was chosen.
        cell = torch.minimum(first, second) * len(x) + torch.maximum(first, second)
        cells, place = torch.unique(cell, return_inverse=True)
        first, second = cells // len(x), cells % len(x)
        step = max(1, _KEPT // x.shape[1])
        if len(cells) <= step:
            return self._gathered(x, first, second).index_select(0, place)
        parts = [
            checkpoint(self._gathered, x, i, j, use_reentrant=False, preserve_rng_state=False)
            for i, j in zip(torch.split(first, step), torch.split(second, step), strict=True)
        ]
        return torch.cat(parts).index_select(0, place)

    def weighted(self, x: Tensor, weights: Tensor) -> Tensor:
        """The sum of weights[i, j] * d(x_i, x_j), (N, ·) and (N, N) -> a scalar, differentiable in x.

        Summed in float64, because large terms may cancel; memory is bounded as that of `chosen`.
        """
        if self.takes == "vector":
            x = self.prepare(self._checked(x))
            table = self.table(x, x)
            return torch.sum(table * weights, dtype=torch.float64).to(table.dtype)
        weights = (weights + weights.T).triu(1)
        first, second = weights.nonzero(as_tuple=True)
        apart = self.chosen(x, first, second)
        return (apart.double() * weights[first, second]).sum().to(apart.dtype)

    def require(self, gives: Takes, *, where: str) -> None:
        """Says no to a head that does not fit.

        Args:
            gives: what the head gives.
            where: the head's or the branch's place in the config, for the message.

        Raises:
            ConfigError: the distance takes the other kind.
        """
        if gives != self.takes:
            raise ConfigError(
                f"{where}: the head gives a {gives}, but distance {self.name!r} compares {self.takes}s; "
                f"use a {self.takes} head, or one of the {gives} distances: {', '.join(_names(gives))}"
            )

    def _gathered(self, x: Tensor, first: Tensor, second: Tensor) -> Tensor:
        return self.between(x.index_select(0, first), x.index_select(0, second))

    def _rows(self, y: Tensor) -> int:
        per_row = len(y) * (y.shape[1] if self.takes == "palette" else 1)
        return max(1, (_BLOCK if self.takes == "palette" else _BLOCK_VECTOR) // max(1, per_row))

    def _symmetric_matrix(self, x: Tensor) -> Tensor:
        if self.takes == "vector":
            return self.table(x, x)
        if len(x) <= self._rows(x):
            result = self.table(x, x)
        else:
            result = x.new_empty(len(x), len(x))
            start = 0
            while start < len(x):
                stop = min(len(x), start + self._rows(x[start:]))
                result[start:stop, start:] = self.table(x[start:stop], x[start:])
                start = stop
        upper = result.triu(1)
        return upper + upper.T

    def _checked(self, x: Tensor) -> Tensor:
        fits = x.ndim == 2 if self.takes == "vector" else x.ndim == 3 and x.shape[1] > 0 and x.shape[2] == 3
        if not fits:
            want = "vectors (N, d)" if self.takes == "vector" else "palettes of Lab colours (N, p, 3)"
            others: Takes = "palette" if self.takes == "vector" else "vector"
            raise ConfigError(
                f"distance {self.name!r} compares {want}, got embeddings of shape {tuple(x.shape)}; use a "
                f"{self.takes} head, or for a {others} head one of: {', '.join(_names(others))}"
            )
        check_finite(x)
        return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def check_finite(embeddings: Tensor) -> None:
    """Raises InputError, naming the rows, if an embedding (N, ...) holds NaN or infinity."""
    if not vector.all_finite(embeddings):
        bad = (~torch.isfinite(embeddings).flatten(1).all(1)).nonzero().flatten().tolist()
        shown = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
        raise InputError(
            f"embeddings: {len(bad)} of {len(embeddings)} rows hold NaN or infinity (rows {shown}): the "
            "network has diverged or was fed such values; check the inputs or lower the learning rate"
        )


def _check_widths(x: Tensor, y: Tensor, name: str) -> None:
    if x.shape[1:] != y.shape[1:]:
        raise InputError(
            f"distance {name!r}: the two sets differ in width, {tuple(x.shape[1:])} and {tuple(y.shape[1:])}"
        )


def _names(takes: Takes) -> list[str]:
    return sorted(name for name, builder in DISTANCES.items() if builder().takes == takes)


def _same(x: Tensor) -> Tensor:
    return x


def euclidean() -> Distance:
    """L2 distance of vectors; the margin suits L2-normalised ones."""
    return Distance("euclidean", "vector", 0.2, _same, vector.euclidean, vector.euclidean_table)


def squared_euclidean() -> Distance:
    """Squared L2 distance of vectors; the margin suits L2-normalised ones (Schroff et al., CVPR 2015)."""
    return Distance("squared_euclidean", "vector", 0.2, _same, vector.squared, vector.squared_table)


def cosine() -> Distance:
    """1 - cos of the angle between vectors, 0..2. A zero vector is at 0.5 from all others, at 0 from itself.

    Computed as half the squared distance of the directions, which keeps its digits for near-parallel vectors.
    """
    return Distance(
        name="cosine",
        takes="vector",
        margin=0.1,
        prepare=vector.unit,
        between=lambda x, y: vector.squared(x, y) / 2,
        table=lambda x, y: vector.squared_table(x, y) / 2,
    )


def squared(distance: Distance) -> Distance:
    """The square of a distance, with a finite slope wherever that has one; of `euclidean`, the one above.

    The margin is the same share of the square of `Distance.unit` as the distance's is of its unit.
    """
    if distance.name == "euclidean":
        return squared_euclidean()
    return Distance(
        name=f"{distance.name} squared",
        takes=distance.takes,
        margin=5 * distance.margin**2,
        prepare=distance.prepare,
        between=lambda x, y: distance.between(x, y) ** 2,
        table=lambda x, y: distance.table(x, y) ** 2,
    )


def cie76() -> Distance:
    """Mean CIE 1976 difference of two palettes' tokens."""
    return _palette("cie76", colour.cie76, margin=8.0)


def cie94() -> Distance:
    """Mean CIE 1994 difference (symmetric form) of two palettes' tokens."""
    return _palette("cie94", colour.cie94, margin=5.0)


def ciede2000() -> Distance:
    """Mean CIEDE2000 difference of two palettes' tokens. Not a metric: the triangle inequality can fail."""
    return _palette("ciede2000", colour.ciede2000, margin=5.0)


def hyab() -> Distance:
    """Mean HyAB difference of two palettes' tokens."""
    return _palette("hyab", colour.hyab, margin=10.0)


def redmean() -> Distance:
    """Mean weighted Euclidean RGB difference of two palettes' tokens; given in Lab, compared in sRGB 0..1."""
    return _palette("redmean", colour.redmean, margin=0.1, prepare=colour.lab_to_srgb)


def _palette(
    name: str,
    difference: Callable[[Tensor, Tensor], Tensor],
    *,
    margin: float,
    prepare: Callable[[Tensor], Tensor] = _same,
) -> Distance:
    return Distance(
        name=name,
        takes="palette",
        margin=margin,
        prepare=prepare,
        between=lambda x, y: difference(x, y).mean(-1),
        table=lambda x, y: difference(x[:, None], y[None]).mean(-1),
    )


DISTANCES: dict[str, Callable[[], Distance]] = {
    "euclidean": euclidean,
    "squared_euclidean": squared_euclidean,
    "cosine": cosine,
    "cie76": cie76,
    "cie94": cie94,
    "ciede2000": ciede2000,
    "hyab": hyab,
    "redmean": redmean,
}
"""Distance by name."""
