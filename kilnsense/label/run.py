"""A labelling run: the inputs of a source, portion by portion, into the store, and from there into tables."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kilnsense.config import LabelConfig
from kilnsense.errors import FAILURE_REASONS, ConfigError, ImageError
from kilnsense.label.guarded import Guarded, Written
from kilnsense.label.inputs import PORTION, Source, list_inputs
from kilnsense.label.orders import Job, Orders
from kilnsense.parts import pick
from kilnsense.record.parquet import PARQUET, require_parquet, write_parquet
from kilnsense.record.publish import publish
from kilnsense.record.review_queue import queue, rows_of
from kilnsense.record.sinks import SINKS
from kilnsense.record.store import FILE, Row, Store, create_store, open_store


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        done: inputs that have their rows, those of an earlier run included.
        total: inputs in all.
        counts: rows of this run by state, or by reason where none was named.
        begun: moment of the monotonic clock.
        fresh: inputs done in this run.
    """

    done: int
    total: int
    counts: Counter[str] = field(default_factory=Counter)
    begun: float = field(default_factory=time.monotonic)
    fresh: int = 0

    @property
    def rate(self) -> float:
        """Inputs per second in this run."""
        return self.fresh / max(1e-6, time.monotonic() - self.begun)

    @property
    def seconds_left(self) -> float | None:
        """Estimated; None before anything was done."""
        return (self.total - self.done) / self.rate if self.fresh else None


Watch = Callable[[Progress], None]
Engine = Callable[[Iterator[Job], Written], None]
"""Does jobs and hands over the rows of each portion; local processes, or a cluster."""


def local_engine(orders: Orders, processes: int) -> Engine:
    """Guarded processes on this machine."""

    def run(jobs: Iterator[Job], written: Written) -> None:
        with Guarded(orders, processes=processes) as workers:
            workers.run(jobs, written)

    return run


def begin_store(folder: Path, settings: LabelConfig, source: Source, facts: Mapping[str, object]) -> Store:
    """The store of a run, with its inputs; that of a killed run where the folder holds one.

    Raises:
        SourceError, StorageError: it cannot be listed, or nothing be written.
    """
    path = folder / FILE
    if path.exists():
        store = open_store(path, write=True)
        if store.count_inputs():
            return store
    else:
        store = create_store(path, {"settings": settings.model_dump(mode="json"), **facts})
    store.add_inputs(list_inputs(source))
    return store


def label_inputs(
    store: Store,
    settings: LabelConfig,
    engine: Engine,
    *,
    watch: Watch | None = None,
    stop_at_bad: bool = False,
) -> None:
    """Labels the portions of this shard that no earlier run has done.

    Args:
        store: of the run.
        settings: of the run.
        engine: does the work.
        watch: is told of every portion.
        stop_at_bad: ends at the first portion with a file that cannot be read. The portion is not kept, so
            that a later run reads its files anew.

    Raises:
        KilnsenseError: the model cannot be opened, or the store not be written; what is done stays.
        ImageError: a file cannot be read, with `stop_at_bad`.
    """
    total = store.count_inputs()
    portions = range(settings.shard - 1, -(-total // PORTION), settings.shards)
    done = store.done()
    sizes = {number: min(PORTION, total - number * PORTION) for number in portions}
    progress = Progress(sum(sizes[number] for number in portions if number in done), sum(sizes.values()))

    def jobs() -> Iterator[Job]:
        for number in portions:
            if number not in done:
                first = number * PORTION + 1  # SQLite numbers rows from 1
                yield Job(number, tuple(store.inputs(first, first + PORTION)), {})

    def written(number: int, rows: list[Row]) -> None:
        if stop_at_bad:
            _expect_readable(rows, store.path.parent)
        store.write(number, rows)
        progress.done += sizes[number]
        progress.fresh += sizes[number]
        progress.counts.update(row.label or row.reason for row in rows)
        if watch is not None:
            watch(progress)

    engine(jobs(), written)


def _expect_readable(rows: Sequence[Row], run: Path) -> None:
    bad = next((row for row in rows if row.reason in FAILURE_REASONS), None)
    if bad is not None:
        raise ImageError(
            bad.reason,
            f"{bad.cells[0]}: {bad.reason} ({bad.message}); mend it and go on with --resume {run}, or "
            f"without --on-bad fail, which gives it a row",
        )


def check_formats(formats: Sequence[str]) -> tuple[str, ...]:
    """Names of table formats, checked before any work.

    Raises:
        ConfigError: an unknown name, or none. MissingExtraError: Parquet without duckdb.
    """
    known = (*SINKS, PARQUET)
    for name in formats:
        pick(dict.fromkeys(known), name, kind="--format")
    if not formats:
        raise ConfigError(f"--format: got none, allowed: {', '.join(known)}, several with commas")
    if PARQUET in formats:
        require_parquet()
    return tuple(dict.fromkeys(formats))


def table_name(kind: str) -> str:
    """The file of the result table in a format."""
    return f"labels.{kind}"


def publish_tables(
    store: Store, folder: Path, classes: tuple[str, ...], formats: tuple[str, ...]
) -> list[Path]:
    """Writes the result table in each format, whole or not at all, sorted by path; gives the files.

    Raises:
        StorageError: nothing can be written.
    """
    paths = []
    for kind in formats:
        path = folder / table_name(kind)
        cells = (row.cells for row in store.rows())
        if kind == PARQUET:
            write_parquet(path, cells, classes)
        else:
            publish(path, SINKS[kind](cells, classes))
        paths.append(path)
    return paths


QUEUE = "review.csv"
"""Name of the review queue."""


def publish_queue(store: Store, folder: Path, share: float) -> Path:
    """Writes the rows that a person should look at first, in that order (`record.review_queue`).

    Raises:
        StorageError: nothing can be written.
    """
    path = folder / QUEUE
    cells = (row.cells for row in rows_of(store, queue(store.rows(), share)))
    publish(path, SINKS["csv"](cells, store.facts()["classes"]))
    return path
