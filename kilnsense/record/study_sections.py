"""The plots of a study's page with their titles and notes, the best settings first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from kilnsense.record.report import Plot
from kilnsense.record.standing import spoken
from kilnsense.record.study_plots import (
    MOST_BANDS,
    MOST_LINES,
    MOST_NAMED,
    MOST_POINTS,
    curves_svg,
    embedding_png,
    kinds_svg,
    sweep_svg,
)

if TYPE_CHECKING:
    from kilnsense.record.study_page import Curve, Embedding, Sweep

MOST_KINDS = 24
"""Settings whose kinds of tuples are drawn; a page with hundreds would be slow to make and to read."""


@dataclass(frozen=True)
class Averaged:
    """The curves of one setting, averaged; per epoch, not a number where no curve has one."""

    name: str
    loss: tuple[float, ...]
    accuracy: tuple[float, ...]
    kinds: Mapping[str, tuple[float, ...]]


def averaged(curves: "Sequence[Curve]", order: Mapping[str, int]) -> tuple[Averaged, ...]:
    """One curve per name: in every epoch the mean over those that reached it and are finite there.

    Args:
        curves: any number of each name.
        order: place of each name, lower first; names without one come last.
    """
    groups: dict[str, list[Curve]] = {}
    for curve in curves:
        groups.setdefault(curve.name, []).append(curve)
    merged = []
    for name in sorted(groups, key=lambda name: order.get(name, inf)):
        group = groups[name]
        kinds = dict.fromkeys(kind for curve in group for kind in curve.kinds or {})
        merged.append(
            Averaged(
                name,
                _mean([curve.loss for curve in group]),
                _mean([curve.accuracy for curve in group]),
                {kind: _mean([(curve.kinds or {}).get(kind, ()) for curve in group]) for kind in kinds},
            )
        )
    return tuple(merged)


def sweep_plots(sweeps: "Sequence[Sweep]") -> list[Plot]:
    """A plot for every sweep that has a point; its note names the best value."""
    plots = []
    for sweep in sweeps:
        points = [(mean, x, spread, one.name) for one in sweep.series for x, mean, spread in one.points]
        if not points:
            continue
        mean, x, spread, name = max(points, key=lambda point: point[0])
        amount = f"{mean:.3f}" + ("" if spread is None else f" ± {spread:.3f}")
        whose = f" with {name}" if len(sweep.series) > 1 else ""
        which = f" of the best {MOST_BANDS} lines" if len(sweep.series) > MOST_BANDS else ""
        bands = f" Bands: one spread of the seeds{which}." if any(point[2] for point in points) else ""
        held = f" Held: {sweep.note}." if sweep.note else ""
        note = f"Best at {x:g}{whose}: {amount}.{bands}{held}"
        plots.append(Plot(f"{spoken(sweep.measure)} by {sweep.axis}", sweep_svg(sweep), note))
    return plots


def learning_plots(curves: Sequence[Averaged]) -> list[Plot]:
    """Loss and validation accuracy of all settings; none where no value is finite."""
    notes = {
        "loss": "Losses of different formulas have different scales: compare their course, not their height.",
        "validation accuracy": "On data that was neither trained on nor reported above.",
    }
    rest = f" Grey: the {len(curves) - MOST_LINES} other settings." if len(curves) > MOST_LINES else ""
    plots = []
    for what, note in notes.items():
        lines = {curve.name: curve.loss if what == "loss" else curve.accuracy for curve in curves}
        lines = {name: line for name, line in lines.items() if np.isfinite(line).any()}
        if lines:
            plots.append(Plot(what.capitalize(), curves_svg(lines, what), note + rest))
    return plots


def kind_plots(curves: Sequence[Averaged]) -> list[Plot]:
    """Shares of the kinds of tuples of the best settings that have counted any."""
    counted = [curve for curve in curves if np.nansum(list(curve.kinds.values())) > 0]
    return [Plot(curve.name, kinds_svg(_used(curve.kinds))) for curve in counted[:MOST_KINDS]]


def embedding_plots(embeddings: "Sequence[Embedding]", order: Mapping[str, int]) -> list[Plot]:
    """A plot for every embedding."""
    ordered = sorted(embeddings, key=lambda one: order.get(one.name, inf))
    return [Plot(one.name, embedding_png(one), _embedding_note(one)) for one in ordered]


def _embedding_note(embedding: "Embedding") -> str:
    notes = [embedding.note] if embedding.note else []
    if len(embedding.classes) > MOST_NAMED:
        notes.append(f"{len(embedding.classes)} classes, too many to name; shapes and colours repeat.")
    if max(len(cloud.labels) for cloud in embedding.clouds) > MOST_POINTS:
        notes.append(f"{MOST_POINTS} points of each part are drawn, chosen at random.")
    return " ".join(notes)


def _used(kinds: Mapping[str, tuple[float, ...]]) -> dict[str, tuple[float, ...]]:
    return {kind: counts for kind, counts in kinds.items() if np.nansum(counts) > 0}


def _mean(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    padded = np.full((len(rows), max(map(len, rows))), np.nan)
    for place, row in zip(padded, rows, strict=True):
        place[: len(row)] = row
    known = np.isfinite(padded)
    total, count = np.where(known, padded, 0.0).sum(axis=0), known.sum(axis=0)
    return tuple(np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0).tolist())
