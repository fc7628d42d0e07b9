"""Where the classifiers fail: by camera run, and by the quality of the picture."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilnsense.compare.run import Outcome
from kilnsense.types.picture import QUALITY_FLAGS

THIRDS = ("luminance", "sharpness", "haze", "saturated")
"""What of a picture is cut into thirds, dark ones first."""


@dataclass(frozen=True)
class Slice:
    """Some of the frames.

    Attributes:
        kind: ``group`` or ``quality``.
        name: which.
        frames: how many.
        labels: their labels, the commonest first.
        right: entrant to the share of right answers, mean over the repeats.
        wrong: what the best classifier says most often when it is wrong; "" where it is not.
    """

    kind: str
    name: str
    frames: int
    labels: str
    right: dict[str, float]
    wrong: str


def slices(outcome: Outcome, best: str) -> list[Slice]:
    """All slices, groups first, the worst for the classifier `best` first."""
    data = outcome.compared.data
    found = [
        _slice(outcome, best, "group", name, np.flatnonzero(data.groups == name))
        for name in sorted(set(data.groups.tolist()))
    ]
    found.sort(key=lambda one: (one.right[best], one.name))
    quality = [_slice(outcome, best, "quality", name, rows) for name, rows in _by_quality(outcome)]
    return found + quality


def _slice(outcome: Outcome, best: str, kind: str, name: str, rows: NDArray[np.intp]) -> Slice:
    data = outcome.compared.data
    said = {entrant: table[:, rows].argmax(axis=2) for entrant, table in outcome.probabilities.items()}
    truth = data.labels[rows]
    wrong = Counter(said[best][said[best] != truth[None]].tolist())
    labels = Counter(data.names[rows].tolist())
    return Slice(
        kind=kind,
        name=name,
        frames=len(rows),
        labels=", ".join(label for label, _ in labels.most_common()),
        right={entrant: float((calls == truth).mean()) for entrant, calls in said.items()},
        wrong=data.classes[wrong.most_common(1)[0][0]] if wrong else "",
    )


def _by_quality(outcome: Outcome) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Frames without a flag and with each, and the thirds of what was measured; empty ones are left out."""
    qualities = outcome.compared.qualities
    sets: list[tuple[str, Sequence[bool]]] = [("no flag", [not one.flags for one in qualities])]
    sets += [(f"flag: {flag}", [flag in one.flags for one in qualities]) for flag in QUALITY_FLAGS]
    for name, chosen in sets:
        if any(chosen):
            yield name, np.flatnonzero(chosen)
    for what in THIRDS:
        values = np.array([getattr(one, what) for one in qualities])
        low, high = np.quantile(values, [1 / 3, 2 / 3])
        if low < high:
            yield f"{what} up to {low:.3g}", np.flatnonzero(values <= low)
            yield f"{what} between", np.flatnonzero((values > low) & (values <= high))
            yield f"{what} above {high:.3g}", np.flatnonzero(values > high)
