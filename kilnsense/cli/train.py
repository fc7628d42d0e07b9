"""`kilnsense train CONFIG`: labelled frames in, bundle out."""

from pathlib import Path
from typing import Annotated

import typer

from kilnsense.cli.output import emit_json, now, people, run_folder, show_table, track, write_run


def train(
    config_file: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file.")],
    settings: Annotated[list[str] | None, typer.Option("--set", help="Override one value: a.b=c.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run in --out.")] = False,
    resume: Annotated[
        Path | None, typer.Option("--resume", help="Go on in the folder of a killed run.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Train a model on labelled frames and write it as a bundle.

    The scores printed are of frames of groups that the scored model had not seen (grouped cross-validation).
    """
    from kilnsense.config import load_config
    from kilnsense.training.train import train as train_model

    config = load_config(config_file, settings or ())
    started, console = now(), people()
    folder = resume or run_folder("train", config.name, out=out, overwrite=overwrite)
    bundle, _ = train_model(
        config,
        folder=folder,
        say=console.print,
        track=lambda items: track(items, total=None, what="decoding"),
    )
    write_run(
        folder,
        "train",
        started=started,
        values={
            "config": config.model_dump(mode="json"),
            "model_id": bundle.model_id,
            "scores": dict(bundle.scores),
        },
    )
    show_table(
        f"Frames of unseen groups ({config.name})",
        ("measure", "value"),
        [(name.replace("_", " "), f"{value:.3f}") for name, value in bundle.scores.items()],
    )
    console.print(f"bundle {bundle.model_id}: {folder / 'bundle'}")
    if as_json:
        scores = dict(bundle.scores)
        emit_json("train", {"bundle": str(folder / "bundle"), "model_id": bundle.model_id, "scores": scores})
