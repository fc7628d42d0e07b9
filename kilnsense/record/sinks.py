"""Result tables: one row per input, the same columns and the same decimals in every format.

The columns are ``path, sha256, width, height, status, reason, label, confidence, p_<class>..., margin,
ood_score, quality_flags, captured_at, model_id, schema``; with three classes they are seventeen.

``label`` is empty unless a state was accepted: `p_` says what was most probable all the same. Cells of what
was never measured are empty (null in JSON). Numbers have six decimals, lines end in LF, and nothing depends
on time or place, so the same records give the same bytes.

Names of files come from outside. A path that a spreadsheet would take for a formula (it begins with
``= + - @`` or a tab) is kept as it is, because the column is the key back to the file, and always stands in
quotes; import the column as text.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from kilnsense.errors import InputError
from kilnsense.parts import pick
from kilnsense.record.publish import publish
from kilnsense.types import Record

SCHEMA = "kilnsense.label/1"
"""Name and version of the columns."""

FLAG_SEPARATOR = "|"
"""Between the flags of `quality_flags`."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t")

Cell = str | int | float | None


def columns(classes: Sequence[str]) -> tuple[str, ...]:
    """The columns of a result table for these classes."""
    return (
        "path",
        "sha256",
        "width",
        "height",
        "status",
        "reason",
        "label",
        "confidence",
        *(f"p_{name}" for name in classes),
        "margin",
        "ood_score",
        "quality_flags",
        "captured_at",
        "model_id",
        "schema",
    )


def row(record: Record, classes: Sequence[str]) -> tuple[Cell, ...]:
    """The cells of one record, in the order of `columns`; None where nothing was measured.

    Raises:
        InputError: the record has probabilities of another number of classes.
    """
    verdict = record.verdict
    scored = verdict.probabilities if verdict else ()
    if scored and len(scored) != len(classes):
        raise InputError(
            f"row {record.path}: got {len(scored)} probabilities, allowed: one each for {', '.join(classes)}"
        )
    return (
        record.path,
        record.sha256,
        record.width or None,
        record.height or None,
        record.status,
        record.reason,
        verdict.state if verdict else None,
        float(verdict.confidence) if verdict and scored else None,
        *(map(float, scored) if scored else (None for _ in classes)),
        float(verdict.margin) if verdict and scored else None,
        float(verdict.unfamiliarity) if verdict and scored else None,
        FLAG_SEPARATOR.join(verdict.quality) if verdict else None,
        record.captured_at,
        record.model_id,
        SCHEMA,
    )


def csv_lines(rows: Iterable[Sequence[Cell]], classes: Sequence[str]) -> Iterator[str]:
    """The lines of a CSV (RFC 4180 but for LF), header first, of rows of cells."""
    yield ",".join(map(_csv_cell, columns(classes))) + "\n"
    for cells in rows:
        yield ",".join(map(_csv_cell, cells)) + "\n"


def jsonl_lines(rows: Iterable[Sequence[Cell]], classes: Sequence[str]) -> Iterator[str]:
    """One JSON object per line, keys in the order of `columns`, of rows of cells."""
    names = columns(classes)
    for cells in rows:
        named = zip(names, cells, strict=True)
        yield "{" + ", ".join(f"{json.dumps(name)}: {_json_cell(cell)}" for name, cell in named) + "}\n"


SINKS: dict[str, Callable[[Iterable[Sequence[Cell]], Sequence[str]], Iterator[str]]] = {
    "csv": csv_lines,
    "jsonl": jsonl_lines,
}
"""Name of a format (and suffix of its files) to what writes its lines."""


def write_records(
    path: Path, records: Iterable[Record], *, classes: Sequence[str], kind: str = "csv"
) -> None:
    """Writes a result table, whole or not at all, in the order of `records`.

    Raises:
        ConfigError: `kind` is no name of `SINKS`.
        StorageError: the folder cannot be written or the disk is full.
    """
    rows = (row(record, classes) for record in records)
    publish(path, pick(SINKS, kind, kind="table format")(rows, classes))


def _csv_cell(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return _decimals(cell)
    text = str(cell)
    if text.startswith(FORMULA_STARTS) or any(mark in text for mark in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _json_cell(cell: Cell) -> str:
    return _decimals(cell) if isinstance(cell, float) else json.dumps(cell)


def _decimals(number: float) -> str:
    return f"{number:.6f}"
