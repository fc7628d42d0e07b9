"""`kilnsense label SOURCE`: one row for every file of an archive, whatever the files are like."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from kilnsense.cli.label_extras import WHOLE, Beside, Extra, check_move, extras_of, way_asked
from kilnsense.cli.label_plan import tell_plan
from kilnsense.cli.options import AsJson, Jobs, Overwrite, Resume, RunFolder, processes
from kilnsense.cli.output import QUIET_SECONDS, duration, emit_json, now, people
from kilnsense.cli.runs import begin_folder, check_folder, option_words, resumable, write_run
from kilnsense.errors import FAILURE_REASONS, ConfigError

if TYPE_CHECKING:
    from kilnsense.config import Config, LabelConfig
    from kilnsense.label.orders import Orders
    from kilnsense.label.run import Engine, Progress, Watch
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
    shard: Annotated[str, typer.Option("--shard", help="I/N: do the I-th of N parts of the inputs.")] = WHOLE,
    copy: Annotated[bool, typer.Option("--copy", help="Copy every file into sorted/<class>/.")] = False,
    symlink: Annotated[bool, typer.Option("--symlink", help="As --copy, with symbolic links.")] = False,
    hardlink: Annotated[bool, typer.Option("--hardlink", help="As --copy, with hard links.")] = False,
    move: Annotated[
        bool, typer.Option("--move", help="As --copy, and take the files out of the source; needs --yes.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Files may be moved.")] = False,
    export: Annotated[str, typer.Option("--export", help="label-studio: tasks.json and its form.")] = "",
    review_top: Annotated[
        str, typer.Option("--review-top", help="Also write this share, the least sure first: review.csv.")
    ] = "",
    on_bad: Annotated[
        str, typer.Option("--on-bad", help="skip: a row says why; fail: stop at a file that cannot be read.")
    ] = "skip",
    engine: Annotated[str, typer.Option("--engine", help="local, or ray: a cluster.")] = "local",
    address: Annotated[
        str,
        typer.Option(
            "--address", help="Of the Ray cluster: auto or host:port; none: a Ray on this computer."
        ),
    ] = "",
    jobs: Jobs = "auto",
    seconds: Annotated[float, typer.Option("--seconds", help="A file may take so long to decode.")] = 5.0,
    out: RunFolder = None,
    overwrite: Overwrite = False,
    resume: Resume = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Judge every file below a folder and write one row each, sorted by path, in the folder of the run.

    Files that are no pictures get a row with the reason, and the exit code is then 3. What is done is kept in
    results.sqlite: a killed run goes on with --resume.
    """
    from kilnsense.bundle import read_identity
    from kilnsense.label.inputs import expect_files, open_source
    from kilnsense.label.orders import Orders
    from kilnsense.label.run import begin_store, label_inputs
    from kilnsense.parts import pick

    given: dict[str, Any] = {
        "exclude": tuple(exclude or ()),
        "since": since,
        "every": every,
        "min_confidence": min_confidence,
        "shard": shard,
    }
    ways = {"copy": copy, "symlink": symlink, "hardlink": hardlink, "move": move}
    formats, beside = _formats(table_format), Beside(way_asked(ways), export, review_top)
    check_move(beside, sure=yes, shard=shard)
    stop_at_bad = pick({"skip": False, "fail": True}, on_bad, kind="--on-bad")
    model, model_id = read_identity(bundle)
    opened = open_source(source, exclude=given["exclude"], since=since)
    if resume is None:  # of one that is gone on with, all files may have been moved
        expect_files(opened)
    settings = _settings(source, model.name, model_id, given)
    orders = Orders(bundle, opened.root, every, min_confidence, seconds)
    work = _engine(engine, address, jobs, orders, model_id)
    extras = extras_of(beside, opened)
    if dry_run:
        check_folder("label", settings, out=out, overwrite=overwrite, resume=resume)
        tell_plan(opened, settings, resume or out, _files(formats, extras), as_json=as_json)
        return
    started = _begin(engine)
    folder = begin_folder("label", settings, out=out, overwrite=overwrite, resume=resume)
    facts = _facts(model, model_id, opened.root, bundle)
    with (
        resumable(folder, _again(source, bundle, given)),
        begin_store(folder, settings, opened, facts) as store,
    ):
        with _watching() as watch:
            label_inputs(store, settings, work, watch=watch, stop_at_bad=stop_at_bad)
        tables = _write(store, folder, model.classes, formats, extras)
        states, reasons = store.counts()
    rows = sum(states.values()) + sum(reasons.values())
    values = {"model_id": model_id, "rows": rows, "states": states, "not_named": reasons}
    write_run(folder, "label", started=started, config=settings, values=values)
    _tell_end(tables[0], states, reasons)
    if as_json:
        emit_json("label", {"folder": str(folder), "tables": [str(path) for path in tables], **values})
    if any(reason in FAILURE_REASONS for reason in reasons):
        raise typer.Exit(3)


def _engine(engine: str, address: str, jobs: str, orders: "Orders", model_id: str) -> "Engine":
    """What does the work; refused before it where it cannot."""
    from kilnsense.label.run import local_engine
    from kilnsense.parts import pick

    local = pick({"local": True, "ray": False}, engine, kind="--engine")
    if local:
        if address:
            raise ConfigError("--address: is of a Ray cluster; add --engine ray, or leave it out")
        return local_engine(orders, processes(jobs))
    from kilnsense.label.ray_engine import Cluster, ray_engine

    whole = address and jobs == "auto"
    return ray_engine(orders, model_id, Cluster(address, None if whole else processes(jobs)))


def _begin(engine: str) -> str:
    """Has workers of this computer get ready while their inputs are listed; the moment."""
    from kilnsense.label.guarded import prepare_workers

    if engine == "local":
        prepare_workers()
    return now()


def _files(formats: tuple[str, ...], extras: Sequence[Extra]) -> list[str]:
    """All that would be written, below the folder of the run."""
    from kilnsense.label.run import table_name

    return [*map(table_name, formats), *(extra.file for extra in extras)]


def _write(
    store: "Store",
    folder: Path,
    classes: tuple[str, ...],
    formats: tuple[str, ...],
    extras: Sequence[Extra],
) -> list[Path]:
    """Writes the tables, and what was asked for beside them; all files."""
    from kilnsense.label.run import publish_tables

    tables = [*publish_tables(store, folder, classes, formats)]
    for extra in extras:
        extra.write(store, folder)
        tables.append(folder / extra.file)
    return tables


def _facts(model: "Config", model_id: str, root: Path, bundle: Path) -> dict[str, Any]:
    """What the store remembers of the run beside its settings."""
    return {
        "classes": list(model.classes),
        "root": str(root.absolute()),
        "bundle": str(bundle.absolute()),
        "model_id": model_id,
    }


def _tell_end(table: Path, states: Mapping[str, int], reasons: Mapping[str, int]) -> None:
    rows = sum(states.values()) + sum(reasons.values())
    people().print(f"{rows} rows in {table}: {_counted(states)}; without a state: {_counted(reasons)}")


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
