"""What all verbs share towards people and programs: standard output is data, standard error all else."""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from kilnsense import __version__
from kilnsense.errors import ConfigError, StorageError

T = TypeVar("T")

QUIET_SECONDS = 10.0
"""Between two lines about progress where there is no terminal to draw a bar on."""


def people() -> Console:
    """A console on standard error that keeps silent under --quiet."""
    return Console(
        stderr=True, quiet=bool(os.environ.get("KILNSENSE_QUIET")), highlight=False, soft_wrap=True
    )


def emit_json(verb: str, values: dict[str, Any]) -> None:
    """Prints one JSON object for programs on standard output."""
    sys.stdout.write(json.dumps({"schema": f"kilnsense.{verb}/1", **values}, allow_nan=False) + "\n")


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a small table for people on standard error."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    for row in rows:
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


def now() -> str:
    """The time as UTC ISO-8601 with milliseconds and Z."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def run_folder(verb: str, name: str, *, out: Path | None, overwrite: bool = False) -> Path:
    """Creates the folder of one run: `out`, or ``runs/<verb>/<UTC time>-<name>``.

    Raises:
        ConfigError: `out` holds something and `overwrite` was not asked for, or is no run's folder.
        StorageError: it cannot be created.
    """
    folder = out or Path("runs") / verb / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{name}"
    try:
        if folder.exists() and any(folder.iterdir()):
            if not overwrite:
                raise ConfigError(f"--out {folder}: is not empty; choose another folder or add --overwrite")
            if not (folder / "run.json").is_file():
                raise ConfigError(
                    f"--out {folder}: holds no run.json, so no earlier run's; choose another folder"
                )
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        # Marks the folder as ours from the start, so that a killed run can be replaced or resumed.
        (folder / "run.json").write_text('{"state": "running"}\n', encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"--out {folder}: cannot be written ({error.strerror}); choose another folder"
        ) from error
    return folder


def write_run(folder: Path, verb: str, *, started: str, values: dict[str, Any]) -> None:
    """Writes run.json: what ran, with what, from when to when. Raises StorageError."""
    record = {
        "schema": f"kilnsense.{verb}/1",
        "state": "done",
        "version": __version__,
        "arguments": sys.argv[1:],
        "started": started,
        "ended": now(),
        **values,
    }
    try:
        (folder / "run.json").write_text(
            json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8"
        )
    except OSError as error:
        raise StorageError(f"{folder / 'run.json'}: cannot be written ({error.strerror})") from error
