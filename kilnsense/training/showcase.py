"""The page of a trial: what was said of held-out frames, how good that is, and what it rests on."""

from collections.abc import Sequence

import numpy as np
import yaml

from kilnsense import __version__
from kilnsense.bundle import Bundle
from kilnsense.classify.metrics import confusion
from kilnsense.recogniser import represent
from kilnsense.record.plots import coverage_svg, lines_svg, project, reliability_svg, scatter_svg
from kilnsense.record.report import Confusion, Figure, FrameCard, Plot, Report, ScoreRow
from kilnsense.segment.overlay import named_overlay
from kilnsense.training.learn import Learned
from kilnsense.training.trial import Row, Trial

SHOWN = 9
"""Frames on the page."""


def make_report(bundle: Bundle, learned: Learned, trial: Trial, *, synthetic: bool = False) -> Report:
    """The page about a model and what it said of held-out frames; `synthetic`: they are rendered."""
    measures, best = trial.evaluation.measures, _best_baseline(trial.rows)
    gain = measures.balanced_accuracy - best.measures.balanced_accuracy
    groups = sorted(set(trial.data.groups.tolist()))
    counts = confusion(trial.evaluation.truth, trial.evaluation.predicted, classes=len(bundle.classes))
    return Report(
        title=f"{bundle.config.name}: burning state of {len(groups)} held-out runs",
        answer=(
            f"The model names the state of {measures.coverage:.0%} of {len(trial.records)} frames from "
            f"{len(groups)} runs that it had not seen, and {measures.accepted_accuracy:.1%} of those are "
            f"right. Balanced accuracy {measures.balanced_accuracy:.3f}: {abs(gain):.3f} "
            f"{'above' if gain >= 0 else 'below'} the best baseline."
        ),
        notice="Synthetic: the frames are rendered, not filmed." if synthetic else "",
        figures=(
            Figure("balanced accuracy", f"{measures.balanced_accuracy:.3f}", "all frames, named or not"),
            Figure("best baseline", f"{best.measures.balanced_accuracy:.3f}", _named(best)),
            Figure("states named", f"{measures.coverage:.0%}", "the rest is left to a person"),
            Figure("right of those", f"{measures.accepted_accuracy:.1%}", "named states only"),
        ),
        frames=_cards(trial),
        confusion=Confusion(bundle.classes, tuple(tuple(int(n) for n in row) for row in counts)),
        scores=tuple(_score(row) for row in trial.rows),
        plots=_plots(learned, trial),
        provenance=(
            ("model", bundle.model_id),
            (
                "trained on",
                f"{len(bundle.gallery)} frames of {len({row.group for row in bundle.gallery})} runs",
            ),
            ("held out", ", ".join(groups)),
            ("unfamiliar", f"{measures.unfamiliar:.0%} of the held-out frames"),
            ("training data", bundle.fingerprint[:16]),
            ("seed", str(bundle.config.seed)),
            ("kilnsense", __version__),
            ("made", bundle.created),
        ),
        config=yaml.safe_dump(bundle.config.model_dump(mode="json"), sort_keys=False),
    )


def _best_baseline(rows: Sequence[Row]) -> Row:
    return max((row for row in rows if row.baseline), key=lambda row: row.measures.balanced_accuracy)


def _named(row: Row) -> str:
    return f"{row.classifier} on {row.features}" if row.features != "none" else row.classifier


def _score(row: Row) -> ScoreRow:
    return ScoreRow(
        name=_named(row),
        balanced_accuracy=row.measures.balanced_accuracy,
        macro_f1=row.measures.macro_f1,
        baseline=row.baseline,
        coverage=None if row.baseline else row.measures.coverage,
        accepted_accuracy=None if row.baseline else row.measures.accepted_accuracy,
    )


def _cards(trial: Trial) -> tuple[FrameCard, ...]:
    """Some frames of every outcome and class in turn: right ones, wrong ones, those without a named state."""
    outcomes: dict[tuple[int, int], list[int]] = {}
    for index, verdict in enumerate(trial.evaluation.verdicts):
        truth = int(trial.evaluation.truth[index])
        right = trial.evaluation.predicted[index] == truth
        outcomes.setdefault((2 if verdict.state is None else 0 if right else 1, truth), []).append(index)
    # From the middle of a run on: its first frames are the least typical.
    queues = [rows[len(rows) // 2 :] + rows[: len(rows) // 2] for _, rows in sorted(outcomes.items())]
    chosen: list[tuple[int, int]] = []
    while len(chosen) < SHOWN and any(queues):
        chosen += [(place, queue.pop(0)) for place, queue in enumerate(queues) if queue]
    return tuple(_card(trial, index) for _, index in sorted(chosen[:SHOWN]))


def _card(trial: Trial, index: int) -> FrameCard:
    sight, verdict = trial.sights[index], trial.evaluation.verdicts[index]
    return FrameCard(
        pixels=named_overlay(sight.frame, sight.segmentation, sight.regions),
        caption=sight.frame.source,
        truth=str(trial.data.names[index]),
        state=verdict.state,
        best=verdict.best,
        confidence=verdict.confidence,
        reason=verdict.reason,
    )


def _plots(learned: Learned, trial: Trial) -> tuple[Plot, ...]:
    recogniser, known = learned.recogniser, learned.trained
    fit, _ = represent(known.sights, recogniser.encode, recogniser.config)
    held, _ = represent(trial.sights, recogniser.encode, recogniser.config)
    branches = [stop for name, _, stop in fit.blocks if not name.startswith("descriptors")]
    width = branches[-1] if branches else fit.values.shape[1]
    rows = np.concatenate([fit.values[:, :width], held.values[:, :width]])
    points, shares = project(rows)
    names = [*known.data.names.tolist(), *trial.data.names.tolist()]
    drawn = Plot(
        title="Embedding" if branches else "Descriptors",
        svg=scatter_svg(
            points,
            names,
            [False] * len(fit.values) + [True] * len(held.values),
            classes=learned.recogniser.config.classes,
            axes=(_axis(1, shares[0]), _axis(2, shares[1])),
        ),
        note="All branches, in the plane of most variance. Hollow: trained on; filled: held out.",
    )
    if known.final is None:
        return (*_sureness(trial), drawn)
    epochs = known.final.result.history.epochs
    curves = {
        "training loss": [epoch.loss if epoch.number else float("nan") for epoch in epochs],
        "validation loss": [epoch.validation_loss for epoch in epochs],
        "neighbours right": [epoch.accuracy for epoch in epochs],
    }
    learning = Plot("Training", lines_svg(curves), "Of the last fit, judged on runs set aside from it.")
    return (*_sureness(trial), drawn, learning)


def _sureness(trial: Trial) -> tuple[Plot, Plot]:
    judged = trial.evaluation
    confidence, right = judged.scores.probabilities.max(axis=1), judged.predicted == judged.truth
    used = (judged.measures.coverage, judged.measures.accepted_accuracy)
    return (
        Plot(
            "Is it as sure as it is right?",
            reliability_svg(confidence, right),
            "Held-out frames by confidence. Above the dashed line: more often right than it says.",
        ),
        Plot(
            "What does silence buy?",
            coverage_svg(confidence, right, used=used),
            "Held-out frames: the fewer are named, the more of the named should be right.",
        ),
    )


def _axis(number: int, share: float) -> str:
    return f"component {number} ({share:.0%} of variance)"
