"""`kilnsense monitor`: watch cameras live; `kilnsense monitor report`: what happened in a shift."""

import json
import os
import sys
import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kilnsense.cli.options import AsJson, Settings
from kilnsense.cli.output import emit_json, people
from kilnsense.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kilnsense.config import MonitorConfig

app = typer.Typer(help="Watch cameras live.", invoke_without_command=True)

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="YAML file, such as configs/monitor.yaml.")
]


@app.callback()
def monitor(
    context: typer.Context,
    config_file: ConfigFile = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source", help="rtsp://host/path, /dev/video0, 0, clip.mp4, folder/ or sim:plant; one camera."
        ),
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", "-b", help="Folder of the trained model, of every camera.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Of the one camera.")] = None,
    rate: Annotated[float | None, typer.Option("--rate", help="Decisions a second.")] = None,
    host: Annotated[str | None, typer.Option("--host", help="Address of the page.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port of the page; 0: any free one.")] = None,
    history: Annotated[
        Path | None, typer.Option("--history", help="Folder of the history, pictures and keys.")
    ] = None,
    insecure_lan: Annotated[
        bool, typer.Option("--insecure-lan", help="Let others on the network reach the page, unencrypted.")
    ] = False,
    settings: Settings = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the page.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Every reading as a line of JSON on standard output.")
    ] = False,
) -> None:
    """Watch one or more cameras: the burning state and how sure it is, on a page of this computer.

    Without a camera of your own try: kilnsense monitor --bundle runs/demo/bundle --source sim:plant

    Ctrl-C ends it. It advises, it never controls; a state that cannot be known is shown as UNKNOWN.
    """
    if context.invoked_subcommand is not None:
        sources = [context.get_parameter_source(name) for name in context.params]
        if any(source is not None and source.name != "DEFAULT" for source in sources):
            raise ConfigError(f"monitor {context.invoked_subcommand}: its options stand behind this word")
        return
    camera = {"source": source, "bundle": str(bundle) if bundle else None, "name": name, "rate": rate}
    page = {"web.host": host, "web.port": port, "history.folder": str(history) if history else None}
    over = [f"{key}={json.dumps(value)}" for key, value in page.items() if value is not None]
    if insecure_lan:
        over.append("web.insecure_lan=true")
    config = _config(config_file, camera, [*over, *(settings or ())])
    from kilnsense.monitor.supervisor import Telling, supervise

    def ready(address: str) -> None:
        people().print(f"{len(config.cameras)} camera(s); Ctrl-C ends it. Open:")
        sys.stderr.write(f"{address}\n")  # also under --quiet: without it nobody gets in
        if not no_browser:
            webbrowser.open(address)

    quiet = bool(os.environ.get("KILNSENSE_QUIET"))
    supervise(config, Telling(readings=as_json, quiet=quiet), ready=ready)
    people().print("ended")


@app.command()
def report(
    since: Annotated[str, typer.Option("--since", help="Such as 8h, 30m, 7d, or a UTC time.")] = "8h",
    until: Annotated[str, typer.Option("--until", help="A UTC time; empty: now.")] = "",
    history: Annotated[Path, typer.Option("--history", help="Folder of the history.")] = Path("runs/monitor"),
    site: Annotated[str, typer.Option("--site", help="Its name, for the title.")] = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="HTML file of the report.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a shift report: states, changes, alarms, uptime and pictures, in one HTML file."""
    from kilnsense.record.shift import parse_moment, shift_to_dict
    from kilnsense.record.shift_report import write_shift_report

    now = time.time()
    begin, end = parse_moment(since, now), parse_moment(until, now) if until else now
    path = out or history / f"shift-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(end))}.html"
    shift = write_shift_report(history, path, since=begin, until=end, site=site)
    people().print(f"shift report: {path}")
    if as_json:
        emit_json("monitor-report", {"report": str(path), **shift_to_dict(shift)})


def _config(path: Path | None, given: "Mapping[str, object]", settings: "Sequence[str]") -> "MonitorConfig":
    """The config of a file with the options over its cameras, or of the one camera that the options name."""
    from kilnsense.config import check_monitor, read_yaml

    named = {key: value for key, value in given.items() if value is not None}
    if path is None:
        if missing := [f"--{key}" for key in ("source", "bundle") if key not in named]:
            raise ConfigError(f"monitor: needs {' and '.join(missing)}, or --config with a YAML file")
        return check_monitor({"cameras": [named]}, settings, origin="of the options")
    values = read_yaml(path)
    cameras = values.get("cameras")
    if cameras is None and named:
        values["cameras"] = [named]
    elif isinstance(cameras, list) and named:
        alone = [key for key in ("source", "name") if key in named]
        if alone and len(cameras) > 1:
            raise ConfigError(f"--{alone[0]}: is of one camera, {path} has {len(cameras)}; change the file")
        # What is no mapping stays as it is: checking says so.
        values["cameras"] = [{**each, **named} if isinstance(each, dict) else each for each in cameras]
    return check_monitor(values, settings, origin=str(path))
