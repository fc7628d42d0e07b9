"""`kilnsense label SOURCE`: one row for every file of an archive, whatever the files are like."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from kilnsense.cli.options import AsJson, Jobs, Overwrite, Resume, RunFolder, processes
from kilnsense.cli.output import QUIET_SECONDS, duration, emit_json, now, people
from kilnsense.cli.runs import begin_folder, option_words, resumable, write_run
from kilnsense.errors import FAILURE_REASONS, ConfigError

if TYPE_CHECKING:
    from kilnsense.config import LabelConfig
    from kilnsense.label.run import Progress, Watch
    from kilnsense.record.store import Store


def label(
    source: Annotated[Path, typer.Argument(help="Folder of pictures and videos, or one file.")],
    bundle: Annotated[Path, typer.Option("--bundle", "-b", help="Folder of a trained model.")],
    table_format: Annotated[
        str, typer.Option("--format", help="csv, jsonl, parquet; several with commas.")
    ] = "csv",
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", help="Pattern of paths to pass over.")
    ] = None,
    since: Annotated[str, typer.Option("--since", help="Pass over files changed before this date.")] = "",
    every: Annotated[
        int, typer.Option("--every", min=1, help="Of a video, judge each so manieth frame.")
    ] = 25,
    min_confidence: Annotated[
        float | None, typer.Option("--min-confidence", help="Name no state below; else as the bundle says.")
    ] = None,
    shard: Annotated[str, typer.Option("--shard", help="I/N: do the I-th of N parts of the inputs.")] = "1/1",
    copy: Annotated[bool, typer.Option("--copy", help="Copy every file into sorted/<class>/.")] = False,
    symlink: Annotated[bool, typer.Option("--symlink", help="As --copy, with symbolic links.")] = False,
    hardlink: Annotated[bool, typer.Option("--hardlink", help="As --copy, with hard links.")] = False,
    export: Annotated[str, typer.Option("--export", help="label-studio: tasks.json and its form.")] = "",
    review_top: Annotated[
        str, typer.Option("--review-top", help="Also write this share, the least sure first: review.csv.")
    ] = "",
    jobs: Jobs = "auto",
    seconds: Annotated[float, typer.Option("--seconds", help="A file may take so long to decode.")] = 5.0,
    out: RunFolder = None,
    overwrite: Overwrite = False,
    resume: Resume = None,
    as_json: AsJson = False,
) -> None:
    """Judge every file below a folder and write one row each, sorted by path, in the folder of the run.

    Files that are no pictures get a row with the reason, and the exit code is then 3. What is done is kept in
    results.sqlite: a killed run goes on with --resume.
    """
    from kilnsense.bundle import read_identity
    from kilnsense.label.guarded import prepare_workers
    from kilnsense.label.inputs import expect_files, open_source
    from kilnsense.label.orders import Orders
    from kilnsense.label.run import begin_store, label_inputs, local_engine, publish_tables

    given: dict[str, Any] = {
        "exclude": tuple(exclude or ()),
        "since": since,
        "every": every,
        "min_confidence": min_confidence,
        "shard": shard,
    }
    formats, placed = (
        _formats(table_format),
        _placed({"copy": copy, "symlink": symlink, "hardlink": hardlink}),
    )
    extras = _extras(placed, export, review_top)
    model, model_id = read_identity(bundle)
    opened = open_source(source, exclude=given["exclude"], since=since)
    expect_files(opened)
    prepare_workers()
    settings = _settings(source, model.name, model_id, given)
    orders = Orders(bundle, opened.root, every, min_confidence, seconds)
    engine, started = local_engine(orders, processes(jobs)), now()
    folder = begin_folder("label", settings, out=out, overwrite=overwrite, resume=resume)
    facts = {
        "classes": list(model.classes),
        "root": str(opened.root.absolute()),
        "bundle": str(bundle.absolute()),
        "model_id": model_id,
    }
    with (
        resumable(folder, _again(source, bundle, given)),
        begin_store(folder, settings, opened, facts) as store,
    ):
        with _watching() as watch:
            label_inputs(store, settings, engine, watch=watch)
        tables = [*publish_tables(store, folder, model.classes, formats)]
        tables += [extra(store, folder) for extra in extras]
        states, reasons = store.counts()
    rows = sum(states.values()) + sum(reasons.values())
    values = {"model_id": model_id, "rows": rows, "states": states, "not_named": reasons}
    write_run(folder, "label", started=started, config=settings, values=values)
    named, unnamed = (_counted(counts) for counts in (states, reasons))
    people().print(f"{rows} rows in {tables[0]}: {named}; without a state: {unnamed}")
    if as_json:
        emit_json("label", {"folder": str(folder), "tables": [str(path) for path in tables], **values})
    if any(reason in FAILURE_REASONS for reason in reasons):
        raise typer.Exit(3)


Extra = Callable[["Store", Path], Path]
"""Writes something more of a run that is done; gives the file to look at."""


def _placed(wanted: Mapping[str, bool]) -> str:
    """How files are put into folders; "" for not at all."""
    chosen = [name for name, asked in wanted.items() if asked]
    if len(chosen) > 1:
        raise ConfigError(
            f"--{chosen[0]} and --{chosen[1]}: allowed: one of them; both fill the same folders"
        )
    return chosen[0] if chosen else ""


def _extras(placed: str, export: str, review_top: str) -> list[Extra]:
    """What is written beside the tables; refused before any work where it cannot be."""
    from kilnsense.label.run import publish_queue
    from kilnsense.record.exports import image_folder
    from kilnsense.record.label_studio import label_studio
    from kilnsense.record.review_queue import parse_share

    extras: list[Extra] = []
    if placed:
        extras.append(
            lambda store, folder: (
                image_folder(store, Path(store.facts()["root"]), folder / "sorted", placed).manifest
            )
        )
    if export not in ("", "label-studio"):
        raise ConfigError(f"--export: got {export!r}, allowed: label-studio")
    if export:
        extras.append(lambda store, folder: label_studio(store, folder / "label_studio").tasks)
    if review_top:
        share = parse_share(review_top)
        extras.append(lambda store, folder: publish_queue(store, folder, share))
    return extras


def _settings(source: Path, name: str, model_id: str, given: Mapping[str, Any]) -> "LabelConfig":
    """All that a resumed run must be given again, checked."""
    from kilnsense.config import check_labelling

    part, slash, parts = given["shard"].partition("/")
    if not (slash and part.isdigit() and parts.isdigit()):
        raise ConfigError(f"--shard: got {given['shard']!r}, allowed: I/N, such as 3/8")
    values = {key: value for key, value in given.items() if key != "shard"}
    values |= {"shard": int(part), "shards": int(parts), "name": name, "model_id": model_id}
    return check_labelling({**values, "source": str(source.absolute())})


def _formats(text: str) -> tuple[str, ...]:
    from kilnsense.label.run import check_formats

    return check_formats([name.strip() for name in text.split(",") if name.strip()])


@contextmanager
def _watching() -> "Iterator[Watch]":
    """A line with rate, time left and counts: redrawn on a terminal, else now and then."""
    console, said = people(), time.monotonic()
    with console.status("starting the workers") as status:

        def watch(progress: "Progress") -> None:
            nonlocal said
            line = _line(progress)
            status.update(Text(line))  # names are no markup
            if not console.is_terminal and time.monotonic() - said >= QUIET_SECONDS:
                said = time.monotonic()
                console.print(line)

        yield watch


def _line(progress: "Progress") -> str:
    left = progress.seconds_left
    ahead = "" if left is None else f", {duration(left)} left"
    place = f"{progress.done} of {progress.total}, {progress.rate:.0f} files/s{ahead}"
    return f"{place}; {_counted(progress.counts)}"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


def _again(source: Path, bundle: Path, given: Mapping[str, Any]) -> list[str]:
    """The words of the command, without its options about folders."""
    return ["kilnsense", "label", str(source), f"--bundle={bundle}", *option_words(label, given)]
