"""The result table as Parquet, written by DuckDB, which is an extra."""

import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

from kilnsense.errors import MissingExtraError, StorageError
from kilnsense.record.publish import publish
from kilnsense.record.sinks import Cell, columns, jsonl_lines

PARQUET = "parquet"
"""Name of the format, and suffix of its files."""

_TYPES = {
    "width": "INTEGER",
    "height": "INTEGER",
    "confidence": "DOUBLE",
    "margin": "DOUBLE",
    "ood_score": "DOUBLE",
}


def require_parquet() -> None:
    """Raises MissingExtraError where DuckDB is not installed."""
    try:
        import duckdb  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise MissingExtraError("--format parquet needs duckdb; install kilnsense[parquet]") from error


def write_parquet(path: Path, rows: Iterable[Sequence[Cell]], classes: Sequence[str]) -> None:
    """Writes a result table, whole or not at all; the same rows give the same bytes.

    The rows go through a file of JSON lines beside the table, so that an archive of any size fits in memory.

    Raises:
        StorageError: the folder cannot be written or the disk is full.
    """
    import duckdb

    lines = path.with_name(f".{path.name}.{secrets.token_hex(4)}.jsonl")
    part = lines.with_suffix(".part")
    kinds = {
        name: _TYPES.get(name, "DOUBLE" if name.startswith("p_") else "VARCHAR") for name in columns(classes)
    }
    spec = ", ".join(f"{_quoted(name)}: {_quoted(kind)}" for name, kind in kinds.items())
    try:
        publish(lines, jsonl_lines(rows, classes))
        with duckdb.connect(config={"threads": "1"}) as connection:
            connection.execute(
                f"COPY (SELECT * FROM read_json({_quoted(str(lines))}, format='newline_delimited', "
                f"columns={{{spec}}})) TO {_quoted(str(part))} (FORMAT parquet, COMPRESSION zstd)"
            )
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, duckdb.Error) as error:
        raise StorageError(
            f"output {path}: cannot be written ({error}); free space or choose another"
        ) from error
    finally:
        lines.unlink(missing_ok=True)
        part.unlink(missing_ok=True)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
