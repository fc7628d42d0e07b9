"""What a study found, arranged for its page: table, sweeps, learning curves and pictures of embeddings."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from kilnsense import __version__
from kilnsense.config import StudyConfig
from kilnsense.record.report import Figure
from kilnsense.record.study_draws import DrawTable
from kilnsense.record.study_page import (
    Cloud,
    Curve,
    Embedding,
    Failure,
    Result,
    Series,
    StudyPage,
    Sweep,
)
from kilnsense.render.sequence import is_simulated
from kilnsense.study.draws import Draw, draw_table
from kilnsense.study.plan import axis_names, setting_label
from kilnsense.study.table import best_result, tabulate
from kilnsense.study.trouble import trouble_in
from kilnsense.study.workers import Finished
from kilnsense.training.history import Epoch, History

MOST_SETTINGS = 8
"""So many settings, the best ones, have learning curves and lines in a sweep: more cannot be told apart."""

MOST_EMBEDDINGS = 8
"""So many variants have their embeddings drawn: each picture holds thousands of points."""

_FOLDS = (
    "The spread of the seeds holds two things: each seed deals the groups into other folds, and starts the "
    "networks elsewhere."
)
_TRIPLETS = {"easy": "easy", "semi_hard": "semi-hard", "hard": "hard"}
_PAIRS = {"genuine": "genuine", "inside": "inside", "beyond": "beyond"}


def make_page(
    study: StudyConfig, finished: Sequence[Finished], *, command: str, ended: str, draws: Sequence[Draw] = ()
) -> StudyPage:
    """The page of a study, or of what a search found best.

    Args:
        study: the study.
        finished: all trials to speak of.
        command: that made it.
        ended: when, ISO-8601.
        draws: all of a search.
    """
    results = tabulate(finished)
    decisive = best_result(results)
    ranked = _ranked(results, decisive)
    table = draw_table(study, draws) if draws else None
    return StudyPage(
        title=study.title or study.name,
        results=results,
        measure=decisive.measure if decisive is not None else "",
        figures=_figures(study, finished, decisive, table),
        synthetic=is_simulated(Path(study.base.data.root)),
        spread_note=_FOLDS if study.task == "frames" else "",
        draws=table,
        sweeps=_sweeps(study, finished, results, decisive) if decisive is not None else (),
        curves=_curves(finished, ranked[:MOST_SETTINGS]),
        embeddings=_embeddings(finished, ranked),
        failures=tuple(Failure(one.trial.name, one.message) for one in finished if one.outcome is None),
        troubles=_troubles(finished, ranked),
        provenance=(
            ("command", command),
            ("ended", ended),
            ("version", f"kilnsense {__version__}"),
            ("data", study.base.data.root),
        ),
        config=yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False, allow_unicode=True),
    )


def _ranked(results: Sequence[Result], decisive: Result | None) -> list[str]:
    """All settings, best first by what decides."""
    if decisive is None:
        return []
    kind = (decisive.features, decisive.judge, decisive.measure)
    return [row.name for row in results if (row.features, row.judge, row.measure) == kind]


def _figures(
    study: StudyConfig, finished: Sequence[Finished], decisive: Result | None, table: DrawTable | None
) -> tuple[Figure, ...]:
    good = [one for one in finished if one.outcome is not None]
    if table is None:
        settings = {one.trial.setting for one in finished}
        remark = f"{len(good)} of {len(finished)} trials have a result"
        figures = [Figure("settings", str(len(settings)), remark)]
    else:
        known = sum(line.validation is not None for line in table.lines)
        remark = f"{known} of them have a result; no choice looks at test scores"
        figures = [Figure("settings tried", str(len(table.lines)), remark)]
    best = [one.outcome for one in good if one.outcome and decisive and one.trial.setting == decisive.name]
    if best:
        mean = sum(outcome.validation for outcome in best) / len(best)
        figures.append(
            Figure(
                "validation of the best",
                f"{mean:.3f}",
                "mean of its seeds; these data chose the epochs, no test score is of them",
            )
        )
    speeds = [outcome.images_per_second for outcome in best if outcome.images_per_second > 0]
    if speeds:
        speed = sum(speeds) / len(speeds)
        figures.append(
            Figure(
                "images per second", f"{speed:,.0f}", f"in training; threads: {study.base.training.threads}"
            )
        )
    return tuple(figures)


def _curves(finished: Sequence[Finished], settings: Sequence[str]) -> tuple[Curve, ...]:
    """One per network; the page takes the mean of those of one setting."""
    return tuple(
        _curve(setting, history)
        for setting in settings
        for one in finished
        if one.trial.setting == setting and one.outcome is not None
        for history in one.outcome.histories
        if len(history.epochs) > 1
    )


def _curve(setting: str, history: History) -> Curve:
    epochs = history.epochs[1:]
    names = _PAIRS if any(epoch.genuine + epoch.beyond + epoch.inside for epoch in epochs) else _TRIPLETS
    kinds = {word: _counts(epochs, name) for name, word in names.items()}
    return Curve(
        name=setting,
        loss=tuple(epoch.loss if math.isfinite(epoch.loss) else math.nan for epoch in epochs),
        accuracy=tuple(epoch.accuracy for epoch in epochs),
        kinds=kinds if any(map(sum, kinds.values())) else None,
    )


def _troubles(finished: Sequence[Finished], ranked: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """One line per setting in which anything went wrong, summed over seeds and networks."""
    lines = []
    for setting in ranked:
        same = [one.outcome for one in finished if one.trial.setting == setting and one.outcome is not None]
        words = trouble_in(history for outcome in same for history in outcome.histories).words
        if words:
            lines.append((setting, words))
    return tuple(lines)


def _counts(epochs: Sequence[Epoch], name: str) -> tuple[float, ...]:
    return tuple(float(getattr(epoch, name)) for epoch in epochs)


def _embeddings(finished: Sequence[Finished], ranked: Sequence[str]) -> tuple[Embedding, ...]:
    """Of every variant the best setting, first seed."""
    chosen: dict[str, Finished] = {}
    for setting in ranked:
        for one in finished:
            drawn = one.outcome is not None and len(one.outcome.points) > 0
            if one.trial.setting == setting and drawn and one.trial.variant not in chosen:
                chosen[one.trial.variant] = one
    return tuple(_embedding(one) for one in list(chosen.values())[:MOST_EMBEDDINGS])


def _embedding(one: Finished) -> Embedding:
    assert one.outcome is not None  # only drawn ones come here
    points = one.outcome.points
    captions = list(dict.fromkeys(part.caption for part in points if part.caption))
    return Embedding(
        name=one.trial.setting,
        classes=one.outcome.classes,
        clouds=tuple(Cloud(part.part, part.xy, part.labels) for part in points),
        note="; ".join([*captions, f"seed {one.trial.seed}"]),
    )


def _sweeps(
    study: StudyConfig, finished: Sequence[Finished], results: Sequence[Result], decisive: Result
) -> tuple[Sweep, ...]:
    """One per number of the grid that varies, the margin first; a line per combination of all else.

    There is none where no line has two points with a result.
    """
    axes = [path for path, values in study.grid.items() if sum(map(_is_number, values)) > 1]
    by_name = {
        row.name: row
        for row in results
        if (row.features, row.judge, row.measure) == (decisive.features, decisive.judge, decisive.measure)
    }
    trials = {one.trial.setting: one.trial for one in finished}
    sweeps = []
    for axis in sorted(axes, key=lambda path: path != "metric.margin"):
        others = [path for path, values in study.grid.items() if path != axis and len(values) > 1]
        names = axis_names(others)
        lines: dict[str, list[tuple[float, float, float | None]]] = {}
        for setting, row in by_name.items():
            settings = trials[setting].settings
            if _is_number(settings[axis]):
                rest = {names[path]: settings[path] for path in others}
                label = setting_label(trials[setting].variant if study.variants else "", rest)
                lines.setdefault(label, []).append((float(settings[axis]), row.mean, row.spread))
        if any(len(points) > 1 for points in lines.values()):
            sweeps.append(Sweep(axis, decisive.measure, _series(lines), _held(decisive, len(lines))))
    return tuple(sweeps)


def _series(lines: dict[str, list[tuple[float, float, float | None]]]) -> tuple[Series, ...]:
    best = sorted(lines, key=lambda label: -max(mean for _, mean, _ in lines[label]))[:MOST_SETTINGS]
    return tuple(Series(label, tuple(sorted(lines[label], key=lambda point: point[0]))) for label in best)


def _held(decisive: Result, lines: int) -> str:
    left_out = f"; the best {MOST_SETTINGS} of {lines} lines" if lines > MOST_SETTINGS else ""
    return f"{decisive.features}, {decisive.judge}{left_out}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
