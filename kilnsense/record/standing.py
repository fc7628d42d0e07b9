"""Which setting of a study is best, by how much, and whether that is more than the seeds alone make.

The spread of one line over two or three seeds is itself a matter of chance; a line that happens to have none
would beat everything "clearly". Two lines are therefore held against the larger of their spreads and at least
the median spread of all lines of the measure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kilnsense.record.study_page import Result

MOST_SHOWN = 15
"""Lines of a table that are not folded."""


@dataclass(frozen=True)
class Line:
    """One line of a table.

    Attributes:
        result: what it shows.
        place: 1 for the highest mean of the table; equal means share it.
        behind: distance to the best mean, 0 and up.
        tied: the seeds cannot tell it from the best: `behind` is at most one spread.
    """

    result: "Result"
    place: int
    behind: float
    tied: bool


@dataclass(frozen=True)
class Bar:
    """Mean and spread of a line as places on the axis of its block, per cent of its width, 0..100."""

    low: float
    mean: float
    high: float


@dataclass(frozen=True)
class Block:
    """Lines that are shown together, on one axis from `low` to `high`, spreads included."""

    lines: tuple[Line, ...]

    @property
    def low(self) -> float:
        """The left end of the axis."""
        return min(line.result.mean - (line.result.spread or 0.0) for line in self.lines)

    @property
    def high(self) -> float:
        """The right end of the axis."""
        return max(line.result.mean + (line.result.spread or 0.0) for line in self.lines)

    def bar(self, result: "Result") -> Bar:
        """Where a result lies on the axis; in the middle where all are equal."""
        width, half = self.high - self.low, result.spread or 0.0
        places = (result.mean - half, result.mean, result.mean + half)
        return Bar(*(100 * (place - self.low) / width if width else 50.0 for place in places))


@dataclass(frozen=True)
class Table:
    """The lines of one measure, best first, one or more."""

    measure: str
    lines: tuple[Line, ...]

    @property
    def shown(self) -> Block:
        """The best lines: `MOST_SHOWN` and those that are tied with the best, to twice as many."""
        ties = sum(line.tied for line in self.lines)
        return Block(self.lines[: max(MOST_SHOWN, min(ties, 2 * MOST_SHOWN))])

    @property
    def folded(self) -> Block:
        """The others."""
        return Block(self.lines[len(self.shown.lines) :])

    @property
    def title(self) -> str:
        """The measure in words."""
        return spoken(self.measure)

    @property
    def repeated(self) -> bool:
        """Some line has more than one seed, so that differences have something to be held against."""
        return any(line.result.spread is not None for line in self.lines)

    @property
    def winner(self) -> str:
        """The best setting."""
        return named(self.lines[0].result, self.lines)

    @property
    def amount(self) -> str:
        """Its mean and spread."""
        return amount(self.lines[0].result)

    @property
    def ranked_apart(self) -> bool:
        """Ranks, which count among the same features and judge, say something that the places do not."""
        return any(line.place != line.result.rank for line in self.lines)


@dataclass(frozen=True)
class Grid:
    """The best line of every features (rows) and judge (columns), None where there is none.

    `depth` is 0 for the worst cell to 1 for the best.
    """

    judges: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Line | None, ...]], ...]

    def depth(self, line: Line) -> float:
        """How dark a cell is."""
        behind = [cell.behind for _, cells in self.rows for cell in cells if cell]
        return 1.0 - line.behind / max(behind) if max(behind) else 1.0


def best_of_each(lines: Sequence[Line]) -> Grid | None:
    """Which features and which judge carry the signal; None where there is one of each.

    Rows and columns stand best first; `lines` as `standings` gives them.
    """
    best: dict[tuple[str, str], Line] = {}
    for line in lines:
        best.setdefault((line.result.features, line.result.judge), line)
    features = list(dict.fromkeys(name for name, _ in best))
    judges = tuple(dict.fromkeys(name for _, name in best))
    if len(best) < 2:
        return None
    return Grid(judges, tuple((row, tuple(best.get((row, one)) for one in judges)) for row in features))


@dataclass(frozen=True)
class Rival:
    """The best of the other settings, held against the winner.

    Attributes:
        result: its best line.
        lead: of the winner, 0 and up.
        spread: what the lead is held against; None where no line has more than one seed.
    """

    result: "Result"
    lead: float
    spread: float | None

    @property
    def tied(self) -> bool:
        """The lead is at most one spread."""
        return self.spread is not None and self.lead <= self.spread


def standings(results: "Sequence[Result]") -> tuple[Line, ...]:
    """The lines of one measure, best first; equal ones stay in the order given."""
    ordered = sorted(results, key=lambda result: -result.mean)
    usual = _usual(results)
    lines = []
    for result in ordered:
        behind = ordered[0].mean - result.mean
        spread = _yardstick(ordered[0], result, usual)
        place = 1 + sum(other.mean > result.mean for other in ordered)
        lines.append(Line(result, place, behind, spread is not None and behind <= spread))
    return tuple(lines)


def rivals(lines: Sequence[Line]) -> tuple[Rival, ...]:
    """Every other setting by its best line, nearest first; `lines` as `standings` gives them, one or more."""
    winner = lines[0].result
    usual = _usual([line.result for line in lines])
    best: dict[str, Rival] = {}
    for line in lines:
        if line.result.name not in (winner.name, *best):
            spread = _yardstick(winner, line.result, usual)
            best[line.result.name] = Rival(line.result, line.behind, spread)
    return tuple(best.values())


def verdict(lines: Sequence[Line], *, drawn: int = 0) -> tuple[str, str]:
    """The winner, and what is to be said of it.

    Args:
        lines: of the measure that decides, one or more.
        drawn: how many settings a search has tried to find the only one in `lines`; 0: there was none.
    """
    winner, others = lines[0].result, rivals(lines)
    who = named(winner, lines)
    seeds = f"over {winner.n} seeds" if winner.n > 1 else "with one seed"
    what = f"{spoken(winner.measure)} {amount(winner)} {seeds}"
    if not others:
        rest = (
            f"It has the best validation of {drawn} settings" if drawn > 1 else "No other setting was tried"
        )
        return who, f" reaches {what}. {rest}."
    rival = others[0]
    ahead = f"{rival.lead:.3f} above {named(rival.result, lines)}"
    if rival.spread is None:
        return who, f" comes first: {what}, {ahead}. One seed each, so the lead may be chance."
    held = f"the spread of the seeds ({rival.spread:.3f})"
    if not rival.tied:
        times = f": {rival.lead / rival.spread:.1f} times {held}" if rival.spread else ""
        return who, f" is best: {what}, {ahead}{times}."
    close = sum(other.tied for other in others) - 1
    more = f", and so is that over {close} more" if close else ""
    return who, f" comes first: {what}. But its lead is within {held}: {ahead}{more}."


def spoken(measure: str) -> str:
    """The name of a measure in a sentence."""
    return measure.replace("_", " ")


def named(result: "Result", lines: Sequence[Line]) -> str:
    """The setting, with its features and judge where these are not the same in all lines."""
    kinds = []
    if len({line.result.features for line in lines}) > 1:
        kinds.append(f"{result.features} features")
    if len({line.result.judge for line in lines}) > 1:
        kinds.append(f"judged by {result.judge}")
    return f"{result.name} ({', '.join(kinds)})" if kinds else result.name


def amount(result: "Result") -> str:
    """Mean and spread, three digits."""
    return f"{result.mean:.3f}" + ("" if result.spread is None else f" ± {result.spread:.3f}")


def _usual(results: "Sequence[Result]") -> float | None:
    spreads = [result.spread for result in results if result.spread is not None]
    return median(spreads) if spreads else None


def _yardstick(winner: "Result", other: "Result", usual: float | None) -> float | None:
    return None if usual is None else max(winner.spread or 0.0, other.spread or 0.0, usual)
