"""The folder of one run: made, marked as running or done, gone on in, or taken away where nothing came."""

import inspect
import json
import os
import secrets
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kilnsense import __version__
from kilnsense.cli.output import now
from kilnsense.errors import ConfigError, KilnsenseError, StorageError
from kilnsense.record.publish import publish

if TYPE_CHECKING:
    from kilnsense.config import CompareConfig, Config, LabelConfig, StudyConfig

    AnyConfig = Config | StudyConfig | CompareConfig | LabelConfig

RECORD = "run.json"


class StoppedError(KilnsenseError):
    """A person stopped the run; the message says how to go on."""

    exit_code = 130


def begin_folder(
    verb: str, config: "AnyConfig", *, out: Path | None, overwrite: bool, resume: Path | None
) -> Path:
    """A new folder, see `run_folder`, or with `resume` that of a killed run, see `resume_folder`.

    Raises:
        ConfigError, StorageError: as these; or both kinds of folder are asked for.
    """
    if resume is None:
        return run_folder(verb, config, out=out, overwrite=overwrite)
    _expect_alone(out, overwrite=overwrite)
    return resume_folder(resume, verb, config)


def check_folder(
    verb: str, config: "AnyConfig", *, out: Path | None, overwrite: bool, resume: Path | None
) -> None:
    """Refuses what `begin_folder` would refuse, before any work; it changes nothing.

    Raises:
        ConfigError, StorageError: as `begin_folder`.
    """
    if resume is not None:
        _expect_alone(out, overwrite=overwrite)
        resume_folder(resume, verb, config)
    elif out is not None:
        _check_out(out, overwrite=overwrite)
        expect_writable(out, "--out")


def _expect_alone(out: Path | None, *, overwrite: bool) -> None:
    """Refuses other words about folders beside --resume."""
    if out is not None or overwrite:
        raise ConfigError("--resume goes on in its own folder; leave out --out and --overwrite")


def expect_writable(folder: Path, option: str) -> None:
    """Raises StorageError where neither the folder nor the nearest one above it can be written."""
    place = next((parent for parent in (folder, *folder.absolute().parents) if parent.exists()), folder)
    if not place.is_dir() or not os.access(place, os.W_OK) or not _takes_a_file(place):
        raise StorageError(f"{option} {folder}: cannot be written; choose another folder")


def _takes_a_file(folder: Path) -> bool:
    """Whether a file can be made: some file systems promise more than they keep."""
    probe = folder / f".{secrets.token_hex(4)}.part"
    try:
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True


def _check_out(folder: Path, *, overwrite: bool) -> None:
    try:
        if not folder.exists() or not any(folder.iterdir()):
            return
    except OSError as error:
        raise _unwritable(folder, error) from error
    if not overwrite:
        raise ConfigError(f"--out {folder}: is not empty; choose another folder or add --overwrite")
    if not (folder / RECORD).is_file():
        raise ConfigError(f"--out {folder}: holds no {RECORD}, so no earlier run's; choose another folder")
    from kilnsense.record.moving import holds_moved  # brings OpenCV, which `--help` does without

    if holds_moved(folder):
        raise ConfigError(
            f"--out {folder}: holds files that were moved there and are nowhere else; move them back, or "
            f"choose another folder"
        )


def _unwritable(folder: Path, error: OSError) -> StorageError:
    return StorageError(f"--out {folder}: cannot be written ({error.strerror}); choose another folder")


def run_folder(verb: str, config: "AnyConfig", *, out: Path | None, overwrite: bool = False) -> Path:
    """Creates the folder of one run: `out`, or ``runs/<verb>/<UTC time>-<name>``, and marks it as running.

    An earlier run in `out` is deleted here, so check everything else before.

    Raises:
        ConfigError: `out` holds something and `overwrite` was not asked for, or is no run's folder.
        StorageError: it cannot be created.
    """
    folder = out or Path("runs") / verb / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{config.name}"
    _check_out(folder, overwrite=overwrite)
    try:
        if folder.exists() and any(folder.iterdir()):
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    # Marks the folder as ours from the start, so that a killed run can be replaced or resumed.
    _publish(folder, verb, {"state": "running", "started": now(), "config": _plain(config)})
    return folder


def resume_folder(folder: Path, verb: str, config: "AnyConfig") -> Path:
    """The folder of a killed run of the same verb and config, to go on in.

    Raises:
        ConfigError: it is no such folder, or the run in it is finished; names the first setting that differs.
    """
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--resume {folder}: holds no readable {RECORD}; give the folder of a killed `kilnsense {verb}`"
        ) from error
    if not isinstance(record, dict) or record.get("schema") != _schema(verb):
        raise ConfigError(
            f"--resume {folder}: its {RECORD} is not of `kilnsense {verb}`; give the folder of a killed one"
        )
    if record.get("state") == "done":
        raise ConfigError(
            f"--resume {folder}: is finished already; nothing to resume; start anew without --resume"
        )
    begun = record.get("config")
    if other := _difference(begun if isinstance(begun, dict) else {}, _plain(config)):
        raise ConfigError(
            f"--resume {folder}: {other}; give the config and the --set that it was started with, or start "
            f"anew without --resume"
        )
    return folder


@contextmanager
def tidied(folder: Path) -> Iterator[None]:
    """Takes the folder away where what runs in here fails before it leaves anything to go on from."""
    try:
        yield
    except BaseException:
        if [path.name for path in folder.iterdir()] == [RECORD]:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def option_words(command: Callable[..., None], given: Mapping[str, Any]) -> list[str]:
    """The options of a command that are not at its defaults, as words; one for each item of several."""
    parameters, words = inspect.signature(command).parameters, []
    for name, value in given.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, list | tuple):
            words += [f"{flag}={item}" for item in value]
        elif value != parameters[name].default:
            words.append(flag if value is True else f"{flag}={value}")
    return words


@contextmanager
def resumable(folder: Path, again: Sequence[str]) -> Iterator[None]:
    """`tidied`, for a run that can go on: at Ctrl-C it says how, where there is anything to go on from.

    Args:
        folder: of the run.
        again: the words of the command, without its options about folders.

    Raises:
        StoppedError: Ctrl-C.
    """
    try:
        with tidied(folder):
            yield
    except KeyboardInterrupt as error:
        if not folder.exists():
            raise
        raise StoppedError(
            f"interrupted; go on with: {shlex.join([*again, '--resume', str(folder)])}"
        ) from error


def write_run(
    folder: Path, verb: str, *, started: str, config: "AnyConfig", values: Mapping[str, Any]
) -> None:
    """Writes run.json: what ran, with what, from when to when. Raises StorageError."""
    _publish(
        folder,
        verb,
        {"state": "done", "started": started, "ended": now(), "config": _plain(config), **values},
    )


def _publish(folder: Path, verb: str, values: Mapping[str, Any]) -> None:
    record = {"schema": _schema(verb), "version": __version__, "arguments": sys.argv[1:], **values}
    publish(folder / RECORD, [json.dumps(record, indent=2, allow_nan=False) + "\n"])


def _schema(verb: str) -> str:
    return f"kilnsense.{verb}/1"


def _plain(config: "AnyConfig") -> dict[str, Any]:
    return config.model_dump(mode="json")


def _difference(begun: Mapping[str, Any], wanted: Mapping[str, Any], path: str = "") -> str:
    """The first setting that differs, in words; an empty string where none does."""
    for key in (*wanted, *(key for key in begun if key not in wanted)):
        old, new = begun.get(key), wanted.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            return _difference(old, new, f"{path}{key}.")
        return f"it was started with {path}{key} {old!r}, got {new!r}"
    return ""
