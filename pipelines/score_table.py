"""Rows of measures as a table for people, or as JSON for programs; shared by the measuring scripts."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

MEASURES = (
    "balanced_accuracy", "macro_f1", "coverage", "accepted_accuracy", "unfamiliar", "accepted_wrong",
)  # fmt: skip


def options(doc: str | None, *, repeats: int) -> argparse.ArgumentParser:
    """A parser of what all measuring scripts that work in folds take; `doc` is the module's docstring."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], help="override one value: a.b=c")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--seed", type=int, default=0, help="of the folds and the model")
    parser.add_argument("--json", action="store_true")
    return parser


def show(rows: Sequence[dict[str, object]], *, title: str, as_json: bool, names: Sequence[str] = ()) -> None:
    """Prints rows on standard output; `names` are the columns before the measures."""
    if as_json:
        sys.stdout.write(json.dumps(list(rows), allow_nan=False) + "\n")
        return
    table = Table(title=title, title_justify="left")
    measures = [name for name in MEASURES if name in rows[0]] if rows else []
    for name in (*names, *measures):
        table.add_column(name.replace("_", " "), justify="right" if name in measures else "left")
    for row in rows:
        texts = [
            "yes" if row[name] is True else "" if row[name] is False else str(row[name]) for name in names
        ]
        table.add_row(*texts, *(_cell(row, name) for name in measures))
    console = Console(width=None if sys.stdout.isatty() else 170)
    console.print(table)


def _cell(row: dict[str, object], name: str) -> str:
    spread = f" ±{row[f'{name}_spread']:.3f}" if row.get("repeats", 1) != 1 else ""
    return f"{row[name]:.3f}{spread}"
