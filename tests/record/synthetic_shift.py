"""A shift of eight hours of two cameras, as a monitor would have written it, with the real alarms."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from kilnsense.config import AlarmConfig, HistoryConfig
from kilnsense.live.alarms import Alarms
from kilnsense.record.history import HistoryWriter
from kilnsense.types import Moment
from tests.live.readings import CLASSES, make_reading

START = 1_900_000_800.0
"""A full hour and twenty minutes: 2030-03-17 18:00 UTC."""

STEP_S = 8.0
HOURS = 8

STORY = {
    "kiln1": [
        (0, "starting"),
        (0.02, "normal"),
        (1.4, "over"),
        (1.75, "low_confidence"),
        (1.8, "normal"),
        (3.1, "camera_stalled"),
        (3.45, "normal"),
        (4.0, "monitor off"),
        (4.25, "starting"),
        (4.27, "normal"),
        (5.6, "under"),
        (5.9, "normal"),
        (7.3, "over"),
    ],
    "kiln2": [
        (0, "starting"),
        (0.03, "normal"),
        (2.2, "bad_picture"),
        (2.3, "normal"),
        (4.0, "monitor off"),
        (4.25, "starting"),
        (4.28, "normal"),
        *((5 + 0.035 * n, ("over", "normal")[n % 2]) for n in range(12)),
        (6.5, "unfamiliar"),
        (6.6, "normal"),
    ],
}
"""Camera -> (hour, word from then on)."""

HEALTH = {"camera_stalled": "STALLED", "bad_picture": "BAD_PICTURE"}
WARMTH = {"under": 90, "normal": 160, "over": 225}


def word_at(camera: str, hour: float) -> str:
    return [word for begin, word in STORY[camera] if begin <= hour][-1]


def draw(word: str, rng: np.random.Generator) -> tuple[bytes, bytes]:
    """A picture and its overlay: a glow over a bed."""
    rows, columns = np.mgrid[0:180, 0:320]
    glow = np.exp(-((rows - 70) ** 2 / 4000 + (columns - 150) ** 2 / 9000)) * WARMTH.get(word, 60)
    bed = np.where(rows > 120 + 15 * np.sin(columns / 60), 50, 0)
    level = glow + bed + rng.normal(0, 6, rows.shape)
    pixels = np.stack([level * 1.1, level * 0.62, level * 0.28], axis=-1).clip(0, 255).astype(np.uint8)
    drawn = pixels.copy()
    drawn[(np.abs(rows - 120 - 15 * np.sin(columns / 60)) < 1.5)] = (120, 220, 255)
    return _jpeg(pixels), _jpeg(drawn)


def _jpeg(pixels: np.ndarray) -> bytes:  # type: ignore[type-arg]
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG")
    return out.getvalue()


def moments() -> Iterator[tuple[int, Moment]]:
    """(which start of the monitor, moment)"""
    for number in range(int(HOURS * 3600 / STEP_S)):
        seconds = number * STEP_S
        if word_at("kiln1", seconds / 3600) != "monitor off":
            yield int(seconds >= 4 * 3600), Moment(START + seconds, seconds)


def write_shift(folder: Path) -> None:
    """Writes the history of the shift."""
    for part in (0, 1):
        with HistoryWriter(folder, HistoryConfig(free_gigabytes=0)) as history:
            mine = [moment for which, moment in moments() if which == part]
            alarms = Alarms(AlarmConfig(), dict.fromkeys(STORY, CLASSES), mine[0])
            first = alarms.restore(history.past.alarm_memory(), mine[0]) if part else []
            history.add_alarms(first, alarms.to_memory())
            _run(history, alarms, mine)


def _run(history: HistoryWriter, alarms: Alarms, mine: list[Moment]) -> None:
    rng, before = np.random.default_rng(1), dict.fromkeys(STORY, "")
    for number, now in enumerate(mine):
        events = alarms.tick(now)
        for camera in STORY:
            word = word_at(camera, (now.wall - START) / 3600)
            reading = make_reading(word, now.wall, camera=camera, health=HEALTH.get(word, "LIVE"), seq=number)
            assert history.add(reading), history.trouble
            events += alarms.observe(reading, now)
            if word != before[camera] or number % 100 == 0:
                why = "change" if word != before[camera] else "regular"
                _keep(history, camera, now, why, reading.word, rng)
            before[camera] = word
        for status in [event.status for event in events if event.action == "raised"]:
            word = history.past.spans(status.camera, 0.0, now.wall + 1)[-1].word
            _keep(history, status.camera, now, "alarm", word, rng)
        if number % 45 == 20 and any(one.active and not one.acked for one in alarms.statuses()):
            name = next(one.id for one in alarms.statuses() if one.active and not one.acked)
            events += alarms.acknowledge(name, "A. Tester", now)
        if number == 2160:
            events += alarms.shelve("kiln2.over", "B. Tester", "burner is being tuned", 3600.0, now)
        if events:
            assert history.add_alarms(events, alarms.to_memory()), history.trouble


def _keep(
    history: HistoryWriter, camera: str, now: Moment, why: str, word: str, rng: np.random.Generator
) -> None:
    plain, overlay = draw(word, rng)
    assert history.add_picture(camera, now.wall, why=why, word=word, plain=plain, overlay=overlay)
