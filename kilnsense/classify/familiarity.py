"""How far a frame lies from the training frames, judged on several blocks of numbers about it.

A classifier is sure of itself far away from everything it was trained on, and an embedding forgets what
does not separate the classes; so the picture's descriptors are judged beside the embedding. Each block is
represented by damped, whitened principal components, and three signals are read from it:

- ``near``: mean distance to the nearest training rows,
- ``spread``: Mahalanobis distance to the nearest class mean (Lee et al. 2018; covariance after Ledoit and
  Wolf 2004),
- ``rest``: what the principal components leave over, the sum of squares outside their plane.

Each signal is divided by its quantile over frames of left-out groups; a block's score is the mean of its
signals, the score of a frame the root of the mean square of its blocks (one far block weighs more than many
near ones), divided by the quantile of that. So 1.0 is the calibrated border whatever the blocks are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kilnsense.classify.reference import SIGNALS, Reference, fit_reference
from kilnsense.errors import InputError

Floats = NDArray[np.floating[Any]]
MARK = "familiarity"


@dataclass(frozen=True, eq=False)
class Familiarity:
    """A fitted judge of familiarity.

    Attributes:
        references: what is known of the training rows, block by block.
        scales: (B, S) float64, above 0: quantile of each signal over frames of left-out groups.
        border: above 0: quantile of the combined score over the same frames.
    """

    references: Mapping[str, Reference]
    scales: NDArray[np.float64]
    border: float

    def signals(self, blocks: Mapping[str, Floats]) -> NDArray[np.float64]:
        """(N, B, S) raw signals, 0 and up, blocks in the order of `references`. Raises InputError."""
        missing = [name for name in self.references if name not in blocks]
        if missing:
            raise InputError(
                f"familiarity: block {missing[0]!r} is missing, got {', '.join(blocks) or 'none'}"
            )
        return np.stack([known.signals(blocks[name]) for name, known in self.references.items()], axis=1)

    def score(self, blocks: Mapping[str, Floats]) -> NDArray[np.float64]:
        """(N,) unfamiliarity, 0 and up; above 1 lies beyond the calibrated quantile.

        Args:
            blocks: name to (N, F) rows, at least the blocks of training.

        Raises:
            InputError: a block is missing, has other columns than in training, or holds NaN.
        """
        return self.judge(self.signals(blocks))

    def judge(self, signals: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N,) unfamiliarity of frames whose (N, B, S) signals are known."""
        return _combined(signals, self.scales) / self.border

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays for a bundle; `from_arrays` reads them back."""
        arrays: dict[str, NDArray[Any]] = {
            f"{MARK}.scales": self.scales,
            f"{MARK}.border": np.array([self.border]),
        }
        for index, (name, known) in enumerate(self.references.items()):
            arrays |= {f"{MARK}.{index}.{name}/{key}": value for key, value in known.to_arrays().items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The judge that `to_arrays` wrote; arrays with other names are ignored.

        Raises:
            InputError: an array is missing or does not fit the others.
        """
        found: dict[int, tuple[str, dict[str, NDArray[Any]]]] = {}
        for key, value in arrays.items():
            mark, _, rest = key.partition(".")
            index, dot, path = rest.partition(".")
            if mark == MARK and dot:
                name, _, field = path.rpartition("/")
                found.setdefault(int(index), (name, {}))[1][field] = value
        try:
            scales = np.asarray(arrays[f"{MARK}.scales"], dtype=np.float64)
            border = float(arrays[f"{MARK}.border"][0])
            references = {name: Reference.from_arrays(parts) for _, (name, parts) in sorted(found.items())}
        except (KeyError, IndexError) as error:
            raise InputError(f"familiarity arrays: {error} is missing; save the bundle again") from error
        if scales.shape != (len(references), len(SIGNALS)):
            wanted = (len(references), len(SIGNALS))
            raise InputError(f"familiarity arrays: got scales {scales.shape}, allowed: {wanted}")
        return cls(references=references, scales=scales, border=border)


def know_rows(blocks: Mapping[str, Floats], labels: NDArray[np.integer[Any]]) -> Familiarity:
    """A judge that knows these rows and is not calibrated yet; see `calibrate_familiarity`."""
    whole = _references(blocks, labels, np.ones(len(labels), dtype=bool))
    return Familiarity(references=whole, scales=np.ones((len(whole), len(SIGNALS))), border=1.0)


def fit_familiarity(
    blocks: Mapping[str, Floats],
    groups: Sequence[str],
    labels: NDArray[np.integer[Any]],
    *,
    quantile: float = 0.95,
    folds: int = 32,
) -> Familiarity:
    """Learns what is familiar, and from groups left out how far ordinary unseen frames lie.

    The same as `know_rows`, calibrated by `held_out_signals`.
    """
    held = held_out_signals(blocks, groups, labels, folds=folds)
    return calibrate_familiarity(know_rows(blocks, labels), held, quantile=quantile)


def held_out_signals(
    blocks: Mapping[str, Floats],
    groups: Sequence[str],
    labels: NDArray[np.integer[Any]],
    *,
    folds: int = 32,
) -> NDArray[np.float64]:
    """(N, B, S) signals of every frame as a judge says them that knows the frames of other groups alone.

    Where a block comes from a network that was trained on these very rows, leaving groups out here is not
    enough: the network has seen them. Then take `Familiarity.signals` in outer folds.

    Args:
        blocks: name to (N, F) rows, such as ``descriptors``, ``embedding``, ``thumbnail``.
        groups: N group names; whole groups are left out.
        labels: (N,) class indices.
        folds: the groups are left out in at most so many portions.

    Raises:
        InputError: no block, lengths that differ, NaN, fewer than two groups.
    """
    order = _checked(blocks, groups, labels)
    held = np.zeros((len(labels), len(blocks), len(SIGNALS)))
    portion = order % min(folds, int(order.max()) + 1)
    for fold in range(int(portion.max()) + 1):
        out = portion == fold
        part = _references(blocks, labels, ~out)
        held[out] = np.stack([part[name].signals(np.asarray(blocks[name])[out]) for name in blocks], axis=1)
    return held


def calibrate_familiarity(
    familiarity: Familiarity, signals: NDArray[np.float64], *, quantile: float = 0.95
) -> Familiarity:
    """The same judge with scales and border set by (N, B, S) `signals` of frames it did not see.

    Raises:
        InputError: no frames, other blocks, NaN, or a quantile outside 0..1 (both ends left out).
    """
    if not 0.0 < quantile < 1.0:
        raise InputError(f"familiarity quantile: got {quantile}, allowed: above 0, below 1")
    wanted = (len(familiarity.references), len(SIGNALS))
    if signals.ndim != 3 or signals.shape[1:] != wanted or not len(signals):
        raise InputError(
            f"familiarity signals: got shape {signals.shape}, allowed: (N, {wanted[0]}, {wanted[1]})"
        )
    if not np.isfinite(signals).all():
        raise InputError("familiarity signals: NaN or infinite values, allowed: finite values")
    scales = np.maximum(np.quantile(signals, quantile, axis=0), 1e-9)
    border = max(float(np.quantile(_combined(signals, scales), quantile)), 1e-9)
    return replace(familiarity, scales=scales, border=border)


def _combined(signals: NDArray[np.float64], scales: NDArray[np.float64]) -> NDArray[np.float64]:
    combined: NDArray[np.float64] = np.sqrt(np.square((signals / scales).mean(axis=2)).mean(axis=1))
    return combined


def _references(
    blocks: Mapping[str, Floats], labels: NDArray[np.integer[Any]], chosen: NDArray[np.bool_]
) -> dict[str, Reference]:
    return {name: fit_reference(np.asarray(rows)[chosen], labels[chosen]) for name, rows in blocks.items()}


def _checked(
    blocks: Mapping[str, Floats], groups: Sequence[str], labels: NDArray[np.integer[Any]]
) -> NDArray[np.intp]:
    if not blocks:
        raise InputError("familiarity: got no block, allowed: at least one, such as descriptors")
    for name, rows in blocks.items():
        if not len(rows) == len(groups) == len(labels):
            raise InputError(
                f"familiarity: got {len(rows)} rows in {name!r}, {len(groups)} groups, {len(labels)} labels, "
                "allowed: as many of each"
            )
    _, first, order = np.unique(np.asarray(groups), return_index=True, return_inverse=True)
    if len(first) < 2:
        raise InputError(
            f"familiarity: got {len(first)} group, allowed: at least 2, because whole groups are left out; "
            "label frames of another camera run"
        )
    return np.asarray(order, dtype=np.intp)
