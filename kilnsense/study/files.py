"""What a study leaves for programs and people: study.csv, study.json and study.html."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

from kilnsense.config import Config, StudyConfig
from kilnsense.record.publish import publish
from kilnsense.record.study_page import Result, StudyPage, render_study
from kilnsense.study.outcome import Outcome
from kilnsense.study.table import best_result, csv_lines
from kilnsense.study.trouble import trouble_in
from kilnsense.study.workers import Finished

Values = dict[str, Any]


def summarise(study: StudyConfig, finished: Sequence[Finished], results: Sequence[Result]) -> Values:
    """All figures of a study as JSON holds them.

    ``rows``: the table. ``settings``: one entry per setting, with what was set, its mean validation, speed
    and notes, and what went wrong in training (see `Trouble`). ``best``: the row with the highest mean of the
    first measure, and what was set; None where every trial failed. ``failures``: trials and messages.
    """
    settings: dict[str, list[Finished]] = {}
    for one in finished:
        settings.setdefault(one.trial.setting, []).append(one)
    entries = {name: _entry(name, same) for name, same in settings.items()}
    best = best_result(results)
    return {
        "name": study.name,
        "task": study.task,
        "best": None if best is None else {**entries[best.name], **asdict(best)},
        "rows": [asdict(result) for result in results],
        "settings": list(entries.values()),
        "failures": [
            {"trial": one.trial.name, "message": one.message} for one in finished if one.outcome is None
        ],
    }


def write_results(
    folder: Path, values: Mapping[str, Any], results: Sequence[Result], page: StudyPage
) -> None:
    """Writes the three files. Raises StorageError; MissingExtraError where nothing can be plotted."""
    publish(folder / "study.csv", csv_lines(results))
    text = json.dumps({"schema": "kilnsense.study/1", **values}, indent=2, allow_nan=False)
    publish(folder / "study.json", [text + "\n"])
    publish(folder / "study.html", [render_study(page)])


def config_yaml(config: Config) -> str:
    """A whole model configuration as YAML, every value written out, as `kilnsense train` takes it."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def set_options(settings: Mapping[str, Any]) -> list[str]:
    """Settings at dotted paths as values of `--set` for `kilnsense train`."""
    return [f"{path}={_flow(value)}" for path, value in settings.items()]


def _flow(value: Any) -> str:
    # A bare value ends with YAML's mark for the end of a document.
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    return text.removesuffix("...\n").strip()


def _entry(name: str, same: Sequence[Finished]) -> Values:
    good = [one.outcome for one in same if one.outcome is not None]
    trouble = trouble_in(history for outcome in good for history in outcome.histories)
    return {
        "name": name,
        "variant": same[0].trial.variant,
        "settings": same[0].trial.settings,
        "trials": [one.trial.name for one in same],
        "validation": mean(outcome.validation for outcome in good) if good else None,
        "images_per_second": mean(outcome.images_per_second for outcome in good) if good else None,
        "notes": _notes(good),
        "empty": trouble.empty,
        "skipped": trouble.skipped,
        "collapsed": list(trouble.collapsed),
    }


def _notes(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """The mean of every note over the outcomes that have it."""
    names = dict.fromkeys(name for outcome in outcomes for name in outcome.notes)
    return {
        name: mean(outcome.notes[name] for outcome in outcomes if name in outcome.notes) for name in names
    }
