"""`kilnsense compare CONFIG|BUNDLE`: which classifier is better, by how much, how sure, where it fails."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kilnsense.cli.options import AsJson, Jobs, Overwrite, Resume, RunFolder, Settings, processes
from kilnsense.cli.output import emit_json, now, people, show_table, steps, track
from kilnsense.cli.runs import begin_folder, check_folder, expect_writable, option_words, resumable, write_run
from kilnsense.errors import FAILURE_REASONS, ConfigError, GateError

if TYPE_CHECKING:
    from kilnsense.compare.metrics_file import Metrics
    from kilnsense.compare.work import Ready
    from kilnsense.config import CompareConfig, Config

ALL = "all"
"""In place of the names of all classifiers."""
CLASSIFIER_HELP = "Names with commas: knn, svm, mlp, prototype, logistic, lda, forest; or all."
DEFAULT_CACHE = Path("runs/cache")
METRIC_HELP = (
    "The measure that decides: macro_f1, balanced_accuracy, kappa, state_error, cost, log_loss, brier, "
    "calibration_error, coverage or accepted_accuracy."
)
"""Written out, because the tables are not loaded for --help."""


def compare(
    model: Annotated[Path, typer.Argument(metavar="CONFIG|BUNDLE", help="YAML file, or folder of a model.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Labelled frames; else those of the config.")
    ] = None,
    classifiers: Annotated[str, typer.Option("--classifiers", help=CLASSIFIER_HELP)] = "knn,svm,mlp",
    cv: Annotated[str, typer.Option("--cv", help="FOLDSxREPEATS: 5x2 is five folds, dealt twice.")] = "5x2",
    group_by: Annotated[
        str,
        typer.Option("--group-by", help="Columns of the manifest, or auto, given, time, names, none."),
    ] = "auto",
    metric: Annotated[str, typer.Option("--metric", help=METRIC_HELP)] = "macro_f1",
    tune: Annotated[
        bool, typer.Option("--tune", help="Search options of each classifier in every fold.")
    ] = False,
    frozen: Annotated[bool, typer.Option("--frozen", help="Keep the bundle's regions and networks.")] = False,
    block_minutes: Annotated[
        float, typer.Option("--block-minutes", help="Of a block of time stamps.")
    ] = 60.0,
    embargo_minutes: Annotated[
        float, typer.Option("--embargo-minutes", help="Between judged frames and those learned from.")
    ] = 15.0,
    fail_under: Annotated[
        float | None, typer.Option("--fail-under", help="Exit 4 where the best is worse than this.")
    ] = None,
    jobs: Jobs = "auto",
    cache: Annotated[Path, typer.Option("--cache", help="Where networks of folds are kept.")] = DEFAULT_CACHE,
    settings: Settings = None,
    out: RunFolder = None,
    overwrite: Overwrite = False,
    resume: Resume = None,
    as_json: AsJson = False,
) -> None:
    """Compare classifiers on the same folds of whole camera runs, beside baselines, with intervals and tests.

    Everything that learns is trained anew in every fold. Writes report.html, metrics.json, leaderboard.csv
    and oof.csv. A killed comparison goes on with --resume.
    """
    stored, base, bundle = _model(model, settings or ())
    given = {
        "classifiers": classifiers,
        "cv": cv,
        "group_by": group_by,
        "metric": metric,
        "tune": tune,
        "frozen": frozen,
        "block_minutes": block_minutes,
        "embargo_minutes": embargo_minutes,
    }
    wanted = _settings(base, bundle, data, given, settings or ())
    _check(wanted, stored, fail_under)
    at_once, started = processes(jobs), now()
    check_folder("compare", wanted, out=out, overwrite=overwrite, resume=resume)
    expect_writable(cache, "--cache")
    ready = _ready(wanted, cache, model if frozen else None)
    # All that can be refused was refused: now an earlier run may give way.
    again = _again(model, data, given, settings or ())
    kept = {"cache": cache, "jobs": jobs, "fail_under": fail_under}
    again += [*option_words(compare, kept), *(["--json"] if as_json else [])]
    folder = begin_folder("compare", wanted, out=out, overwrite=overwrite, resume=resume)
    with resumable(folder, again):
        metrics = _judge(replace(ready, places=replace(ready.places, run=folder)), at_once)
    best = next(one for one in metrics.entrants if not one.baseline)
    values = {"verdict": metrics.verdict, "best": best.name, "data_fingerprint": metrics.data_fingerprint}
    write_run(folder, "compare", started=started, config=wanted, values=values)
    _report(folder, metrics)
    if as_json:
        emit_json(
            "compare", {"folder": str(folder), **metrics.model_dump(by_alias=True, exclude={"schema_"})}
        )
    if fail_under is not None and best.scores[metric].value < fail_under:
        score = best.scores[metric]
        raise GateError(
            f"--fail-under {fail_under:g}: {best.name} reaches a {metric} of {score.value:.4f} "
            f"(95 % {score.low:.3f} to {score.high:.3f}); look at {folder / 'report.html'}"
        )
    if any(reason in FAILURE_REASONS for reason in metrics.left_out_counts):
        raise typer.Exit(3)


def _model(path: Path, settings: Sequence[str]) -> "tuple[Config, Config, str]":
    """The config as stored, and with `settings` laid over it; the identity of a bundle, else ""."""
    from kilnsense.config import load_config, override

    if not path.is_dir():
        base = load_config(path, settings)
        return base, base, ""
    from kilnsense.bundle import load_bundle

    bundle = load_bundle(path)
    return bundle.config, override(bundle.config, settings), bundle.model_id


def _settings(
    base: "Config", bundle: str, data: Path | None, given: Mapping[str, Any], settings: Sequence[str]
) -> "CompareConfig":
    """All settings of the comparison, checked."""
    from kilnsense.classify.models import CLASSIFIERS
    from kilnsense.compare.entrants import BASELINES
    from kilnsense.compare.frames import settle_data
    from kilnsense.compare.plan import parse_cv
    from kilnsense.config import check_comparison

    if given["frozen"] and not bundle:
        raise ConfigError("--frozen: got a config, whose networks are not trained yet; give a bundle")
    if not 0 < given["block_minutes"] < inf:
        raise ConfigError(f"--block-minutes: got {given['block_minutes']:g}, allowed: above 0")
    if not 0 <= given["embargo_minutes"] < inf:
        raise ConfigError(f"--embargo-minutes: got {given['embargo_minutes']:g}, allowed: 0 and up")
    named = [key.removeprefix("data.") for key in (text.partition("=")[0] for text in settings)]
    section, group_by = settle_data(base.data, data, given["group_by"], named=named, fresh=bool(bundle))
    if not section.root:
        raise ConfigError("--data: is missing and data.root of the config is empty; name the labelled frames")
    names = [name.strip() for name in given["classifiers"].split(",") if name.strip()]
    if not names:
        raise ConfigError("--classifiers: got none, allowed: names with commas, such as knn,svm, or all")
    if names == [ALL]:
        names = [name for name in CLASSIFIERS if name not in BASELINES]
    folds, repeats = parse_cv(given["cv"])
    values = {key: value for key, value in given.items() if key != "cv"}
    values |= {"group_by": group_by, "classifiers": names, "folds": folds, "repeats": repeats}
    values |= {"base": base.model_copy(update={"data": section}), "name": base.name, "bundle": bundle}
    return check_comparison(values)


def _check(wanted: "CompareConfig", stored: "Config", fail_under: float | None) -> None:
    """Names and numbers that no picture is needed to refuse."""
    from kilnsense.assemble import check_parts
    from kilnsense.classify.measures import MEASURES
    from kilnsense.compare.entrants import entrants
    from kilnsense.compare.looked import SHAPING
    from kilnsense.parts import pick

    measure = pick(MEASURES, wanted.metric, kind="--metric")
    if wanted.tune and wanted.metric in ("coverage", "accepted_accuracy"):
        raise ConfigError(
            f"--tune with --metric {wanted.metric}: a search has probabilities to go by and no verdicts; "
            "take another measure, such as macro_f1"
        )
    bottom = -1.0 if measure.scale == "signed" else 0.0
    if fail_under is not None and measure.higher and not bottom <= fail_under <= 1:
        raise ConfigError(f"--fail-under: got {fail_under:g}, allowed: {bottom:g}..1")
    if fail_under is not None and not measure.higher:
        raise ConfigError(
            f"--fail-under: got {fail_under:g} with --metric {wanted.metric}, of which less is better; take "
            "a measure of which more is better, such as macro_f1"
        )
    entrants(wanted)
    check_parts(wanted.base)
    changed = [name for name in SHAPING if getattr(wanted.base, name) != getattr(stored, name)]
    if wanted.frozen and set(changed) - {"seed"}:
        raise ConfigError(
            f"--set {changed[0]}: cannot be changed with --frozen, which keeps the bundle's networks; leave "
            "out --frozen to train them anew"
        )


def _ready(wanted: "CompareConfig", cache: Path, bundle: Path | None) -> "Ready":
    """Reads the frames and plans the folds; says what is left out."""
    from kilnsense.compare.verdict import left_out_words
    from kilnsense.compare.work import Places, prepare

    console = people()
    ready = prepare(
        wanted, Places(Path(), cache, bundle), track=lambda items: track(items, total=None, what="decoding")
    )
    for line in left_out_words(ready.compared):
        console.print(line)
    data = ready.compared.data
    console.print(
        f"{len(data)} frames of {len(set(data.groups.tolist()))} groups ({ready.compared.grouping.words}); "
        f"{wanted.folds} folds, dealt {wanted.repeats} times"
    )
    return ready


def _judge(ready: "Ready", processes: int) -> "Metrics":
    """Judges all folds and writes the files."""
    from kilnsense.compare.files import write_comparison
    from kilnsense.compare.gallery import show_frames
    from kilnsense.compare.metrics_file import make_metrics
    from kilnsense.compare.page import make_page
    from kilnsense.compare.run import run_comparison
    from kilnsense.compare.slices import slices
    from kilnsense.compare.summary import summarise
    from kilnsense.render.sequence import is_simulated

    with steps("judging folds") as watch:
        outcome = run_comparison(ready, processes=processes, watch=watch)
    summary = summarise(outcome)
    found = slices(outcome, summary.best.name)
    shown = show_frames(outcome, summary)
    metrics = make_metrics(outcome, summary, found, shown.suspects, shown.twins)
    page = make_page(
        outcome,
        summary,
        shown,
        found,
        synthetic=is_simulated(Path(ready.settings.base.data.root)),
        command=shlex.join(["kilnsense", *sys.argv[1:]]),
        made=now(),
    )
    write_comparison(ready.places.run, outcome, summary, metrics, page)
    return metrics


def _again(model: Path, data: Path | None, given: Mapping[str, Any], settings: Sequence[str]) -> list[str]:
    """The words of the command, without its options about folders."""
    words = ["kilnsense", "compare", str(model), *([f"--data={data}"] if data is not None else [])]
    return words + option_words(compare, given) + [f"--set={text}" for text in settings]


def _report(folder: Path, metrics: "Metrics") -> None:
    """What people see at the end: the tiers, the verdict, and what speaks against it."""
    from kilnsense.classify.measures import MEASURES

    console = people()
    rows = []
    for one in metrics.entrants:
        score, named = one.scores[metrics.metric], one.scores["coverage"].value
        rows.append(
            (
                one.tier,
                f"{one.name}{'*' if one.baseline else ''}",
                f"{score.value:.3f}",
                f"{score.low:.2f}-{score.high:.2f}",
                f"{one.scores['cost'].value:.2f}",
                f"{one.scores['calibration_error'].value:.2f}",
                f"{named:.0%}",
                f"{one.scores['accepted_accuracy'].value:.0%}" if named else "-",
            )
        )
    title = MEASURES[metrics.metric].title
    columns = ("tier", "classifier", title, "95 %", "cost", "ECE", "named", "right")
    show_table("Those of one tier cannot be told apart; * baseline", columns, rows)
    console.print(metrics.verdict)
    console.print(metrics.beside_baselines)
    for caution in metrics.cautions:
        console.print(f"caution: {caution}")
    for what, name in (("page", "report.html"), ("figures", "metrics.json"), ("rows", "oof.csv")):
        console.print(f"{what:8}{folder / name}")
