"""`kilnsense bundle show`: what a trained model is."""

from pathlib import Path
from typing import Annotated

import typer

from kilnsense.cli.options import AsJson
from kilnsense.cli.output import emit_json, people, show_table

app = typer.Typer(help="Look at a trained model.", no_args_is_help=True)


@app.callback()
def bundles() -> None:
    """Look at a trained model."""


@app.command()
def show(
    folder: Annotated[Path, typer.Argument(help="Folder of the bundle.")],
    as_json: AsJson = False,
) -> None:
    """Check that a bundle is whole and print what it holds."""
    from kilnsense.bundle import load_bundle

    bundle = load_bundle(folder)
    thresholds, scores = dict(bundle.thresholds), dict(bundle.scores)
    facts: dict[str, object] = {
        "model_id": bundle.model_id,
        "name": bundle.config.name,
        "created": bundle.created,
        "classes": list(bundle.classes),
        "views": list(bundle.config.branches.views) if bundle.encoder_onnx is not None else [],
        "classifier": bundle.config.classifier.kind,
        "fusion": bundle.config.fusion.kind,
        "frames": len(bundle.gallery),
        "fingerprint": bundle.fingerprint,
        "thresholds": thresholds,
        "scores": scores,
    }
    if as_json:
        emit_json("bundle", facts)
        return
    flat = [(name, value) for name, value in facts.items() if not isinstance(value, dict)]
    nested = [
        (f"{section}.{name}", f"{value:.4g}")
        for section, numbers in (("thresholds", thresholds), ("scores", scores))
        for name, value in numbers.items()
    ]
    show_table(f"bundle {folder}", ("", "value"), [*flat, *nested])
    people().print("whole: every file has the size and the SHA-256 of bundle.json")
