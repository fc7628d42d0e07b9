"""Options that several verbs take, each with the same name and meaning."""

from pathlib import Path
from typing import Annotated

import typer

Settings = Annotated[list[str] | None, typer.Option("--set", help="Override one value: a.b=c.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
RunFolder = Annotated[Path | None, typer.Option("--out", help="Folder of the run.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run in --out.")]
Resume = Annotated[Path | None, typer.Option("--resume", help="Go on in the folder of a killed run.")]
