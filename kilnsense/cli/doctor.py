"""`kilnsense doctor`: what is wrong with this computer, a bundle or a folder, and what to do about it."""

import sys
import textwrap
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from kilnsense.cli.options import AsJson
from kilnsense.cli.output import emit_json, people
from kilnsense.errors import GateError

if TYPE_CHECKING:
    from kilnsense.doctor import Finding

WIDTH = 80
NAME_WIDTH = 15
STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(
    bundle: Annotated[Path | None, typer.Option("--bundle", "-b", help="Folder of a trained model.")] = None,
    source: Annotated[
        Path | None, typer.Option("--source", help="Folder of pictures, or one picture.")
    ] = None,
    camera: Annotated[str, typer.Option("--camera", help="A live camera, as of `monitor --source`.")] = "",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder that results go to.")] = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Check this computer, a bundle, a folder and a camera; one fix for everything that is wrong.

    The exit code is 4 where something fails. Nothing is changed.
    """
    from kilnsense.doctor import Asked, examine

    console = people()
    findings = []
    with redirect_stdout(sys.stderr):  # broken packages print there when they are loaded
        for finding in examine(Asked(out=out, bundle=bundle, source=source, camera=camera)):
            console.print(_lines(finding))
            findings.append(finding)
    counts = Counter(finding.state for finding in findings)
    told = {state: counts[state] for state in ("ok", "warn", "fail")}
    if as_json:
        rows = [asdict(finding) for finding in findings]
        emit_json("doctor", {"ok": not counts["fail"], "counts": told, "findings": rows})
    console.print(f"{told['ok']} ok, {told['warn']} to look at, {told['fail']} failed")
    if counts["fail"]:
        raise GateError("doctor: something fails; do what is said below each FAIL")


def _lines(finding: "Finding") -> Text:
    """A finding within 80 columns: state, name, what was found, and on a line of its own the fix."""
    head = f"{finding.state.upper():<6}"
    name = f"{finding.name:<{NAME_WIDTH}}"
    found = _fill(finding.found, " " * len(head + name), " " * len(head + name))
    text = Text.assemble((head, STYLES[finding.state]), name, found[len(head + name) :])
    if finding.fix:
        first, rest = " " * len(head) + "fix: ", " " * (len(head) + 5)
        for number, command in enumerate(finding.fix.split(" && ")):
            text.append(" &&\n" if number else "\n")
            text.append(_fill(command, rest if number else first, rest))
    return text


def _fill(text: str, first: str, rest: str) -> str:
    """The text in lines; commands and paths stay whole, so that they can be copied."""
    lines = textwrap.TextWrapper(
        WIDTH - 1,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines.fill(text)
