"""`kilnsense config show|check|schema`: the resolved configuration."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from kilnsense.cli.output import emit_json, people

app = typer.Typer(help="Show, check or describe a configuration.", no_args_is_help=True)

ConfigFile = Annotated[Path | None, typer.Argument(help="YAML file; none: the defaults.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="Override one value: a.b=c.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


@app.command()
def show(path: ConfigFile = None, settings: Settings = None, as_json: AsJson = False) -> None:
    """Print every value that would be used."""
    import yaml

    from kilnsense.config import load_config

    values = load_config(path, settings or ()).model_dump(mode="json")
    if as_json:
        emit_json("config", {"config": values})
    else:
        sys.stdout.write(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


@app.command()
def check(path: ConfigFile = None, settings: Settings = None, as_json: AsJson = False) -> None:
    """Say whether a configuration is good; exit 2 with the reason where it is not."""
    from kilnsense.assemble import check_parts
    from kilnsense.config import load_config

    config = load_config(path, settings or ())
    check_parts(config)
    if as_json:
        emit_json("config", {"ok": True, "name": config.name})
    else:
        people().print(f"config {path or 'defaults'}: good ({config.name})")


@app.command()
def schema() -> None:
    """Print the JSON schema of the configuration, for editors."""
    from kilnsense.config import Config

    sys.stdout.write(json.dumps(Config.model_json_schema(), indent=2) + "\n")
