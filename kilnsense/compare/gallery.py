"""The frames that the page of a comparison shows, with what was said of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from kilnsense.compare.run import Outcome
from kilnsense.compare.summary import Summary
from kilnsense.compare.suspects import Suspect, Twins, suspicious_labels, twins_across_groups
from kilnsense.record.compare_page import Card, Cell, Gallery, Matrix
from kilnsense.record.thumbnails import thumbnail_styles

MOST_MISTAKES = 50
MOST_SUSPECTS = 50
MOST_TWINS = 12
MOST_WRONG, MOST_RIGHT = 24, 8
"""Frames shown of a cell off and on the diagonal; of baselines a third."""
PICTURE_BYTES = 3_400_000
"""Of all thumbnails together."""


@dataclass(frozen=True, eq=False)
class Shown:
    """What the page shows of frames.

    Attributes:
        matrices: best entrant first.
        galleries: worst mistakes, suspicious labels, twins.
        suspects, twins: all of them, worst first.
        pictures: style rules of the thumbnails.
    """

    matrices: tuple[Matrix, ...]
    galleries: tuple[Gallery, ...]
    suspects: tuple[Suspect, ...]
    twins: tuple[Twins, ...]
    pictures: Markup


def show_frames(outcome: Outcome, summary: Summary) -> Shown:
    """Gathers the frames of the page, and the pictures of as many as there is room for."""
    data = outcome.compared.data
    first = [one.name for one in summary.standings if one.tier == summary.best.tier and not one.baseline]
    pooled = np.mean([outcome.probabilities[name].mean(axis=0) for name in first], axis=0)
    suspects = suspicious_labels(pooled, data.labels)
    twins = twins_across_groups(data.frames, data.groups, outcome.settings.base)
    best = outcome.probabilities[summary.best.name].mean(axis=0)
    mistakes = _mistakes(best, data.labels)
    wanted = [*mistakes[:MOST_MISTAKES], *(one.row for one in suspects[:MOST_SUSPECTS])]
    wanted += [row for pair in twins[:MOST_TWINS] for row in (pair.first, pair.second)]
    cells = [cell for name in _drawn(summary) for cell in _cells(outcome, summary, name)]
    wanted += [row for cell in sorted(cells, key=lambda cell: cell.right) for row in cell.rows]
    pictures, held = thumbnail_styles([frame.pixels for frame in data.frames], wanted, budget=PICTURE_BYTES)
    maker = _Cards(outcome, held)
    size = len(data.classes)
    matrices = []
    for start in range(0, len(cells), size * size):
        own = [maker.cell(cell) for cell in cells[start : start + size * size]]
        rows = tuple(tuple(own[row * size : (row + 1) * size]) for row in range(size))
        matrices.append(Matrix(cells[start].name, rows))
    galleries = (
        Gallery(
            f"The {min(MOST_MISTAKES, len(mistakes))} worst mistakes of {summary.best.name}",
            "The surer of a wrong state, the earlier; the mean over the repeats, each time by a model that "
            f"had not seen the group. {len(mistakes)} of {len(data)} frames are called wrongly.",
            tuple(maker.judged(row, best[row]) for row in mistakes[:MOST_MISTAKES]),
        ),
        Gallery(
            "Suspicious labels",
            _suspect_words(outcome, suspects, first),
            tuple(maker.suspect(one) for one in suspects[:MOST_SUSPECTS]),
        ),
        Gallery(
            "The same picture in two groups",
            _twin_words(twins),
            tuple(card for pair in twins[:MOST_TWINS] for card in maker.pair(pair)),
        ),
    )
    return Shown(tuple(matrices), galleries, tuple(suspects), tuple(twins), pictures)


def _mistakes(table: NDArray[np.float64], labels: NDArray[np.int64]) -> list[int]:
    """Rows that are called wrongly, the surest first."""
    rows = np.arange(len(labels))
    lead = table.max(axis=1) - table[rows, labels]
    wrong = np.flatnonzero(table.argmax(axis=1) != labels)
    return [int(row) for row in wrong[np.argsort(-lead[wrong], kind="stable")]]


def _drawn(summary: Summary) -> list[str]:
    """Whose matrices are drawn: classifiers first, then the baselines that say more than one class."""
    names = [one for one in summary.standings if one.confusion.sum(axis=0).astype(bool).sum() > 1]
    return [one.name for one in sorted(names, key=lambda one: one.baseline)]


@dataclass(frozen=True, eq=False)
class _Frames:
    """The frames of one cell: `rows` are shown, `count` is over all repeats."""

    key: str
    name: str
    truth: int
    said: int
    count: int
    share: float
    rows: tuple[int, ...]
    times: tuple[int, ...]
    confidence: tuple[float, ...]
    more: int

    @property
    def right(self) -> bool:
        return self.truth == self.said


def _cells(outcome: Outcome, summary: Summary, name: str) -> list[_Frames]:
    """The cells of one matrix, row by row."""
    labels, table = outcome.compared.data.labels, outcome.probabilities[name]
    said = table.argmax(axis=2)
    number = [one.name for one in summary.standings].index(name)
    cells = []
    for truth in range(table.shape[2]):
        for column in range(table.shape[2]):
            times = ((said == column) & (labels == truth)).sum(axis=0)
            rows = np.flatnonzero(times)
            sure = table[:, rows, column].mean(axis=0)
            # Off the diagonal the surest, on it the least sure: there is more to learn from them.
            order = rows[np.lexsort((sure if truth == column else -sure, -times[rows]))]
            most = MOST_RIGHT if truth == column else MOST_WRONG
            shown = order[: most // 3 if summary.standings[number].baseline else most]
            cells.append(
                _Frames(
                    key=f"cell-{number}-{truth}-{column}",
                    name=name,
                    truth=truth,
                    said=column,
                    count=int(times.sum()),
                    share=float(times.sum() / max(1, (labels == truth).sum() * len(table))),
                    rows=tuple(map(int, shown)),
                    times=tuple(map(int, times[shown])),
                    confidence=tuple(map(float, table[:, shown, column].mean(axis=0))),
                    more=len(order) - len(shown),
                )
            )
    return cells


class _Cards:
    """Makes cards of frames; it knows which of them have a picture."""

    def __init__(self, outcome: Outcome, held: frozenset[int]) -> None:
        self.data, self.held = outcome.compared.data, held
        self.repeats = outcome.settings.repeats

    def card(self, row: int, headline: str, *lines: str) -> Card:
        """One frame; its group and path stand below the lines."""
        frame = self.data.frames[row]
        group = str(self.data.groups[row])
        below = (*lines, *((group,) if group != frame.source else ()), frame.source)
        return Card(f"f{row}" if row in self.held else "", headline, below)

    def cell(self, cell: _Frames) -> Cell:
        """A cell with its cards."""
        truth, said = self.data.classes[cell.truth], self.data.classes[cell.said]
        mark = "✓" if cell.right else "✗"
        cards = [
            self.card(
                row,
                f"{mark} {said} {sure:.2f}",
                *((f"in {times} of {self.repeats} repeats",) if self.repeats > 1 else ()),
            )
            for row, times, sure in zip(cell.rows, cell.times, cell.confidence, strict=True)
        ]
        caption = f"{cell.name}: labelled {truth}, called {said}"
        return Cell(cell.key, str(cell.count), cell.share, cell.right, caption, tuple(cards), cell.more)

    def judged(self, row: int, probabilities: NDArray[np.float64]) -> Card:
        """A mistake."""
        said, truth = int(probabilities.argmax()), int(self.data.labels[row])
        own = f"labelled {self.data.classes[truth]} ({probabilities[truth]:.2f})"
        return self.card(row, f"✗ {self.data.classes[said]} {probabilities[said]:.2f}", own)

    def suspect(self, one: Suspect) -> Card:
        """A doubtful label."""
        label = self.data.classes[self.data.labels[one.row]]
        return self.card(
            one.row, f"{label}? rather {self.data.classes[one.better]}", f"its label has {one.confidence:.2f}"
        )

    def pair(self, pair: Twins) -> tuple[Card, Card]:
        """Two frames that look the same."""
        text = f"≈ {pair.difference:.2f} delta-E"
        first, second = (
            self.card(row, text, f"labelled {self.data.classes[self.data.labels[row]]}")
            for row in (pair.first, pair.second)
        )
        return first, replace(second, headline="≈ the same")


def _suspect_words(outcome: Outcome, suspects: Sequence[Suspect], judges: Sequence[str]) -> str:
    if not suspects:
        return "No label is doubted: no other class is as likely as it usually is where it is the label."
    groups = outcome.compared.data.groups
    sizes, found = Counter(groups.tolist()), Counter(str(groups[one.row]) for one in suspects)
    whole = sorted((name for name in found if sizes[name] > 1), key=lambda name: -found[name] / sizes[name])
    most = ", ".join(f"{name} ({found[name]} of {sizes[name]})" for name in whole[:4])
    return (
        f"{len(suspects)} of {len(groups)} labels are doubted by {', '.join(judges)} out of fold: another "
        "class is as likely as it usually is where it is the label (confident learning, Northcutt et al. "
        "2021; here its lower quartile, where they take the mean). Least likely label first. A single frame "
        "may be a slip; a whole run is rather a border between two states, or a changed camera."
        f"{f' Most doubted: {most}.' if most else ''}"
    )


def _twin_words(twins: Sequence[Twins]) -> str:
    if not twins:
        return (
            "None: no two frames of different groups look the same (mean colour difference below 1 delta-E)."
        )
    rest = f"; the {MOST_TWINS} most alike are shown" if len(twins) > MOST_TWINS else ""
    return (
        f"{len(twins)} pairs of frames of different groups differ by less than an eye would see (mean colour "
        f"difference below 1 delta-E){rest}. Where they are copies, or the same run under two names, a fold "
        "judges what it has learned from: give both groups one name."
    )
