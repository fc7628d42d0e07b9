"""What the page of a shift says, as text ready to be shown."""

from dataclasses import dataclass

from markupsafe import Markup

from kilnsense.record.page import render_page
from kilnsense.record.report import Figure
from kilnsense.record.shift_ribbon import Ribbon


@dataclass(frozen=True)
class Card:
    """A picture as a data URI, what was published, and when and why it was kept."""

    picture: str
    word: str
    caption: str


@dataclass(frozen=True)
class Section:
    """One camera of the page.

    Attributes:
        name: of the camera.
        answer: its shift in one sentence.
        ribbon: its shift drawn.
        unknown: (reason, how long) where there was no state.
        changes: (when, before, after) of the word.
        more: how many other changes there were.
        cards: pictures around changes and alarms.
    """

    name: str
    answer: str
    ribbon: Ribbon
    unknown: tuple[tuple[str, str], ...]
    changes: tuple[tuple[str, str, str], ...]
    more: int
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class AlarmLine:
    """One alarm in the table; everything as text."""

    name: str
    priority: str
    raised: str
    lasted: str
    state: str
    seen: str
    text: str


@dataclass(frozen=True)
class KpiLine:
    """One figure of the alarms: its value, what is aimed at, and whether that is met (None: no aim)."""

    name: str
    value: str
    aim: str
    met: bool | None


@dataclass(frozen=True)
class ShiftPage:
    """Everything that the page says.

    Attributes:
        title: with the name of the station.
        period: from when to when, in which zone.
        sections: one of each camera.
        alarms: all, in the order in which they were raised.
        kpis: how well they served.
        frequent: (alarm, times) of the most frequent ones.
        figures: numbers for the first screen.
        notice: what must not be overlooked.
        provenance, config: as on all pages.
    """

    title: str
    period: str
    sections: tuple[Section, ...]
    alarms: tuple[AlarmLine, ...]
    kpis: tuple[KpiLine, ...]
    frequent: tuple[tuple[str, str], ...]
    figures: tuple[Figure, ...]
    notice: str = ""
    provenance: tuple[tuple[str, str], ...] = ()
    config: str = ""


def render_shift(page: ShiftPage) -> str:
    """The page as HTML text; every text in it is escaped."""
    line = Markup("<span><b>{}</b> {}</span>")
    answer = Markup("").join(line.format(section.name, section.answer) for section in page.sections)
    content = {"page": page, "answer": answer or "No camera was watched.", "figures": page.figures}
    return render_page("shift_report.html", content)
