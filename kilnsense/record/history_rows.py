"""How a reading becomes rows: a span that grows, a sample now and then, and the sums of its five minutes."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from kilnsense.record.aggregates import Sums, bucket_start, sums_of
from kilnsense.types import Reading

SAMPLE_S = 10.0
"""A reading is kept at every change, and so often besides."""

GAP_S = 30.0
"""A camera that published nothing for so long leaves a hole in its history."""


@dataclass(frozen=True)
class OpenSpan:
    """The span of a camera that is being written.

    Attributes:
        number: of its row.
        word, reason: what is published in it.
        end: moment of the newest reading.
        sampled: moment of the reading that was kept last.
        health: state of the camera in the newest reading.
    """

    number: int
    word: str
    reason: str
    end: float
    sampled: float
    health: str


def add_reading(rows: sqlite3.Connection, reading: Reading, before: OpenSpan | None) -> OpenSpan:
    """Writes a reading into the open span of its camera, or begins one.

    Args:
        rows: connection to the history, in a transaction.
        reading: of a camera.
        before: its open span; None where there is none, as after a start.

    Returns:
        The span that is open then.
    """
    same = before is not None and (before.word, before.reason) == (reading.word, reading.reason)
    if before is not None and 0 <= reading.at - before.end <= GAP_S:
        rows.execute('UPDATE spans SET "end" = ? WHERE number = ?', (reading.at, before.number))
    else:
        before = None
    if before is not None and same:
        number, sampled = before.number, before.sampled
    else:
        asked = 'INSERT INTO spans (camera, word, reason, start, "end") VALUES (?, ?, ?, ?, ?)'
        told = (reading.camera, reading.word, reading.reason, reading.at, reading.at)
        number, sampled = rows.execute(asked, told).lastrowid or 0, -SAMPLE_S
        classes = json.dumps(reading.classes)
        rows.execute("INSERT OR REPLACE INTO cameras VALUES (?, ?)", (reading.camera, classes))
    if reading.at - sampled >= SAMPLE_S or (before is not None and before.health != reading.health.state):
        _add_sample(rows, reading)
        sampled = reading.at
    _add_to_bucket(rows, reading)
    return OpenSpan(number, reading.word, reading.reason, reading.at, sampled, reading.health.state)


def _add_sample(rows: sqlite3.Connection, reading: Reading) -> None:
    values = (
        *(reading.camera, reading.at, reading.seq, reading.word, reading.reason),
        *(round(reading.confidence, 4), _rounded(reading.probabilities), _rounded(reading.raw)),
        *(round(reading.unfamiliarity, 4), reading.trend, reading.health.state, reading.health.detail),
        *(reading.frame_age, reading.model_id),
    )
    rows.execute(f"INSERT OR REPLACE INTO readings VALUES ({', '.join('?' * len(values))})", values)


def _add_to_bucket(rows: sqlite3.Connection, reading: Reading) -> None:
    key = (reading.camera, bucket_start(reading.at))
    asked = "SELECT sums FROM aggregates WHERE camera = ? AND start = ?"
    found = rows.execute(asked, key).fetchone()
    sums = sums_of(found[0]) if found else Sums()
    sums.add(reading)
    rows.execute("INSERT OR REPLACE INTO aggregates VALUES (?, ?, ?)", (*key, sums.to_text()))


def _rounded(values: Sequence[float]) -> str:
    return json.dumps([round(value, 4) for value in values], separators=(",", ":"))
