"""The settings that a search has tried, as a table of the page: best validation first."""

from dataclasses import dataclass
from math import inf

from kilnsense.errors import InputError
from kilnsense.record.standing import MOST_SHOWN


@dataclass(frozen=True)
class DrawLine:
    """One set of settings.

    Attributes:
        name: of the draw.
        cells: its values, one per column of the table.
        validation: higher is better; None where training gave no result.
    """

    name: str
    cells: tuple[str, ...]
    validation: float | None


@dataclass(frozen=True)
class DrawTable:
    """What a search drew.

    Attributes:
        columns: what was varied.
        lines: in any order.
    """

    columns: tuple[str, ...]
    lines: tuple[DrawLine, ...]

    def __post_init__(self) -> None:
        for line in self.lines:
            if len(line.cells) != len(self.columns):
                raise InputError(
                    f"DrawLine {line.name!r}: got {len(line.cells)} cells, allowed: one for each of the "
                    f"columns {', '.join(self.columns)}"
                )

    @property
    def ordered(self) -> tuple[DrawLine, ...]:
        """Best validation first, those without one last; equal ones in the order given."""
        return tuple(
            sorted(self.lines, key=lambda line: inf if line.validation is None else -line.validation)
        )

    @property
    def shown(self) -> tuple[DrawLine, ...]:
        """The best `MOST_SHOWN`."""
        return self.ordered[:MOST_SHOWN]

    @property
    def folded(self) -> tuple[DrawLine, ...]:
        """The others."""
        return self.ordered[MOST_SHOWN:]
