"""From YAML, environment and command line to a checked configuration.

Order of precedence: ``--set a.b=c`` over ``KILNSENSE_A__B=c`` in the environment over the file over the
defaults. Nothing unknown is ever dropped: an unknown key is an error with its dotted path and a near match.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from kilnsense.config.compare import CompareConfig
from kilnsense.config.label import LabelConfig
from kilnsense.config.monitor import MonitorConfig
from kilnsense.config.sections import Config
from kilnsense.config.study import StudyConfig
from kilnsense.errors import ConfigError
from kilnsense.parts import near_match

Checked = TypeVar("Checked", Config, StudyConfig, CompareConfig, LabelConfig, MonitorConfig)


def load_config(path: Path | None = None, settings: Sequence[str] = ()) -> Config:
    """Reads a YAML file and lays the environment and `settings` (``a.b=c``) over it.

    Raises:
        ConfigError: the file is missing or no YAML mapping, a key is unknown, a value does not fit.
    """
    values: dict[str, Any] = read_yaml(path) if path is not None else {}
    _lay_environment(values)
    _lay_settings(values, settings)
    return check_config(values, origin=str(path) if path else "settings")


def load_study(path: Path, settings: Sequence[str] = ()) -> StudyConfig:
    """Reads the YAML file of a study; the environment is laid over its `base`, `settings` over all of it.

    Raises:
        ConfigError: as `load_config`.
    """
    values = read_yaml(path)
    base = values.setdefault("base", {})
    if isinstance(base, dict):
        _lay_environment(base)
    _lay_settings(values, settings)
    return _checked(StudyConfig, values, origin=str(path))


def load_monitor(path: Path, settings: Sequence[str] = ()) -> MonitorConfig:
    """Reads the YAML file of a live monitor and lays `settings` (``a.b=c``) over it.

    Raises:
        ConfigError: as `load_config`.
    """
    return check_monitor(read_yaml(path), settings, origin=str(path))


def check_monitor(
    values: Mapping[str, Any], settings: Sequence[str] = (), *, origin: str = "of the monitor"
) -> MonitorConfig:
    """Validates the settings of a live monitor, with `settings` (``a.b=c``) laid over them.

    Raises:
        ConfigError: as `check_config`.
    """
    laid = dict(values)
    _lay_environment(laid)
    _lay_settings(laid, settings)
    return _checked(MonitorConfig, laid, origin=origin)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping from a file. Raises ConfigError where it is missing or no mapping."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"config {path}: cannot be read ({error.strerror}); give the path of a YAML file"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"config {path}: is no YAML ({' '.join(str(error).split())})") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"config {path}: got a {type(values).__name__}, allowed: a mapping of sections")
    return values


def check_config(values: Mapping[str, Any], *, origin: str) -> Config:
    """Validates plain values, as from YAML or JSON.

    Raises:
        ConfigError: names the first offending dotted path, what was found, what is allowed.
    """
    return _checked(Config, values, origin=origin)


def check_comparison(values: Mapping[str, Any]) -> CompareConfig:
    """Validates the settings of a comparison. Raises ConfigError as `check_config`."""
    return _checked(CompareConfig, values, origin="of the comparison")


def check_labelling(values: Mapping[str, Any]) -> LabelConfig:
    """Validates the settings of a labelling run. Raises ConfigError as `check_config`."""
    return _checked(LabelConfig, values, origin="of the labelling")


def override(config: Config, settings: Sequence[str]) -> Config:
    """The config with `settings` (``a.b=c``) laid over it. Raises ConfigError as `load_config`."""
    values = config.model_dump()
    _lay_settings(values, settings)
    return check_config(values, origin="settings")


def overlay(config: Config, settings: Mapping[str, Any], *, origin: str) -> Config:
    """The config with other values at dotted paths, such as ``{"metric.margin": 0.3}``, checked anew.

    Raises:
        ConfigError: as `check_config`.
    """
    values = config.model_dump()
    for key, value in settings.items():
        _put(values, key.split("."), value, origin=origin)
    return check_config(values, origin=origin)


def _checked(model: type[Checked], values: Mapping[str, Any], *, origin: str) -> Checked:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"config {origin}: {_explain(model, error)}") from error


def _lay_environment(values: dict[str, Any]) -> None:
    for name, text in sorted(os.environ.items()):
        if name.startswith("KILNSENSE_") and "__" in name:
            _lay(values, name.removeprefix("KILNSENSE_").lower().split("__"), text, origin=name)


def _lay_settings(values: dict[str, Any], settings: Sequence[str]) -> None:
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set: got {setting!r}, allowed: a.b=value")
        _lay(values, key.split("."), text, origin=f"--set {key}")


def _lay(values: dict[str, Any], keys: list[str], text: str, *, origin: str) -> None:
    try:
        _put(values, keys, yaml.safe_load(text), origin=origin)
    except yaml.YAMLError as error:
        raise ConfigError(f"{origin}: got {text!r}, which is no YAML value") from error


def _put(values: dict[str, Any], keys: list[str], value: object, *, origin: str) -> None:
    node = values
    for key in keys[:-1]:
        node = node.setdefault(key, {})
        if not isinstance(node, dict):
            raise ConfigError(f"{origin}: {key!r} is a value, not a section")
    node[keys[-1]] = value


def _explain(model: type[BaseModel], error: ValidationError) -> str:
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        allowed = _fields_at(model, first["loc"][:-1])
        hint = near_match(str(first["loc"][-1]), allowed)
        return f"unknown key {path!r}{hint or '; allowed: ' + ', '.join(allowed)}"
    got = "" if first["type"] == "value_error" else f", got {first['input']!r}"
    if first["type"] == "string_type" and first["input"] is None:
        got += "; write '' for an empty text"
    message = first["msg"].removeprefix("Value error, ")
    rest = len(error.errors()) - 1
    more = f" (and {rest} more)" if rest else ""
    return f"{path + ': ' if path else ''}{message}{got}{more}"


def _fields_at(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    for key in path:
        if key in model.model_fields:  # not the number of an entry or a key of a mapping
            model = _section_in(model.model_fields[str(key)].annotation) or model
    return list(model.model_fields)


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds, on its own or in a tuple, a mapping or a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_section_in, get_args(annotation))), None)
