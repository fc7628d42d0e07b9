"""`kilnsense demo`: train on rendered runs, judge held-out ones, and show what came of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kilnsense.cli.options import AsJson, Settings
from kilnsense.cli.output import emit_json, now, people, show_table
from kilnsense.cli.runs import run_folder, tidied, write_run
from kilnsense.errors import ConfigError

if TYPE_CHECKING:
    from kilnsense.training.trial import Row


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder of the run.")] = Path("runs/demo"),
    config_file: Annotated[Path, typer.Option("--config", help="YAML file.")] = Path("configs/demo.yaml"),
    settings: Settings = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train on the labelled runs of a config, judge its held-out runs, and write a page about it.

    Leaves labels.csv, bundle/ and report.html in the folder of the run.
    """
    from kilnsense.config import load_config
    from kilnsense.recogniser import open_recogniser
    from kilnsense.record.report import write_report
    from kilnsense.record.sinks import write_records
    from kilnsense.render.sequence import is_simulated
    from kilnsense.training.showcase import make_report
    from kilnsense.training.train import read_training_samples, train
    from kilnsense.training.trial import judge_held_out

    config, started, console = load_config(config_file, settings or ()), now(), people()
    if not config.data.held_out:
        raise ConfigError(f"config {config_file}: data.held_out is empty; name the groups to judge")
    read_training_samples(config)
    folder = run_folder("demo", config, out=out, overwrite=overwrite)
    synthetic = is_simulated(Path(config.data.root))
    mark = " (synthetic)" if synthetic else ""
    console.print(f"training on the labelled runs{mark}")
    with tidied(folder):
        bundle, learned = train(config, folder=folder, say=console.print)
    console.print(f"judging the held-out runs: {', '.join(config.data.held_out)}")
    trial = judge_held_out(config, learned, open_recogniser(folder / "bundle"))
    write_records(folder / "labels.csv", trial.records, classes=config.classes)
    write_report(folder / "report.html", make_report(bundle, learned, trial, synthetic=synthetic))
    rows = [row.flat() for row in trial.rows]
    values = {"model_id": bundle.model_id, "rows": rows}
    write_run(folder, "demo", started=started, config=config, values=values)
    models = [_line(row) for row in trial.rows if not row.baseline]
    baselines = [_line(row) for row in trial.rows if row.baseline]
    show_table(
        f"{len(trial.records)} frames of held-out runs{mark}; below the rule: baselines",
        ("judge", "looks at", "bal. acc.", "macro F1", "named", "right"),
        [*models, None, *baselines],
    )
    for what, name in (("page", "report.html"), ("rows", "labels.csv"), ("model", "bundle")):
        console.print(f"{what:6} {folder / name}")
    if as_json:
        emit_json("demo", {"folder": str(folder), "model_id": bundle.model_id, "rows": rows})


def _line(row: "Row") -> tuple[str, ...]:
    measures = row.measures
    return (
        row.classifier,
        row.features,
        f"{measures.balanced_accuracy:.3f}",
        f"{measures.macro_f1:.3f}",
        f"{measures.coverage:.0%}",
        f"{measures.accepted_accuracy:.3f}",
    )
