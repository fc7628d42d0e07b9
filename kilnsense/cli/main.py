"""The `kilnsense` command: verbs, exit codes, and errors as one line.

Nothing heavy is imported here or at the top of a verb's file, so that `--help` answers at once.
"""

import os
import sys
import traceback
from typing import Annotated, Any

import typer

from kilnsense import __version__
from kilnsense.cli import (
    bundle,
    compare,
    config,
    demo,
    doctor,
    label,
    monitor,
    review,
    segment,
    simulate,
    study,
    train,
)
from kilnsense.errors import KilnsenseError

app = typer.Typer(
    name="kilnsense",
    help="Reads the burning state of a rotary kiln from a camera. It advises; it never controls.",
    epilog="Exit codes: 0 ok, 1 unexpected, 2 usage or config, 3 some inputs unreadable, 4 gate failed, "
    "5 source or bundle unavailable, 6 storage, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("simulate")(simulate.simulate)
app.command("segment")(segment.segment)
app.command("train")(train.train)
app.command("study")(study.study)
app.command("compare")(compare.compare)
app.command("label")(label.label)
app.command("review")(review.review)
app.command("doctor")(doctor.doctor)
app.add_typer(monitor.app, name="monitor")
app.add_typer(config.app, name="config")
app.add_typer(bundle.app, name="bundle")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"kilnsense {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[  # noqa: ARG001 - its callback acts on it
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no remarks.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours (also NO_COLOR=1).")] = False,
) -> None:
    """Reads the burning state of a rotary kiln from a camera. It advises; it never controls."""
    # Verbs and the libraries below them read these, so the flags become the environment of this process.
    for name, wanted in (("KILNSENSE_DEBUG", debug), ("KILNSENSE_QUIET", quiet), ("NO_COLOR", no_color)):
        if wanted:
            os.environ[name] = "1"


EXTRAS = {
    "train": ("torch", "torchvision", "timm", "albumentations", "onnx", "onnxscript"),
    "search": ("optuna",),
    "parquet": ("duckdb",),
    "plant": ("paho", "asyncua"),
    "ray": ("ray",),
}
"""What to install for modules that the base installation lacks."""

UsageError = typer.BadParameter.__mro__[1]
"""A wrong command line, in whichever package this typer keeps the class."""


def run(arguments: list[str]) -> int:
    """Runs one command line and returns its exit code; errors become one line on standard error."""
    try:
        code = app(args=arguments or ["--help"], prog_name="kilnsense", standalone_mode=False)
    except KilnsenseError as error:
        return _explain(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        for extra, modules in EXTRAS.items():
            if (error.name or "").partition(".")[0] in modules:
                verb = f"`kilnsense {arguments[0]}`"
                return _explain(f"{verb} needs {error.name}; install kilnsense[{extra}]", 2)
        return _unexpected(error)
    except (KeyboardInterrupt, typer.Abort):
        return _explain("interrupted", 130)
    except Exception as error:  # noqa: BLE001 - the outermost border: a person must never see a bare traceback
        return _misused(error) if isinstance(error, UsageError) else _unexpected(error)
    if code == 130:  # typer turned the interrupt into a code
        _explain("interrupted", code)
    return code if isinstance(code, int) else 0


def _misused(error: Any) -> int:
    """One line for a wrong command line; the help for a group of verbs without one."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
    else:
        path = error.ctx.command_path if error.ctx else "kilnsense"
        _explain(f"{error.format_message().rstrip('.')}; see `{path} --help`", 2)
    return int(error.exit_code)


def _unexpected(error: Exception) -> int:
    message = f"unexpected {type(error).__name__}: {error}; run again with --debug and report the traceback"
    return _explain(message, 1)


def _explain(message: str, code: int) -> int:
    if os.environ.get("KILNSENSE_DEBUG"):
        traceback.print_exc()
    sys.stderr.write(f"kilnsense: {' '.join(message.split())}\n")
    return code


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))
