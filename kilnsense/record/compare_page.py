"""The page of a comparison: one HTML file that needs no network, no script and no other file.

The verdict comes first, then the tiers that it rests on; below them where each classifier fails, frame by
frame: a cell of a confusion matrix is a link that opens its frames. What is wrong with the data stands beside
what is wrong with the classifiers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from kilnsense.record.page import render_page
from kilnsense.record.report import Figure, Plot
from kilnsense.record.standing import Bar

MOST_BYTES = 5_000_000
"""Of the whole page."""


@dataclass(frozen=True)
class ScoreLine:
    """One entrant in the tier table.

    Attributes:
        tier: 1 and up; "" in a line that shares that of the line above.
        top: whether it is the first tier.
        name: of the entrant.
        baseline: whether it is one that the others must beat.
        score, interval: as text.
        bar: the same, drawn.
        cells: the other columns, as text.
    """

    tier: str
    top: bool
    name: str
    baseline: bool
    score: str
    interval: str
    bar: Bar
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """A plain table: its columns, and rows that start with their name; `remark` says how to read it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    remark: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Card:
    """A frame as it is shown.

    Attributes:
        picture: its class in the style sheet, "" where the page has no room for it.
        headline: what was said, with the sign for right or wrong.
        lines: what else there is to know.
    """

    picture: str
    headline: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One cell of a confusion matrix.

    Attributes:
        key: unique name, the target of its link.
        count: of frames, as text.
        share: of its row, 0..1.
        right: whether it lies on the diagonal.
        caption: what the frames have in common.
        cards: some of them.
        more: how many others there are.
    """

    key: str
    count: str
    share: float
    right: bool
    caption: str
    cards: tuple[Card, ...]
    more: int


@dataclass(frozen=True)
class Matrix:
    """The confusion matrix of one entrant: one row of cells per true class."""

    name: str
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Gallery:
    """Frames under one heading; `remark` says what they are."""

    title: str
    remark: str
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class ComparePage:
    """Everything that the page says.

    Attributes:
        title: of the comparison.
        verdict: the answer in one sentence.
        beside: how that compares with the baselines, one sentence.
        cautions: what speaks against it, the gravest first.
        notes: what else to know of the data.
        figures: numbers for the first screen.
        metric: title of the measure that decides, and ``higher`` or ``lower`` for what is better.
        axis: ends of the axis of the bars, as text.
        scores: the tier table, best first; `columns` names its last cells.
        protocol: how it was measured, a sentence or two.
        pairs: the tests of all pairs.
        leak: what a random split would have flattered.
        grids: all measures, and those of each class.
        slices: by group and by quality of the picture.
        classes: class names.
        matrices: best entrant first.
        plots: reliability, coverage and embedding map.
        galleries: worst mistakes, suspicious labels, twins.
        left_out: files that were not judged.
        pictures: style rules of the thumbnails.
        notice, provenance, config: as on all pages.
    """

    title: str
    verdict: str
    beside: str
    cautions: tuple[str, ...]
    notes: tuple[str, ...]
    figures: tuple[Figure, ...]
    metric: tuple[str, str]
    axis: tuple[str, str]
    columns: tuple[str, ...]
    scores: tuple[ScoreLine, ...]
    protocol: str
    pairs: Grid
    leak: Grid
    grids: tuple[Grid, ...]
    slices: tuple[Grid, ...]
    classes: tuple[str, ...]
    matrices: tuple[Matrix, ...]
    plots: tuple[Plot, ...]
    galleries: tuple[Gallery, ...]
    left_out: Grid
    pictures: Markup
    notice: str = ""
    provenance: tuple[tuple[str, str], ...] = ()
    config: str = ""


def render_comparison(page: ComparePage) -> str:
    """The page as HTML text; every text in it is escaped."""
    answer = Markup("<strong>{}</strong> {}").format(page.verdict, page.beside)
    return render_page("compare.html", {"page": page, "answer": answer, "figures": page.figures})


def bars(intervals: Sequence[tuple[float, float, float]]) -> tuple[tuple[float, float], list[Bar]]:
    """Bars of (low, value, high) on one axis, and the ends of that axis: a little wider than all of them."""
    low, high = min(each[0] for each in intervals), max(each[2] for each in intervals)
    room = 0.04 * (high - low) or 0.5
    low, high = low - room, high + room
    return (low, high), [Bar(*(100 * (value - low) / (high - low) for value in each)) for each in intervals]
