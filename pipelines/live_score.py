"""How good the published words of a day are against its truth: delays, false changes, time right."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from live_rows import Row

LASTING_S = 300.0
"""True states that last shorter are no change that must be found."""
FOUND_S = 60.0
"""A change is found where the new word stands this long, the usual delay of an alarm."""
DAY_S = 86400.0
TREND_LAG_S, STILL_K, MOVING_K = 600.0, 10.0, 25.0
"""A bed that moved by less in that time is still, one that moved by more is moving."""

Words = Sequence[str | None]


@dataclass(frozen=True)
class Change:
    """A true change: from where the old state is left to where the next one begins, via `begins_s`."""

    left_s: float
    begins_s: float
    until_s: float
    state: str


def true_changes(rows: Sequence[Row]) -> list[Change]:
    """The changes between states that are sure; what lies between two bands belongs to neither."""
    stretches: list[tuple[str, float, float]] = []  # state, first and last time that is sure
    for row in rows:
        if not row.sure:
            continue
        if stretches and stretches[-1][0] == row.state:
            stretches[-1] = (row.state, stretches[-1][1], row.time_s)
        else:
            stretches.append((row.state, row.time_s, row.time_s))
    lasting = [s for s in stretches if s[2] - s[1] >= LASTING_S]
    merged = lasting[:1]
    for stretch in lasting[1:]:
        if stretch[0] == merged[-1][0]:
            merged[-1] = (stretch[0], merged[-1][1], stretch[2])
        else:
            merged.append(stretch)
    return [Change(old[2], new[1], new[2], new[0]) for old, new in pairwise(merged)]


def found_after(rows: Sequence[Row], words: Words, change: Change) -> float | None:
    """Seconds from the beginning of a true state to its word, 0 where it was there before; None: missed."""
    started: float | None = None
    for row, word in zip(rows, words, strict=True):
        if not change.left_s <= row.time_s <= change.until_s:
            continue
        if word != change.state:
            started = None
        elif started is None:
            started = row.time_s
        if started is not None and row.time_s - started >= FOUND_S:
            return max(started - change.begins_s, 0.0)
    return None


def false_changes(rows: Sequence[Row], words: Words) -> int:
    """How often the word turns into a state that surely is not the true one; UNKNOWN between is no turn."""
    last, false = None, 0
    for row, word in zip(rows, words, strict=True):
        if word is None or word == last:
            continue
        false += int(last is not None and row.sure and word != row.state)
        last = word
    return false


@dataclass(frozen=True)
class Score:
    """What one way of deciding did on some days.

    Attributes:
        delays: seconds, of the changes that were found.
        missed: changes that were not.
        false_a_day: see `false_changes`.
        unknown: share of all time without a state.
        right: share of the time with a state, where the truth is sure, in which it is the true one.
        wrong: share of the sure time with a wrong state.
        blind: share of the frames in which no one could judge the bed (dust, exposure) that have a state.
    """

    delays: tuple[float, ...]
    missed: int
    false_a_day: float
    unknown: float
    right: float
    wrong: float
    blind: float

    def flat(self) -> dict[str, float | int | None]:
        """As a row of a table."""
        found = len(self.delays) > 0
        return {
            "changes": len(self.delays) + self.missed,
            "missed": self.missed,
            "delay_median_s": float(np.median(self.delays)) if found else None,
            "delay_p90_s": float(np.percentile(self.delays, 90)) if found else None,
            "false_changes_a_day": self.false_a_day,
            "unknown": self.unknown,
            "right_when_published": self.right,
            "wrong": self.wrong,
            "blind": self.blind,
        }


def score(days: Sequence[Sequence[Row]], said: Sequence[Words]) -> Score:
    """One way of deciding over several days, evenly sampled."""
    found = [
        found_after(rows, words, change)
        for rows, words in zip(days, said, strict=True)
        for change in true_changes(rows)
    ]
    seconds = sum(rows[-1].time_s - rows[0].time_s for rows in days)
    false = sum(false_changes(rows, words) for rows, words in zip(days, said, strict=True))
    pairs = [pair for rows, words in zip(days, said, strict=True) for pair in zip(rows, words, strict=True)]
    sure = [(row.state, word) for row, word in pairs if row.sure]
    hidden = [word for row, word in pairs if not row.usable]
    named = sum(word is not None for _, word in sure)
    right = sum(state == word for state, word in sure)
    return Score(
        delays=tuple(delay for delay in found if delay is not None),
        missed=found.count(None),
        false_a_day=false * DAY_S / seconds,
        unknown=sum(word is None for _, word in pairs) / len(pairs),
        right=right / named if named else 0.0,
        wrong=(named - right) / len(sure) if sure else 0.0,
        blind=sum(word is not None for word in hidden) / max(len(hidden), 1),
    )


def persistence(days: Sequence[Sequence[Row]], classes: Sequence[str]) -> dict[str, float]:
    """How wrong single frames are where the truth is sure, and how much of it stays wrong for minutes.

    `lasting` is the share of wrong frames around which, over five minutes, four of five are wrong: no filter
    of a few minutes can mend those. `lone` are those around which four of five are right.
    """
    wrong_frames = judged = lasting = lone = 0
    for rows in days:
        half = max(1, round(150 / (rows[1].time_s - rows[0].time_s)))
        wrong = np.array(
            [
                bool(r.sure and r.probabilities and classes[int(np.argmax(r.probabilities))] != r.state)
                for r in rows
            ]
        )
        around = np.array([wrong[max(0, here - half) : here + half + 1].mean() for here in range(len(wrong))])
        judged += sum(bool(row.sure and row.probabilities) for row in rows)
        wrong_frames += int(wrong.sum())
        lasting += int((wrong & (around >= 0.8)).sum())
        lone += int((wrong & (around <= 0.2)).sum())
    share = 1 / max(wrong_frames, 1)
    return {
        "frames_wrong": wrong_frames / max(judged, 1),
        "lasting": lasting * share,
        "lone": lone * share,
    }


def trend_shares(days: Sequence[Sequence[Row]], turns: Sequence[Sequence[int | None]]) -> dict[str, float]:
    """How often published trends agree with the bed over the ten minutes before.

    Args:
        days: with their truth.
        turns: 1 for a trend upwards, -1 downwards, 0 steady, None: no trend was published.

    Returns:
        `trend_false`: share of trends up or down while the bed was still; `trend_found`, `trend_opposite`:
        share of trends on the right and on the wrong side while it was moving.
    """
    still, found, opposite = [], [], []
    for rows, said in zip(days, turns, strict=True):
        lag = max(1, round(TREND_LAG_S / (rows[1].time_s - rows[0].time_s)))
        for number in range(lag, len(rows)):
            turn, gained = said[number], rows[number].bed_c - rows[number - lag].bed_c
            if turn is None:
                continue
            if abs(gained) < STILL_K:
                still.append(turn != 0)
            elif abs(gained) >= MOVING_K:
                found.append(turn == np.sign(gained))
                opposite.append(turn == -np.sign(gained))
    shares = {"trend_false": still, "trend_found": found, "trend_opposite": opposite}
    return {name: sum(values) / max(len(values), 1) for name, values in shares.items()}
