"""`kilnsense config show|check|schema`: the resolved configuration of a model, a study or a monitor."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kilnsense.cli.options import AsJson, Settings
from kilnsense.cli.output import emit_json, people

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kilnsense.config import Config, MonitorConfig, StudyConfig


class Kind(StrEnum):
    """What a configuration is of."""

    model = "model"
    study = "study"
    monitor = "monitor"


app = typer.Typer(help="Show, check or describe a configuration.", no_args_is_help=True)

ConfigFile = Annotated[Path | None, typer.Argument(help="YAML file; none: the defaults.")]


@app.command()
def show(path: ConfigFile = None, settings: Settings = None, as_json: AsJson = False) -> None:
    """Print every value that would be used."""
    import yaml

    from kilnsense.config import MonitorConfig

    config = _load(path, settings or ())
    values = config.model_dump(mode="json")
    if isinstance(config, MonitorConfig):
        from kilnsense.live.source import read_source

        for camera in values["cameras"]:
            camera["source"] = read_source(camera["source"]).shown  # without a password
    if as_json:
        emit_json("config", {"config": values})
    else:
        sys.stdout.write(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


@app.command()
def check(path: ConfigFile = None, settings: Settings = None, as_json: AsJson = False) -> None:
    """Say whether a configuration is good; exit 2 with the reason where it is not."""
    from kilnsense.assemble import check_parts
    from kilnsense.config import MonitorConfig, StudyConfig
    from kilnsense.study.plan import plan_trials

    config = _load(path, settings or ())
    name = config.site if isinstance(config, MonitorConfig) else config.name
    values: dict[str, object] = {"ok": True, "name": name}
    said = name
    if isinstance(config, MonitorConfig):
        from kilnsense.monitor.station import check_monitor_parts

        check_monitor_parts(config)
        values["cameras"] = len(config.cameras)
        said += f", {values['cameras']} cameras"
    elif isinstance(config, StudyConfig):
        values["trials"] = len(plan_trials(config))
        said += f", {values['trials']} trials"
    else:
        check_parts(config)
    if as_json:
        emit_json("config", values)
    else:
        people().print(f"config {path or 'defaults'}: good ({said})")


@app.command()
def schema(
    kind: Annotated[Kind, typer.Option("--of", help="Of what.")] = Kind.model,
) -> None:
    """Print the JSON schema of a configuration, for editors."""
    from pydantic import BaseModel

    from kilnsense.config import Config, MonitorConfig, StudyConfig

    models: dict[Kind, type[BaseModel]] = {
        Kind.model: Config,
        Kind.study: StudyConfig,
        Kind.monitor: MonitorConfig,
    }
    sys.stdout.write(json.dumps(models[kind].model_json_schema(), indent=2) + "\n")


def _load(path: Path | None, settings: "Sequence[str]") -> "Config | StudyConfig | MonitorConfig":
    """A study where the file names its task, a monitor where it names cameras, a model otherwise."""
    from kilnsense.config import load_config, load_monitor, load_study, read_yaml

    values = read_yaml(path) if path is not None else {}
    if path is not None and "task" in values:
        return load_study(path, settings)
    if path is not None and "cameras" in values:
        return load_monitor(path, settings)
    return load_config(path, settings)
