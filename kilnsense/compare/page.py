"""From the figures of a comparison to its page."""

import platform
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
import yaml

from kilnsense import __version__
from kilnsense.compare.entrants import BASELINES
from kilnsense.compare.gallery import Shown
from kilnsense.compare.run import Outcome
from kilnsense.compare.slices import Slice
from kilnsense.compare.summary import Summary
from kilnsense.compare.tables import (
    COLUMNS,
    classes_table,
    costs_table,
    leak_table,
    left_out_table,
    measures_table,
    pairs_table,
    score_lines,
    slices_table,
)
from kilnsense.compare.verdict import (
    amount,
    beside_baselines,
    cautions,
    left_out_words,
    p_value,
    verdict,
)
from kilnsense.record.compare_page import ComparePage
from kilnsense.record.compare_plots import coverages_svg
from kilnsense.record.plots import reliability_svg, scatter_svg
from kilnsense.record.report import Figure, Plot


def make_page(
    outcome: Outcome,
    summary: Summary,
    shown: Shown,
    found: Sequence[Slice],
    *,
    synthetic: bool,
    command: str,
    made: str,
) -> ComparePage:
    """The page of a comparison.

    Args:
        outcome, summary, shown, found: what was said, its figures, the frames to show, the slices.
        synthetic: the frames are rendered.
        command: that made it.
        made: UTC time.
    """
    settings, data = outcome.settings, outcome.compared.data
    measure, lower = summary.measure, "higher" if summary.measure.higher else "lower"
    axis, lines = score_lines(summary)
    groups = len(set(data.groups.tolist()))
    return ComparePage(
        title=(
            f"{settings.name}: {len(settings.classifiers)} classifier"
            f"{'' if len(settings.classifiers) == 1 else 's'} on {len(data)} frames of {groups} groups"
        ),
        verdict=verdict(summary),
        beside=beside_baselines(outcome, summary),
        cautions=tuple(cautions(outcome, summary)),
        notes=tuple(left_out_words(outcome.compared)),
        figures=_figures(summary),
        metric=(measure.title, lower),
        axis=axis,
        columns=COLUMNS,
        scores=lines,
        protocol=_protocol(outcome),
        pairs=pairs_table(summary),
        leak=leak_table(outcome),
        grids=(measures_table(summary), classes_table(summary), costs_table(outcome)),
        slices=slices_table(summary, found),
        classes=data.classes,
        matrices=shown.matrices,
        plots=_plots(outcome, summary),
        galleries=shown.galleries,
        left_out=left_out_table(outcome),
        pictures=shown.pictures,
        notice="Synthetic: the frames are rendered, not filmed." if synthetic else "",
        provenance=_provenance(outcome, summary, command, made),
        config=yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False),
    )


def _figures(summary: Summary) -> tuple[Figure, ...]:
    best, metric, measure = summary.best, summary.metric, summary.measure
    score, rivals = (
        best.scores[metric],
        [one for one in summary.standings if one is not best and not one.baseline],
    )
    figures = [
        Figure(
            f"{best.name}, {measure.title}",
            f"{score.value:.3f}",
            f"95 %: {score.low:.3f} to {score.high:.3f}",
        )
    ]
    if rivals:
        found = summary.between(best.name, rivals[0].name)
        unit = "" if measure.scale == "amount" else " points"
        state = "told apart" if found.real else "not told apart"
        figures.append(
            Figure(
                "lead over the next",
                f"{amount(found.lead, measure)}{unit}",
                f"{rivals[0].name}; {state}, {p_value(found.p_holm)}",
            )
        )
    baseline = next(one for one in summary.standings if one.baseline)
    figures.append(Figure("best baseline", f"{baseline.scores[metric].value:.3f}", baseline.name))
    named, right = best.scores["coverage"], best.scores["accepted_accuracy"]
    figures.append(Figure("states named", f"{named.value:.0%}", f"{right.value:.1%} of them right"))
    return tuple(figures)


def _protocol(outcome: Outcome) -> str:
    settings = outcome.settings
    fitted = "fusion, classifier, calibration and thresholds"
    if settings.frozen:
        fitted = f"the bundle's regions and networks were kept; {fitted}"
    else:
        fitted = f"regions, {'networks, ' if settings.base.training.enabled else ''}{fitted}"
    tuned = " Options of the classifiers were searched for within every fold." if settings.tune else ""
    return (
        f"{settings.folds} folds by {outcome.compared.grouping.words}, dealt {_times(settings.repeats)}; "
        f"{fitted} were fitted anew in each, and all classifiers saw the same folds.{tuned}"
    )


def _plots(outcome: Outcome, summary: Summary) -> tuple[Plot, ...]:
    labels, repeats = outcome.compared.data.labels, outcome.settings.repeats
    truth = np.tile(labels, repeats)
    names = [one.name for one in summary.standings if not one.baseline]
    answers = {}
    for name in names:
        table = outcome.probabilities[name].reshape(-1, outcome.probabilities[name].shape[2])
        named = outcome.reasons[name].reshape(-1) == "accepted"
        answers[name] = (table.max(axis=1), table.argmax(axis=1) == truth, named)
    plots = [
        Plot(
            "How much may be named, and how right it is then",
            coverages_svg(answers),
            "Marks: the classifier with its own thresholds, which also refuse unfamiliar frames.",
        )
    ]
    for name in names:
        error = next(one for one in summary.standings if one.name == name).scores["calibration_error"]
        plots.append(
            Plot(
                f"Reliability of {name}",
                reliability_svg(answers[name][0], answers[name][1]),
                f"Calibration error {error.value:.3f}. Below the dashes: surer than right.",
            )
        )
    points = outcome.points
    axes = tuple(
        f"component {place} ({share:.0%} of variance)" for place, share in enumerate(points.shares, 1)
    )
    plots.append(
        Plot(
            f"Map of the {points.what}, first fold",
            scatter_svg(
                points.xy,
                [outcome.settings.base.classes[label] for label in points.labels],
                points.held_out.tolist(),
                classes=outcome.settings.base.classes,
                axes=(axes[0], axes[1]),
            ),
            "The plane of most variance. Hollow: learned from; filled: judged.",
        )
    )
    return tuple(plots)


def _provenance(outcome: Outcome, summary: Summary, command: str, made: str) -> tuple[tuple[str, str], ...]:
    settings, compared = outcome.settings, outcome.compared
    seconds = sum(result.seconds for result in outcome.results)
    reused = sum(result.reused for result in outcome.results)
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scikit-learn", "torch"))
    return (
        ("command", command),
        ("model", f"bundle {settings.bundle}" if settings.bundle else f"config {settings.base.name}"),
        ("data", settings.base.data.root),
        ("fingerprint of the data", compared.fingerprint[:16]),
        ("groups", f"{len(set(compared.data.groups.tolist()))}, {compared.grouping.words}"),
        ("seeds", ", ".join(str(settings.base.seed + repeat) for repeat in range(settings.repeats))),
        (
            "regions and networks",
            f"{seconds:.0f} s of one core; {reused} of {len(outcome.results)} folds found ready",
        ),
        ("baselines", "; ".join(f"{name}: {what}" for name, what in BASELINES.items())),
        (
            "options",
            "; ".join(
                f"{one.name}: {' / '.join(one.options)}" for one in summary.standings if not one.baseline
            ),
        ),
        ("versions", f"kilnsense {__version__}, Python {platform.python_version()}, {packages}"),
        ("made", made),
    )


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
