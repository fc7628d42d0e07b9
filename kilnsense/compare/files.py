"""What a comparison leaves: report.html for people, metrics.json and two CSV files for programs."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from kilnsense.classify.measures import MEASURES
from kilnsense.compare.metrics_file import Metrics
from kilnsense.compare.run import Outcome
from kilnsense.compare.summary import Summary
from kilnsense.csv_line import csv_line
from kilnsense.record.compare_page import ComparePage, render_comparison
from kilnsense.record.publish import publish

REPORT, METRICS, LEADERBOARD, OUT_OF_FOLD = "report.html", "metrics.json", "leaderboard.csv", "oof.csv"


def write_comparison(
    folder: Path, outcome: Outcome, summary: Summary, metrics: Metrics, page: ComparePage
) -> None:
    """Writes the four files. Raises StorageError; MissingExtraError where nothing can be plotted."""
    publish(folder / METRICS, [metrics.model_dump_json(by_alias=True, indent=2) + "\n"])
    publish(folder / LEADERBOARD, map(csv_line, _leaderboard(summary)))
    publish(folder / OUT_OF_FOLD, map(csv_line, _out_of_fold(outcome)))
    publish(folder / REPORT, [render_comparison(page)])


def _leaderboard(summary: Summary) -> Iterator[Sequence[object]]:
    """One row for each entrant, best first; every measure with the ends of its interval."""
    scores = [f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")]
    yield ("tier", "classifier", "baseline", *scores, "fit_seconds", "predict_ms", "bytes", "options")
    for one in summary.standings:
        values = [
            f"{value:.6f}"
            for name in MEASURES
            for value in (one.scores[name].value, one.scores[name].low, one.scores[name].high)
        ]
        yield (
            one.tier,
            one.name,
            int(one.baseline),
            *values,
            f"{one.fit_seconds:.4f}",
            f"{one.predict_ms:.4f}",
            round(one.size),
            " / ".join(one.options),
        )


def _out_of_fold(outcome: Outcome) -> Iterator[Sequence[object]]:
    """One row for each classifier, repeat and frame: what a model that had not seen the group said of it."""
    data, qualities = outcome.compared.data, outcome.compared.qualities
    number = {(fold.repeat, row): fold.number for fold in outcome.folds for row in fold.test.tolist()}
    classes = [f"p_{name}" for name in data.classes]
    yield (
        "classifier",
        "repeat",
        "fold",
        "path",
        "group",
        "label",
        "said",
        *classes,
        "reason",
        "quality_flags",
    )
    for name, tables in outcome.probabilities.items():
        for repeat, table in enumerate(tables):
            for row, (frame, values) in enumerate(zip(data.frames, table, strict=True)):
                yield (
                    name,
                    repeat + 1,
                    number[repeat, row] + 1,
                    frame.source,
                    data.groups[row],
                    data.names[row],
                    data.classes[int(values.argmax())],
                    *(f"{value:.6f}" for value in values),
                    outcome.reasons[name][repeat, row],
                    "|".join(qualities[row].flags),
                )
