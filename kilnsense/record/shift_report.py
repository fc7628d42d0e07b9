"""The report of a shift: one HTML file that needs no network, no script and no other file.

The first screen gives the answer: how long each state lasted, where there was none and why, what changed, and
which alarms there were. Below stand the alarms, who saw them, and how well they served; then pictures.
"""

import base64
import io
import math
from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from kilnsense.errors import SourceError
from kilnsense.record.alarm_kpis import AlarmKpis, Episode
from kilnsense.record.history_files import HISTORY
from kilnsense.record.past import History
from kilnsense.record.publish import publish
from kilnsense.record.report import Figure
from kilnsense.record.shift import CameraShift, Shift, gather_shift
from kilnsense.record.shift_page import AlarmLine, Card, KpiLine, Section, ShiftPage, render_shift
from kilnsense.record.shift_ribbon import Period, draw_ribbon, duration
from kilnsense.types import UNKNOWN, StoredPicture

MOST_PICTURES = 8
"""Of each camera."""

PICTURE_WIDTH = 480
JPEG_QUALITY = 78

MOST_CHANGES = 60
"""That are listed, of each camera."""


def write_shift_report(
    folder: Path, out: Path, *, since: float, until: float, site: str = "", zone: tzinfo | None = None
) -> Shift:
    """Writes the report of a stretch of time, whole or not at all.

    Args:
        folder: of the history; a monitor may be writing it.
        out: the HTML file.
        since, until: moments.
        site: name of the station.
        zone: in which people read times; None: that of this computer.

    Returns:
        What it says; `kilnsense.record.shift.shift_to_dict` makes JSON of it.

    Raises:
        SourceError: there is no history, or it cannot be read.
        InputError: the time ends before it begins.
        StorageError: the file cannot be written.
    """
    if not (folder / HISTORY).is_file():
        raise SourceError(f"{folder}: holds no history; give the history.folder of a monitor that has run")
    past = History(folder)
    shift = gather_shift(past, since=since, until=until)
    period = Period(since, until, zone)
    sections = tuple(_section(past, camera, shift, period) for camera in shift.cameras)
    page = ShiftPage(
        title=f"Shift report {site}".strip(),
        period=f"{period.local(since):%Y-%m-%d %H:%M} to {period.local(until):%Y-%m-%d %H:%M (UTC%z)}",
        sections=sections,
        alarms=tuple(_alarm_line(one, period) for one in shift.alarms),
        kpis=_kpi_lines(shift.kpis),
        frequent=tuple((name, str(count)) for name, count in shift.kpis.most_frequent),
        notice=_notice(shift),
        figures=_figures(shift),
    )
    publish(out, [render_shift(page)])
    return shift


def _section(past: History, camera: CameraShift, shift: Shift, period: Period) -> Section:
    mine = [one for one in shift.alarms if one.camera in (camera.camera, "")]
    listed = camera.changes[-MOST_CHANGES:]
    return Section(
        name=camera.camera,
        answer=_answer(camera, mine, period),
        ribbon=draw_ribbon(camera, mine, period),
        unknown=tuple((_plain(reason), duration(seconds)) for reason, seconds in camera.unknown.items()),
        changes=tuple(
            (
                period.clock(one.at),
                one.before,
                f"{one.after} ({_plain(one.reason)})" if one.reason else one.after,
            )
            for one in listed
        ),
        more=len(camera.changes) - len(listed),
        cards=tuple(_cards(past, camera, period)),
    )


def _answer(camera: CameraShift, alarms: Sequence[Episode], period: Period) -> str:
    """A shift in one sentence: the longest state first."""
    whole = period.until - period.since
    if not camera.spans:
        return "nothing was published in this time."
    states = sorted(
        ((word, seconds) for word, seconds in camera.seconds.items() if word != UNKNOWN),
        key=lambda each: -each[1],
    )
    parts = [f"{word} {duration(seconds)} ({_percent(seconds / whole)})" for word, seconds in states]
    if UNKNOWN in camera.seconds:
        reasons = ", ".join(_plain(reason) for reason in list(camera.unknown)[:2])
        parts.append(f"{UNKNOWN} {duration(camera.seconds[UNKNOWN])}, mostly {reasons}")
    if whole - camera.ran >= 1:
        parts.append(f"not watched {duration(whole - camera.ran)}")
    turns = f"{camera.turns} change{'s' * (camera.turns != 1)} of state"
    count = f"{len(alarms)} alarm{'s' * (len(alarms) != 1)}"
    return f"{'; '.join(parts)}. {turns}, {count}."


def _notice(shift: Shift) -> str:
    """What must not be overlooked."""
    unseen = sum(one.acknowledged is None and one.priority == "high" for one in shift.alarms)
    standing = [one.alarm for one in shift.alarms if one.cleared is None]
    said = []
    if standing:
        said.append(f"Active at the end: {', '.join(standing)}.")
    if unseen:
        said.append(f"{unseen} of high priority that nobody has acknowledged.")
    return " ".join(said)


def _figures(shift: Shift) -> tuple[Figure, ...]:
    whole = shift.until - shift.since
    figures = []
    for camera in shift.cameras:
        known = sum(seconds for word, seconds in camera.seconds.items() if word != UNKNOWN)
        remark = f"of the time; {duration(whole - known)} without"
        figures.append(Figure(f"{camera.camera}: state known", _percent(known / whole), remark))
    seen = sum(one.acknowledged is not None for one in shift.alarms)
    figures.append(Figure("Alarms", str(len(shift.alarms)), f"{seen} acknowledged"))
    turns = sum(camera.turns for camera in shift.cameras)
    figures.append(Figure("Changes of state", str(turns), "UNKNOWN between two states is none"))
    ran = max((camera.ran for camera in shift.cameras), default=0.0)
    figures.append(Figure("Monitor ran", _percent(ran / whole), f"of the time; {duration(whole - ran)} not"))
    return tuple(figures)


def _alarm_line(one: Episode, period: Period) -> AlarmLine:
    end = period.until if one.cleared is None else one.cleared
    raised = (
        period.clock(one.raised)
        if one.raised >= period.since
        else f"before, {period.local(one.raised):%d %b %H:%M}"
    )
    seen = f"{one.by}, {period.clock(one.acknowledged)}" if one.acknowledged is not None else "nobody"
    state = "active" if one.cleared is None else f"cleared {period.clock(one.cleared)}"
    if one.shelved:
        state += f"; shelved: {one.shelved}"
    return AlarmLine(one.alarm, one.priority, raised, duration(end - one.raised), state, seen, one.text)


def _kpi_lines(kpis: AlarmKpis) -> tuple[KpiLine, ...]:
    mean, most, floods = kpis.per_ten_minutes, kpis.most_in_ten_minutes, len(kpis.floods)
    share = f"{_percent(kpis.flood_share)} of the time"
    priorities = ", ".join(f"{count} {name}" for name, count in kpis.by_priority.items()) or "–"
    acknowledged = "–" if kpis.acknowledged is None else _percent(kpis.acknowledged)
    median = "–" if kpis.median_acknowledge_s is None else duration(kpis.median_acknowledge_s)
    return (
        KpiLine("Alarms in ten minutes, mean", f"{mean:.2f}", "below 1", mean < 1),
        KpiLine("Most in any ten minutes", str(most), "at most 10", most <= 10),
        KpiLine("Floods: more than 10 in ten minutes", f"{floods}, {share}", "none", not floods),
        KpiLine("Chattering: 3 or more in a minute", _named(kpis.chattering), "none", not kpis.chattering),
        KpiLine("Stale: active for more than 24 h", _named(kpis.stale), "none", not kpis.stale),
        KpiLine("By priority", priorities, "high at most 5 % in the long run", None),
        KpiLine("Acknowledged", acknowledged, "", None),
        KpiLine("Until acknowledged, median", median, "", None),
    )


def _named(names: Sequence[str]) -> str:
    return f"{len(names)}: {', '.join(names)}" if names else "0"


def _cards(past: History, camera: CameraShift, period: Period) -> list[Card]:
    cards = []
    for picture in _key_pictures(camera):
        shown = _shrunk(past.picture(picture.id, overlay=True))
        if shown:
            why = {"change": "at a change", "alarm": "at an alarm"}.get(picture.why, picture.why)
            cards.append(Card(shown, picture.word, f"{period.clock(picture.at)}, {why}"))
    return cards


def _key_pictures(camera: CameraShift) -> list[StoredPicture]:
    """Those of alarms, then those nearest to changes, spread over the shift; in order of time."""
    alarms = _spread([one for one in camera.pictures if one.why == "alarm"], MOST_PICTURES // 2)
    near = [one for one in camera.pictures if one.why == "change" and one not in alarms]
    chosen = [*alarms, *_spread(near, MOST_PICTURES - len(alarms))]
    if not chosen:
        chosen = _spread(list(camera.pictures), MOST_PICTURES // 2)
    return sorted(chosen, key=lambda one: (one.at, one.id))


def _spread(pictures: list[StoredPicture], most: int) -> list[StoredPicture]:
    if len(pictures) <= most:
        return pictures
    return [pictures[round(place * (len(pictures) - 1) / (most - 1))] for place in range(most)]


def _shrunk(data: bytes | None) -> str:
    """A picture as a data URI, small enough for a page; "" where there is none."""
    if data is None:
        return ""
    out = io.BytesIO()
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.thumbnail((PICTURE_WIDTH, PICTURE_WIDTH))
            image.convert("RGB").save(out, "JPEG", quality=JPEG_QUALITY)
    except (UnidentifiedImageError, OSError):  # cut short by a power failure: the report goes on without it
        return ""
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()


def _percent(share: float) -> str:
    """Rounded down, so that only what is whole is 100 %."""
    return f"{math.floor(100 * share + 1e-9)} %"


def _plain(reason: str) -> str:
    return reason.replace("_", " ")
