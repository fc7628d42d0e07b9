"""`kilnsense label SOURCE`: one row for every file of a folder."""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from kilnsense.cli.options import AsJson
from kilnsense.cli.output import emit_json, people, track
from kilnsense.errors import ConfigError, InputError, StorageError

T = TypeVar("T")

BATCH = 16
"""Frames judged together; larger batches gain nothing on a CPU."""


def label(
    source: Annotated[Path, typer.Argument(help="Folder of pictures, or one picture.")],
    bundle: Annotated[Path, typer.Option("--bundle", "-b", help="Folder of a trained model.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Table to write: .csv or .jsonl.")] = Path(
        "labels.csv"
    ),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing table.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Decoding threads.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Judge every file of a folder and write one row each, sorted by path.

    Files that are no pictures get a row with the reason, and the exit code is then 3.
    """
    from collections import Counter

    from kilnsense.data.folders import list_images
    from kilnsense.data.loader import load
    from kilnsense.recogniser import open_recogniser, recognise
    from kilnsense.record.sinks import write_records

    kind = _table_kind(out, overwrite=overwrite)
    recogniser = open_recogniser(bundle)
    paths = list_images(source)
    if not paths:
        raise InputError(f"source {source}: holds no files; give a folder of pictures or one picture")
    root = source if source.is_dir() else source.parent
    items = load(paths, root=root, config=recogniser.config.image, workers=workers)
    records = [
        record
        for batch in _batches(track(items, total=len(paths), what="judging"), BATCH)
        for record in recognise(batch, recogniser)
    ]
    write_records(out, records, classes=recogniser.config.classes, kind=kind)
    states = Counter(record.verdict.state for record in records if record.verdict and record.verdict.state)
    reasons = Counter(record.reason for record in records if record.status != "ok")
    counts = {"rows": len(records), "states": dict(states), "not_named": dict(reasons)}
    named = ", ".join(f"{state} {count}" for state, count in sorted(states.items())) or "no state named"
    unnamed = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items())) or "none"
    people().print(f"{len(records)} rows in {out}: {named}; without a state: {unnamed}")
    if as_json:
        emit_json("label", {"table": str(out), "model_id": recogniser.model_id, **counts})
    if any(record.status == "bad" for record in records):
        raise typer.Exit(3)


def _table_kind(out: Path, *, overwrite: bool) -> str:
    kind = out.suffix.removeprefix(".").lower()
    if kind not in ("csv", "jsonl"):
        raise ConfigError(f"--out {out}: got the suffix {out.suffix!r}, allowed: .csv, .jsonl")
    if out.exists() and not overwrite:
        raise ConfigError(f"--out {out}: is there already; choose another name or add --overwrite")
    # Better now than after an archive was judged.
    place = next(parent for parent in out.absolute().parents if parent.exists())
    if out.is_dir() or not place.is_dir() or not os.access(place, os.W_OK):
        raise StorageError(f"--out {out}: cannot be written below {place}; choose another place")
    return kind


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
