"""From a study's configuration to its trials: variants x grid x seeds, each one checked before any work."""

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from kilnsense.assemble import AS_DRAWN, check_parts
from kilnsense.classify.models import CLASSIFIERS
from kilnsense.config import Config, StudyConfig, Variant, overlay
from kilnsense.errors import ConfigError
from kilnsense.parts import pick
from kilnsense.study.unread import TUPLES, check_sections, draws_tuples

NEAREST = "nearest"
"""The judge that looks at the nearest samples by the distance that was trained for."""

BASE = "base"
"""The variant of a study that names none."""

_LONGEST = 72  # characters in the name of a folder
_SHOWN = 28  # characters of one value in a name


@dataclass(frozen=True)
class Trial:
    """One model to train and judge.

    Attributes:
        name: of its folder: short, unique in the study, safe on every file system.
        setting: what sets it apart from the others, in words; the same for all its seeds.
        variant: the variant it belongs to.
        settings: dotted paths of the base -> values.
        seed: of all chance in it.
    """

    name: str
    setting: str
    variant: str
    settings: dict[str, Any]
    seed: int


def plan_trials(study: StudyConfig) -> tuple[Trial, ...]:
    """All trials of the grid in a stable order: variants, then the grid's combinations, then seeds.

    Every trial's config has been built and its parts checked when this returns.

    Raises:
        ConfigError: an unknown judge; a path that nothing in the study reads; a combination that does not
            fit, named with what to change.
    """
    check_judges(study)
    check_sections(study)
    # Of a variant its name speaks; of the grid only what varies.
    axes = axis_names([path for path, values in study.grid.items() if len(values) > 1])
    trials: list[Trial] = []
    labels: set[str] = set()
    names: set[str] = set()
    for variant, settings in _combinations(study):
        shown = {name: settings[path] for path, name in axes.items()}
        label = _fresh(setting_label(variant.name if study.variants else "", shown), labels)
        folder = _fresh(_slug(label), names)
        for seed in study.seeds:
            trial = Trial(f"{folder}_s{seed}", label, variant.name, settings, seed)
            config = trial_config(study, trial)
            if TUPLES in settings and not draws_tuples(config):
                raise ConfigError(
                    f"study {study.name}, trial {label}: {TUPLES} is read by miner {AS_DRAWN} alone; set it "
                    f"in variants that set metric.miner to {AS_DRAWN}"
                )
            trials.append(trial)
    return tuple(trials)


def trial_config(study: StudyConfig, trial: Trial) -> Config:
    """The base with the settings and the seed of a trial, built and its parts checked.

    Raises:
        ConfigError: it does not fit; the message names the study and the trial's settings.
    """
    where = f"study {study.name}, trial {trial.setting}"
    config = overlay(study.base, {**trial.settings, "seed": trial.seed}, origin=where)
    try:
        check_parts(config)
    except ConfigError as error:
        raise ConfigError(
            f"{where}: {error}; change the variant, take the value out of grid or search, or change the base"
        ) from error
    return config


def check_judges(study: StudyConfig) -> None:
    """Raises ConfigError where a judge is neither `NEAREST` nor a classifier, or is named twice."""
    for judge in study.judges:
        pick({NEAREST: None, **CLASSIFIERS}, judge, kind="judges")
    if len(set(study.judges)) != len(study.judges):
        raise ConfigError(f"judges: got {list(study.judges)}, allowed: every judge once")


def study_variants(study: StudyConfig) -> tuple[Variant, ...]:
    """The variants, or the one that changes nothing. Raises ConfigError where two sources set one path."""
    variants = study.variants or (Variant(name=BASE),)
    for variant in variants:
        for path in variant.settings:
            for key in study.grid:
                if overlap(path, key):
                    raise ConfigError(
                        f"study {study.name}: variant {variant.name!r} sets {path} and the grid sets {key}; "
                        "take one of them out"
                    )
    if any("seed" in settings for settings in (study.grid, *(variant.settings for variant in variants))):
        raise ConfigError(f"study {study.name}: got seed as a setting; give the numbers in `seeds`")
    return variants


def setting_label(variant: str, shown: Mapping[str, Any]) -> str:
    """What sets a trial apart, in words: ``semi_hard, margin 0.2``; `BASE` where nothing does."""
    words = [variant] if variant else []
    words += [f"{axis} {short_value(value)}" for axis, value in shown.items()]
    return ", ".join(words) or BASE


def axis_names(paths: Sequence[str]) -> dict[str, str]:
    """Dotted paths -> the shortest endings that tell them apart: ``metric.margin`` -> ``margin``."""
    names = {}
    for path in paths:
        parts = path.split(".")
        others = [other.split(".") for other in paths if other != path]
        size = next(
            (n for n in range(1, len(parts)) if all(other[-n:] != parts[-n:] for other in others)), len(parts)
        )
        names[path] = ".".join(parts[-size:])
    return names


def short_value(value: Any) -> str:
    """A setting's value in a few characters: lists with +, mappings as key=value."""
    if isinstance(value, Mapping):
        text = "+".join(f"{key}={short_value(item)}" for key, item in value.items()) or "none"
    elif isinstance(value, list | tuple):
        text = "+".join(short_value(item) for item in value) or "none"
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, float):
        text = f"{value:.6g}"
    else:
        text = "default" if value is None else str(value) or "none"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 9]}~{zlib.crc32(text.encode()):08x}"


def _combinations(study: StudyConfig) -> list[tuple[Variant, dict[str, Any]]]:
    for path, values in study.grid.items():
        texts = [json.dumps(value, sort_keys=True, default=str) for value in values]
        twice = next((text for text in texts if texts.count(text) > 1), None)
        if twice is not None:
            raise ConfigError(f"grid.{path}: got {twice} twice, allowed: every value once")
    grids = [dict(zip(study.grid, values, strict=True)) for values in product(*study.grid.values())]
    return [(variant, {**variant.settings, **grid}) for variant in study_variants(study) for grid in grids]


def overlap(path: str, key: str) -> bool:
    """Whether two dotted paths set the same value, or one of them a section that the other is in."""
    return f"{path}.".startswith(f"{key}.") or f"{key}.".startswith(f"{path}.")


def _slug(label: str) -> str:
    text = "_".join(re.sub(r"[^A-Za-z0-9.=+~-]+", "-", word).strip("-.") for word in label.split(", "))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 9]}~{zlib.crc32(label.encode()):08x}"


def _fresh(text: str, taken: set[str]) -> str:
    """The text, numbered where it is taken in whatever case; takes it."""
    name, number = text, 2
    while name.casefold() in taken:
        name, number = f"{text}~{number}", number + 1
    taken.add(name.casefold())
    return name
