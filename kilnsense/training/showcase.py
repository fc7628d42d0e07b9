"""The page of a trial: what was said of held-out frames, how good that is, and what it rests on."""

from collections.abc import Sequence

import numpy as np
import yaml

from kilnsense import __version__
from kilnsense.bundle import Bundle
from kilnsense.classify.metrics import confusion
from kilnsense.recogniser import represent
from kilnsense.record.plots import lines_svg, project, scatter_svg
from kilnsense.record.report import Confusion, Figure, FrameCard, Plot, Report, ScoreRow
from kilnsense.segment.overlay import overlay
from kilnsense.training.learn import Learned
from kilnsense.training.trial import Row, Trial

SHOWN = 12
"""Frames on the page."""


def make_report(bundle: Bundle, learned: Learned, trial: Trial) -> Report:
    """The page about a model and what it said of held-out frames."""
    measures, best = trial.evaluation.measures, _best_baseline(trial.rows)
    gain = measures.balanced_accuracy - best.measures.balanced_accuracy
    groups = sorted(set(trial.data.groups.tolist()))
    counts = confusion(trial.evaluation.truth, trial.evaluation.predicted, classes=len(bundle.classes))
    return Report(
        title=f"{bundle.config.name}: burning state of {len(groups)} held-out runs",
        answer=(
            f"On {len(trial.records)} frames of {len(groups)} runs that it had not seen, the model reaches a "
            f"balanced accuracy of {measures.balanced_accuracy:.3f}, {abs(gain):.3f} "
            f"{'above' if gain >= 0 else 'below'} the best baseline ({_named(best)}, "
            f"{best.measures.balanced_accuracy:.3f}). It names a state for {measures.coverage:.0%} of them, "
            f"and {measures.accepted_accuracy:.1%} of those are right."
        ),
        figures=(
            Figure(
                "balanced accuracy", f"{measures.balanced_accuracy:.3f}", "all frames, abstentions or not"
            ),
            Figure("best baseline", f"{best.measures.balanced_accuracy:.3f}", _named(best)),
            Figure("states named", f"{measures.coverage:.0%}", "the rest is left to a person"),
            Figure("right of those", f"{measures.accepted_accuracy:.1%}", "accepted states only"),
            Figure("unfamiliar", f"{measures.unfamiliar:.0%}", "unlike any training frame"),
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
    """Some frames of every class and outcome, in turn, so that mistakes are seen beside successes."""
    outcomes: dict[tuple[int, str], list[int]] = {}
    for index, verdict in enumerate(trial.evaluation.verdicts):
        truth = int(trial.evaluation.truth[index])
        right = trial.evaluation.predicted[index] == truth
        kind = verdict.reason if verdict.state is None else "right" if right else "wrong"
        outcomes.setdefault((truth, kind), []).append(index)
    # From the middle of a run on: its first frames are the least typical.
    queues = [rows[len(rows) // 2 :] + rows[: len(rows) // 2] for _, rows in sorted(outcomes.items())]
    chosen: list[int] = []
    while len(chosen) < SHOWN and any(queues):
        chosen += [queue.pop(0) for queue in queues if queue]
    return tuple(_card(trial, index) for index in chosen[:SHOWN])


def _card(trial: Trial, index: int) -> FrameCard:
    sight, verdict = trial.sights[index], trial.evaluation.verdicts[index]
    return FrameCard(
        pixels=overlay(sight.frame, sight.segmentation, sight.regions),
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
        return (drawn,)
    epochs = known.final.result.history.epochs
    curves = {
        "training loss": [epoch.loss if epoch.number else float("nan") for epoch in epochs],
        "validation loss": [epoch.validation_loss for epoch in epochs],
        "neighbours right": [epoch.accuracy for epoch in epochs],
    }
    return (drawn, Plot("Training", lines_svg(curves), "Of the last fit, judged on runs set aside from it."))


def _axis(number: int, share: float) -> str:
    return f"component {number} ({share:.0%} of variance)"
