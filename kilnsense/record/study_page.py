"""The page of a study: one HTML file that needs no network, no script and no other file.

A study trains networks that differ in a few settings on the same data. The page answers first which setting
is best, by how much, and whether that is more than the seeds alone make; then what the answer rests on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from kilnsense.errors import InputError
from kilnsense.record.page import render_page
from kilnsense.record.report import Figure
from kilnsense.record.standing import Table, best_of_each, named, rivals, spoken, standings, verdict
from kilnsense.record.study_draws import DrawTable
from kilnsense.record.study_sections import (
    averaged,
    embedding_plots,
    kind_plots,
    learning_plots,
    sweep_plots,
)


@dataclass(frozen=True)
class Result:
    """One line of the table: how one setting did by one measure, over its seeds.

    Attributes:
        name: the setting (variant and grid values), the same for all its features, judges and measures.
        features: what was judged, such as fused or one branch.
        judge: who judged, such as nearest or svm.
        measure: what was measured, such as accuracy or 20-way; higher is better, usually 0..1.
        mean: over the seeds.
        spread: standard deviation over the seeds; None where there is one seed.
        n: how many seeds.
        rank: 1 for the best of the same features, judge and measure.
    """

    name: str
    features: str
    judge: str
    measure: str
    mean: float
    spread: float | None
    n: int
    rank: int


@dataclass(frozen=True)
class Curve:
    """One training, epoch by epoch. Curves of the same name (seeds, folds, branches) are averaged.

    Attributes:
        name: the setting, as in `Result.name`.
        loss: per epoch, from the first in which something was learned; not a number where it was not finite.
        accuracy: on validation data, per epoch, 0..1; empty where it was not judged.
        kinds: per kind of tuple (easy, semi-hard, hard; genuine, inside, beyond) the count in every epoch.
    """

    name: str
    loss: tuple[float, ...]
    accuracy: tuple[float, ...] = ()
    kinds: Mapping[str, tuple[float, ...]] | None = None

    def __post_init__(self) -> None:
        lengths = {len(counts) for counts in (self.kinds or {}).values()} | {len(self.loss)}
        if self.accuracy:
            lengths.add(len(self.accuracy))
        if len(lengths) > 1:
            raise InputError(f"Curve {self.name!r}: got lengths {sorted(lengths)}, allowed: one per epoch")


@dataclass(frozen=True, eq=False)
class Cloud:
    """Embeddings on a plane.

    Attributes:
        title: which part, such as train or test.
        xy: (n, 2) float.
        labels: (n,) int, places in `Embedding.classes`.
    """

    title: str
    xy: NDArray[np.floating]
    labels: NDArray[np.integer]

    def __post_init__(self) -> None:
        if np.shape(self.xy) != (*np.shape(self.labels), 2) or np.ndim(self.labels) != 1:
            shapes = f"{np.shape(self.xy)} points and {np.shape(self.labels)} labels"
            raise InputError(f"Cloud {self.title!r}: got {shapes}, allowed: (n, 2) and (n,)")


@dataclass(frozen=True, eq=False)
class Embedding:
    """What one setting learned, drawn side by side on shared axes: training first, then held-out.

    Attributes:
        name: the setting, as in `Result.name`.
        classes: name of each label.
        clouds: one or more.
        note: how the plane came about, such as the share of the variance that it shows.
    """

    name: str
    classes: tuple[str, ...]
    clouds: tuple[Cloud, ...]
    note: str = ""


@dataclass(frozen=True)
class Series:
    """One line of a sweep: (value, mean, spread or None) in order of the value."""

    name: str
    points: tuple[tuple[float, float, float | None], ...]


@dataclass(frozen=True)
class Sweep:
    """How a measure depends on a number that was varied.

    Attributes:
        axis: the number, such as metric.margin.
        measure: as in `Result.measure`.
        series: one line per variant.
        note: what was held, such as the features and the judge; no full stop.
    """

    axis: str
    measure: str
    series: tuple[Series, ...]
    note: str = ""


@dataclass(frozen=True)
class Failure:
    """A trial that gave no result, and its message."""

    name: str
    message: str


@dataclass(frozen=True)
class StudyPage:
    """Everything that the page says; the sentence with the winner is made from `results`.

    Attributes:
        title: of the study.
        measure: the one that decides; "": that of the first result.
        results: all lines, in any order.
        figures: more numbers for the first screen, such as settings, trials, images per second.
        synthetic: the data were rendered; the page says so beside the answer.
        notice: anything else that a reader must not overlook.
        spread_note: what the seeds change beside the start of the networks, a sentence; "": nothing.
        draws: what a search has tried; None: it was no search.
        sweeps, curves, embeddings, failures: as their classes say.
        troubles: (setting, what went wrong in training without ending it), best setting first.
        provenance: (what, value) pairs: command, date, version, data.
        config: the resolved configuration, YAML.
    """

    title: str
    results: tuple[Result, ...]
    measure: str = ""
    figures: tuple[Figure, ...] = ()
    synthetic: bool = False
    notice: str = ""
    spread_note: str = ""
    draws: DrawTable | None = None
    sweeps: tuple[Sweep, ...] = ()
    curves: tuple[Curve, ...] = ()
    embeddings: tuple[Embedding, ...] = ()
    failures: tuple[Failure, ...] = ()
    troubles: tuple[tuple[str, str], ...] = ()
    provenance: tuple[tuple[str, str], ...] = ()
    config: str = ""


def render_study(page: StudyPage) -> str:
    """The page as HTML text; every text in it is escaped.

    Raises:
        MissingExtraError: there is something to plot and Matplotlib is missing.
    """
    tables = _tables(page)
    order = {line.result.name: line.place for line in reversed(tables[0].lines)} if tables else {}
    curves = averaged(page.curves, order)
    content = {
        "page": page,
        "answer": _answer(tables, len(page.draws.lines) if page.draws else 0),
        "figures": (*_figures(tables), *page.figures),
        "tables": tables,
        "grid": best_of_each(tables[0].lines) if tables else None,
        "sweeps": sweep_plots(page.sweeps),
        "learning": learning_plots(curves),
        "kinds": kind_plots(curves),
        "embeddings": embedding_plots(page.embeddings, order),
    }
    return render_page("study.html", content)


def _answer(tables: Sequence[Table], drawn: int) -> str:
    if not tables:
        return "No trial gave a result."
    return Markup("<strong>{}</strong>{}").format(*verdict(tables[0].lines, drawn=drawn))


def _tables(page: StudyPage) -> list[Table]:
    measures = list(dict.fromkeys(result.measure for result in page.results))
    measures.sort(key=lambda measure: measure != page.measure)  # stable: the others stay in their order
    return [
        Table(measure, standings([result for result in page.results if result.measure == measure]))
        for measure in measures
    ]


def _figures(tables: Sequence[Table]) -> tuple[Figure, ...]:
    if not tables:
        return ()
    lines = tables[0].lines
    best, others = lines[0].result, rivals(lines)
    first = Figure(
        f"best {spoken(best.measure)}", f"{best.mean:.3f}", f"{_plus_minus(best)}{named(best, lines)}"
    )
    if not others:
        return (first,)
    rival = others[0]
    second = Figure(
        "next setting", f"{rival.result.mean:.3f}", f"{_plus_minus(rival.result)}{named(rival.result, lines)}"
    )
    if rival.spread is None:
        judged = "one seed each: may be chance"
    elif rival.tied:
        judged = f"within the spread of the seeds, {rival.spread:.3f}: a tie"
    else:
        judged = f"beyond the spread of the seeds, {rival.spread:.3f}"
    return (first, second, Figure("lead", f"{rival.lead:.3f}", judged))


def _plus_minus(result: Result) -> str:
    return "" if result.spread is None else f"± {result.spread:.3f}; "
