"""From verdicts of single frames to words over time: as they come, a mean, and the monitor's filter."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from live_rows import Row
from live_score import Words

from kilnsense.config.monitor import DecisionConfig
from kilnsense.live.decision import POOR, Decision, Observation, begin, step
from kilnsense.types import STEADY

TUNED = DecisionConfig(memory_s=120, enter=0.7, leave=0.5)
"""Memory and limits of the mean that cost least on the days that the filter was tuned on (seed 100)."""

Ways = dict[str, Callable[[Sequence[Row]], Words]]


def decisions(rows: Sequence[Row], classes: Sequence[str], config: DecisionConfig) -> Iterator[Decision]:
    """What the monitor would decide at every frame."""
    decision = begin(classes, 0.0)
    for row in rows:
        decision = step(decision, Observation("LIVE", row.verdict(classes), row.time_s), row.time_s, config)
        yield decision


def turn(decision: Decision) -> int | None:
    """Which way the trend points: 1 up, -1 down, 0 steady; None where there is none."""
    if decision.trend not in decision.classes:
        return 0 if decision.trend == STEADY else None
    best = int(np.argmax(decision.probabilities))
    return int(np.sign(decision.classes.index(decision.trend) - best)) or (1 if best else -1)


def means(rows: Sequence[Row], classes: Sequence[str], config: DecisionConfig, *, limits: bool) -> Words:
    """The baseline: the class of the highest mean probability, each frame fading with `memory_s`."""
    mean, last, held = np.full(len(classes), 1 / len(classes)), -np.inf, None
    said: list[str | None] = []
    for row in rows:
        if row.reason in POOR:
            said.append(None)
            continue
        keep = np.exp((last - row.time_s) / config.memory_s)
        mean, last = keep * mean + (1 - keep) * np.array(row.probabilities), row.time_s
        best = int(mean.argmax())
        if not limits or mean[best] >= config.enter:
            held = best
        elif held is not None and mean[held] < config.leave:
            held = None
        said.append(None if held is None else classes[held])
    return said


def ways(classes: Sequence[str], config: DecisionConfig) -> Ways:
    """All ways of deciding, by name."""
    return {
        "single frames": lambda rows: [row.verdict(classes).state for row in rows],
        "mean": lambda rows: means(rows, classes, config, limits=False),
        "mean, limits": lambda rows: means(rows, classes, TUNED, limits=True),
        "filter": lambda rows: [decision.state for decision in decisions(rows, classes, config)],
    }
