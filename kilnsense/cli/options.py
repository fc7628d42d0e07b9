"""Options that several verbs take, each with the same name and meaning."""

import os
from pathlib import Path
from typing import Annotated

import typer

from kilnsense.errors import ConfigError

Settings = Annotated[list[str] | None, typer.Option("--set", help="Override one value: a.b=c.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
RunFolder = Annotated[Path | None, typer.Option("--out", help="Folder of the run.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run in --out.")]
Jobs = Annotated[str, typer.Option("--jobs", help="Processes at once, or auto: one for each core.")]
Resume = Annotated[Path | None, typer.Option("--resume", help="Go on in the folder of a killed run.")]


def processes(text: str) -> int:
    """How many processes `--jobs` means. Raises ConfigError."""
    if text == "auto":
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise ConfigError(f"--jobs: got {text!r}, allowed: auto, or 1 and up")
    return int(text)
