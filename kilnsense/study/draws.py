"""The draws of a search as a table: what varied among them, each set of settings once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kilnsense.config import StudyConfig
from kilnsense.record.study_draws import DrawLine, DrawTable
from kilnsense.study.plan import Trial, axis_names, short_value


@dataclass(frozen=True)
class Draw:
    """One set of settings that a search has tried.

    Attributes:
        trial: with the first seed.
        validation: higher is better; None where it failed.
    """

    trial: Trial
    validation: float | None


def draw_table(study: StudyConfig, draws: Sequence[Draw]) -> DrawTable:
    """One line per set of settings, one column per value that differs between two of them.

    A draw that came twice is in it once. A dash stands where a draw leaves the value of the base.
    """
    once = {draw.trial.setting: draw for draw in draws}
    own = {path for variant in study.variants for path in variant.settings}  # their names speak of these
    paths = [
        path
        for path in dict.fromkeys(path for draw in once.values() for path in draw.trial.settings)
        if (path not in own or path in study.search) and len({_key(draw, path) for draw in once.values()}) > 1
    ]
    variants = len({draw.trial.variant for draw in once.values()}) > 1
    lines = []
    for draw in once.values():
        settings = draw.trial.settings
        cells = [short_value(settings[path]) if path in settings else "–" for path in paths]
        if variants:
            cells.insert(0, draw.trial.variant)
        lines.append(DrawLine(draw.trial.setting, tuple(cells), draw.validation))
    return DrawTable((*(["variant"] if variants else []), *axis_names(paths).values()), tuple(lines))


def _key(draw: Draw, path: str) -> Any:
    settings = draw.trial.settings
    return json.dumps(settings[path], sort_keys=True) if path in settings else None
