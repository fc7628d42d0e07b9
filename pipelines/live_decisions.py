"""Decisions over time on rendered kilns (synthetic): how late, how often false, how much of the time right.

    python pipelines/live_decisions.py --work DIR [--days N] [--seed 200] [--flips 0.2] [--tune] [--json]

A model is trained on rendered runs; then whole days are rendered that it never saw, of kilns and cameras that
it knows and of others (`live_rows.py`), one frame every ten seconds in place of two a second. All of it is
kept in DIR. Ways of deciding (`live_ways.py`): single frames; the mean probability over `memory_s`
(exponential weights), its most probable class; a mean with memory and limits tuned as the filter was; and the
filter of the monitor. Delays count from where the true state surely begins, to where its word stands for a
minute; what lies between two states is no error for either (`live_score.py`). --flips gives so many frames
another class's answer. --tune prints, for the days of --seed, what times and limits cost: the settings were
chosen so on seed 100, which is not to be reported.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import cv2
import numpy as np
from live_rows import KINDS, Row, day_rows, model
from live_score import Score, persistence, score, trend_shares
from live_ways import decisions, turn, ways
from rich.console import Console
from rich.table import Table

from kilnsense.config.monitor import DecisionConfig
from kilnsense.errors import KilnsenseError

LIMITS = ((0.8, 0.6), (0.9, 0.6), (0.9, 0.5))
DWELLS, MEMORIES = (900.0, 1800.0, 3600.0), (20.0, 60.0, 120.0, 240.0)


def flipped(rows: Sequence[Row], share: float, rng: np.random.Generator) -> list[Row]:
    """The same day with so many frames answered for another class, each by its own chance."""
    done = []
    for row in rows:
        turn = int(rng.integers(1, len(row.probabilities))) if row.probabilities else 0
        turned = (*row.probabilities[turn:], *row.probabilities[:turn])
        done.append(replace(row, probabilities=turned) if rng.uniform() < share else row)
    return done


def tune(days: dict[str, list[list[Row]]], classes: Sequence[str]) -> list[dict[str, object]]:
    """What times and limits cost, the best first: share of time wrong, 0.3 of that UNKNOWN, false changes."""
    rows = []
    for dwell, memory, (enter, leave) in product(DWELLS, MEMORIES, LIMITS):
        config = DecisionConfig(dwell_s=dwell, memory_s=memory, enter=enter, leave=leave)
        decide = ways(classes, config)["filter"]
        costs = {kind: _cost(score(part, [decide(day) for day in part])) for kind, part in days.items()}
        setting = {"dwell_s": dwell, "memory_s": memory, "enter": enter, "leave": leave}
        rows.append({**setting, **costs, "cost": sum(costs.values())})
    return sorted(rows, key=lambda row: float(str(row["cost"])))


def _cost(found: Score) -> float:
    """A false change costs as much as three minutes of a wrong state."""
    return found.wrong + 0.3 * found.unknown + found.false_a_day * 180 / 86400


def report(
    days: dict[str, list[list[Row]]], classes: Sequence[str], config: DecisionConfig, flips: float
) -> list[dict[str, object]]:
    """A row for every kind of day, share of flips and way of deciding."""
    rows: list[dict[str, object]] = []
    for (kind, part), share in product(days.items(), sorted({0.0, flips})):
        rng = np.random.default_rng(0)
        shown = [flipped(day, share, rng) for day in part]
        about = {"days": kind, "hours": sum(day[-1].time_s for day in part) / 3600, "flips": share}
        for name, way in ways(classes, config).items():
            rows.append({**about, "way": name, **score(part, [way(day) for day in shown]).flat()})
        turns = [[turn(decision) for decision in decisions(day, classes, config)] for day in shown]
        rows[-1] |= {**persistence(shown, classes), **trend_shares(part, turns)}
    return rows


def show(rows: Sequence[dict[str, object]]) -> None:
    """Prints rows as a table; a measure that only some rows have leaves the others empty."""
    table = Table(title="synthetic", title_justify="left")
    names = list(dict.fromkeys(name for row in rows for name in row))
    for name in names:
        table.add_column(name.replace("_", " "))
    for row in rows:
        cells = [row.get(name, "") for name in names]
        table.add_row(*(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells))
    Console(width=None if sys.stdout.isatty() else 250).print(table)


def main() -> None:
    """Reads the command line, renders what is missing, measures, prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of frames, model and answers")
    parser.add_argument("--days", type=int, default=4, help="rendered days of each kind")
    parser.add_argument("--hours", type=float, default=8.0, help="of each day")
    parser.add_argument("--every", type=float, default=10.0, help="seconds of kiln time between two frames")
    parser.add_argument("--seed", type=int, default=200, help="of the days")
    parser.add_argument("--flips", type=float, default=0.2)
    parser.add_argument("--runs", type=int, default=16, help="to train on")
    parser.add_argument("--frames", type=int, default=30, help="of each run to train on")
    parser.add_argument("--set", action="append", default=[], help="of the model: a.b=c")
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    try:
        recogniser = model(given.work, runs=given.runs, frames=given.frames, settings=given.set)
        span = {"seed": given.seed, "hours": given.hours, "every": given.every}
        numbers = range(given.days)
        days = {
            kind: [day_rows(given.work, recogniser, kind, number=number, **span) for number in numbers]
            for kind in KINDS
        }
    except KilnsenseError as error:
        sys.exit(f"error: {error}")
    classes = recogniser.config.classes
    rows = tune(days, classes) if given.tune else report(days, classes, DecisionConfig(), given.flips)
    if given.json:
        sys.stdout.write(json.dumps(rows, allow_nan=False) + "\n")
    else:
        show(rows)


if __name__ == "__main__":
    main()
