"""`kilnsense train CONFIG`: labelled frames in, bundle out."""

from pathlib import Path
from typing import Annotated

import typer

from kilnsense.cli.options import AsJson, Overwrite, Resume, RunFolder, Settings
from kilnsense.cli.output import emit_json, now, people, show_table, track
from kilnsense.cli.runs import begin_folder, resumable, write_run


def train(
    config_file: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file.")],
    settings: Settings = None,
    out: RunFolder = None,
    overwrite: Overwrite = False,
    resume: Resume = None,
    as_json: AsJson = False,
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
    folder = begin_folder("train", config, out=out, overwrite=overwrite, resume=resume)
    again = ["kilnsense", "train", str(config_file), *(f"--set={text}" for text in settings or ())]
    with resumable(folder, again):
        bundle, _ = train_model(
            config,
            folder=folder,
            say=console.print,
            track=lambda items: track(items, total=None, what="decoding"),
        )
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
