"""`kilnsense train CONFIG`: labelled frames in, bundle out."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from kilnsense.cli.output import emit_json, now, people, show_table, track
from kilnsense.cli.runs import StoppedError, resume_folder, run_folder, tidied, write_run
from kilnsense.errors import ConfigError


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
    from kilnsense.training.train import read_training_samples
    from kilnsense.training.train import train as train_model

    config = load_config(config_file, settings or ())
    read_training_samples(config)
    started, console = now(), people()
    if resume is None:
        folder = run_folder("train", config, out=out, overwrite=overwrite)
    elif out is not None or overwrite:
        raise ConfigError("--resume goes on in its own folder; leave out --out and --overwrite")
    else:
        folder = resume_folder(resume, "train", config)
    try:
        with tidied(folder):
            bundle, _ = train_model(
                config,
                folder=folder,
                say=console.print,
                track=lambda items: track(items, total=None, what="decoding"),
            )
    except KeyboardInterrupt as error:
        if not folder.exists():
            raise
        again = ["kilnsense", "train", str(config_file), *(f"--set={text}" for text in settings or ())]
        raise StoppedError(
            f"interrupted; go on with: {shlex.join([*again, '--resume', str(folder)])}"
        ) from error
    scores = dict(bundle.scores)
    values = {"model_id": bundle.model_id, "scores": scores}
    write_run(folder, "train", started=started, config=config, values=values)
    show_table(
        f"Frames of unseen groups ({config.name})",
        ("measure", "value"),
        [(name.replace("_", " "), f"{value:.3f}") for name, value in scores.items()],
    )
    console.print(f"bundle {bundle.model_id}: {folder / 'bundle'}")
    if as_json:
        emit_json("train", {"bundle": str(folder / "bundle"), "model_id": bundle.model_id, "scores": scores})
