"""What all verbs share towards people and programs: standard output is data, standard error all else."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from kilnsense.stamp import stamp

T = TypeVar("T")

QUIET_SECONDS = 10.0
"""Between two lines about progress where there is no terminal to draw a bar on."""


def people() -> Console:
    """A console on standard error that keeps silent under --quiet."""
    # Names of files are printed as they are: [brackets] and :colons: in them are no markup.
    return Console(
        stderr=True,
        quiet=bool(os.environ.get("KILNSENSE_QUIET")),
        highlight=False,
        soft_wrap=True,
        markup=False,
        emoji=False,
    )


def emit_json(verb: str, values: dict[str, Any]) -> None:
    """Prints one JSON object for programs on standard output."""
    sys.stdout.write(json.dumps({"schema": f"kilnsense.{verb}/1", **values}, allow_nan=False) + "\n")


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object] | None]) -> None:
    """Prints a small table for people on standard error; None in place of a row draws a rule."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    for row in rows:
        if row is None:
            table.add_section()
        else:
            table.add_row(*(str(cell) for cell in row))
    people().print(table)


def track(items: Iterable[T], *, total: int | None, what: str) -> Iterator[T]:
    """Passes items on; shows a bar on a terminal, and nothing where nobody looks."""
    console = people()
    if not console.is_terminal:
        yield from items
        return
    with _bar(console) as progress:
        yield from progress.track(items, total=total, description=what)


@contextmanager
def steps(what: str, *, clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[int, int], None]]:
    """Gives a function to call with the number of things done and of all.

    It draws a bar on a terminal; elsewhere it says a line at most every `QUIET_SECONDS`, none for short work.
    """
    console = people()
    if console.is_terminal:
        with _bar(console) as progress:
            task = progress.add_task(what, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)
        return
    said = clock()

    def say(done: int, total: int) -> None:
        nonlocal said
        if clock() - said >= QUIET_SECONDS:
            said = clock()
            console.print(f"{what}: {done} of {total}")

    yield say


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)


def duration(seconds: float) -> str:
    """Such as 45 s, 12 min or 2.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def now() -> str:
    """The time as UTC ISO-8601 with milliseconds and Z."""
    return stamp(datetime.now(UTC))
