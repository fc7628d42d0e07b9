"""`kilnsense study CONFIG`: networks that differ in a few settings, or a search for the best of them."""

import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from kilnsense.cli.options import AsJson, Overwrite, Resume, RunFolder, Settings
from kilnsense.cli.output import QUIET_SECONDS, duration, emit_json, now, people, show_table
from kilnsense.cli.runs import begin_folder, resumable, write_run
from kilnsense.errors import ConfigError
from kilnsense.record.publish import publish

if TYPE_CHECKING:
    from kilnsense.config import StudyConfig
    from kilnsense.study.run import Progress, Watch
    from kilnsense.study.search import Found
    from kilnsense.study.workers import Finished

MOST_ROWS = 30
"""Of a table on the terminal; the files have all."""

MOST_DRAWS = 10
"""Of a search, the best ones."""

BEST = "best.yaml"
"""Of a search, the whole model with the best validation."""

Job = Callable[[Path, "Watch"], "tuple[tuple[Finished, ...], Found | None]"]


def study(
    config_file: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file of a study.")],
    settings: Settings = None,
    search: Annotated[
        int | None,
        typer.Option(
            "--search", min=1, metavar="N", help="Draw N settings instead of trying the whole grid."
        ),
    ] = None,
    processes: Annotated[int, typer.Option("--processes", min=1, help="Trials at the same time.")] = 1,
    out: RunFolder = None,
    overwrite: Overwrite = False,
    resume: Resume = None,
    as_json: AsJson = False,
) -> None:
    """Train every variant with every value of the grid and every seed; judge all of them alike.

    Writes study.csv, study.json and study.html. A trial that cannot be trained is shown as failed, and the
    others go on. With --search the settings with the best validation are looked for, trained with every seed
    and written to best.yaml as a whole model; no choice looks at test scores.
    """
    from kilnsense.config import load_study

    config = load_study(config_file, settings or ())
    if resume is not None:
        _check_kind(resume, search)
    job = _job(config, search, processes)
    started = now()
    folder = begin_folder("study", config, out=out, overwrite=overwrite, resume=resume)
    again = ["kilnsense", "study", str(config_file), *(f"--set={text}" for text in settings or ())]
    again += [f"--search={search}"] if search is not None else []
    again += [f"--processes={processes}"] if processes > 1 else []
    with resumable(folder, again), _watching(scores=search is None) as watch:
        finished, found = job(folder, watch)
    values = _write(folder, config, finished, found)
    write_run(folder, "study", started=started, config=config, values={"best": values["best"]})
    _report(folder, config, values, finished, found)
    if as_json:
        emit_json("study", {"folder": str(folder), **values})
    if values["best"] is None:
        raise ConfigError(
            f"{folder}: no trial gave a result; the first says: {values['failures'][0]['message']}"
        )


def _job(config: "StudyConfig", search: int | None, processes: int) -> Job:
    """What is to be done, checked before any work."""
    from kilnsense.study.tasks import TASKS

    task = TASKS[config.task]
    if search is not None:
        from kilnsense.study.search import check_space, search_study

        check_space(config)

        def look(folder: Path, watch: "Watch") -> "tuple[tuple[Finished, ...], Found | None]":
            found = search_study(config, task, draws=search, folder=folder, processes=processes, watch=watch)
            return (*found.finished, *found.failed), found

        return look
    from kilnsense.study.plan import plan_trials
    from kilnsense.study.run import run_study

    trials = plan_trials(config)
    return lambda folder, watch: (
        run_study(config, task, trials, folder=folder, processes=processes, watch=watch),
        None,
    )


def _check_kind(folder: Path, search: int | None) -> None:
    """A search goes on as a search. Raises ConfigError."""
    begun = (folder / "search.journal").exists()
    if begun and search is None:
        raise ConfigError(f"--resume {folder}: was started with --search; add it")
    if search is not None and not begun and (folder / "trials").exists():
        raise ConfigError(f"--resume {folder}: was started without --search; leave it out")


@contextmanager
def _watching(*, scores: bool) -> "Iterator[Watch]":
    """Says a line for every trial that ends, and now and then what is running."""
    console, said = people(), time.monotonic()
    with console.status("preparing the data") as status:

        def watch(progress: "Progress") -> None:
            nonlocal said
            if progress.ended is not None:
                console.print(_ended(progress.ended, progress, scores=scores))
            line = _running(progress)
            status.update(Text(line))  # names are no markup
            if progress.running and not console.is_terminal and time.monotonic() - said >= QUIET_SECONDS:
                said = time.monotonic()
                console.print(line)

        yield watch


def _ended(one: "Finished", progress: "Progress", *, scores: bool) -> str:
    from kilnsense.study.trouble import trouble_in

    place = f"{progress.done} of {progress.total}: {one.trial.name}"
    if one.outcome is None:
        return f"{place} failed: {one.message}"
    line = f"{place}: validation {one.outcome.validation:.3f}"
    if scores:
        first = one.outcome.scores[0]
        values = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in first.values.items())
        line += f", {first.features} {first.judge} {values}"
    words = trouble_in(one.outcome.histories).words
    return f"{line}; {words}" if words else line


def _running(progress: "Progress") -> str:
    names = ", ".join(f"{name} (epoch {epoch})" for name, epoch in progress.running)
    left = "" if progress.seconds_left is None else f", about {duration(progress.seconds_left)} left"
    now_running = f"; running {names}" if names else ""
    return f"{progress.done} of {progress.total} done{now_running}{left}"


def _write(
    folder: Path, config: "StudyConfig", finished: "tuple[Finished, ...]", found: "Found | None"
) -> dict[str, Any]:
    """The files of the run; their figures."""
    from kilnsense.study.files import config_yaml, summarise, write_results
    from kilnsense.study.page import make_page
    from kilnsense.study.plan import trial_config
    from kilnsense.study.table import tabulate

    results = tabulate(finished)
    values = summarise(config, finished, results)
    if found is not None:
        values["draws"] = [
            {
                "trial": draw.trial.name,
                "variant": draw.trial.variant,
                "settings": draw.trial.settings,
                "validation": draw.validation,
            }
            for draw in found.draws
        ]
        if found.best is not None:
            publish(folder / BEST, [config_yaml(trial_config(config, found.best.trial))])
    command = shlex.join(["kilnsense", *sys.argv[1:]])
    draws = found.draws if found is not None else ()
    page = make_page(config, finished, command=command, ended=now(), draws=draws)
    write_results(folder, values, results, page)
    return values


def _report(
    folder: Path,
    config: "StudyConfig",
    values: dict[str, Any],
    finished: "tuple[Finished, ...]",
    found: "Found | None",
) -> None:
    """What people see at the end."""
    from kilnsense.study.files import set_options
    from kilnsense.study.table import readable, tabulate

    console = people()
    if found is not None:
        _show_draws(found, config)
    columns, rows = readable(tabulate(finished))
    if rows:
        show_table(f"Test scores ({config.title or config.name})", columns, rows[:MOST_ROWS])
    if len(rows) > MOST_ROWS:
        console.print(f"and {len(rows) - MOST_ROWS} more in {folder / 'study.csv'}")
    if found is not None and found.best is not None:
        console.print("what sets the best apart from the base:")
        for option in set_options(found.best.trial.settings):
            console.print(f"  --set {shlex.quote(option)}")
        console.print(f"the whole model, as `kilnsense train` takes it: {folder / BEST}")
    if values["failures"]:
        console.print(
            f"{len(values['failures'])} of {len(finished)} trials failed; {folder / 'study.html'} says why"
        )
    console.print(f"page: {folder / 'study.html'}")


def _show_draws(found: "Found", config: "StudyConfig") -> None:
    from kilnsense.study.draws import draw_table

    table = draw_table(config, found.draws)
    rows = []
    for line in table.ordered[:MOST_DRAWS]:
        values = ", ".join(f"{name} {cell}" for name, cell in zip(table.columns, line.cells, strict=True))
        known = "no result" if line.validation is None else f"{line.validation:.3f}"
        rows.append((f"{line.name}: {values}" if values else line.name, known))
    show_table(f"Best of {len(table.lines)} settings", ("draw", "validation"), rows)
