"""The tables on the page of a comparison."""

from collections.abc import Sequence

from kilnsense.classify.intervals import Interval
from kilnsense.classify.measures import MEASURES, Measure, cost_table
from kilnsense.compare.run import Outcome
from kilnsense.compare.slices import Slice
from kilnsense.compare.summary import Standing, Summary
from kilnsense.compare.verdict import REASONS, amount, leak_words, p_value
from kilnsense.record.compare_page import Grid, ScoreLine, bars

MOST_GROUPS = 40
"""Rows of the slices by group; metrics.json has all."""
MOST_LEFT_OUT = 100
MOST_SHOWN = 12
"""Rows of a table that is not folded."""
COLUMNS = ("kappa", "cost", "ECE", "named", "right", "fit s", "ms/frame", "kB")
"""Of the tier table, beside the measure that decides."""


def score_lines(summary: Summary) -> tuple[tuple[str, str], tuple[ScoreLine, ...]]:
    """The ends of the axis of the bars as text, and the tier table, best first."""
    ends, places = bars([_plain(one.scores[summary.metric]) for one in summary.standings])
    lines = []
    for place, (one, bar) in enumerate(zip(summary.standings, places, strict=True)):
        same = place > 0 and summary.standings[place - 1].tier == one.tier
        score = one.scores[summary.metric]
        lines.append(
            ScoreLine(
                tier="" if same else str(one.tier),
                top=one.tier == 1,
                name=one.name,
                baseline=one.baseline,
                score=f"{score.value:.3f}",
                interval=f"{score.low:.3f} – {score.high:.3f}",
                bar=bar,
                cells=_cells(one),
            )
        )
    return (f"{ends[0]:.2f}", f"{ends[1]:.2f}"), tuple(lines)


def _cells(one: Standing) -> tuple[str, ...]:
    scores = {name: score.value for name, score in one.scores.items()}
    named = scores["coverage"]
    return (
        f"{scores['kappa']:.3f}",
        f"{scores['cost']:.2f}",
        f"{scores['calibration_error']:.3f}",
        f"{named:.0%}",
        f"{scores['accepted_accuracy']:.1%}" if named else "–",
        f"{one.fit_seconds:.2f}",
        f"{one.predict_ms:.2f}",
        f"{one.size / 1000:.0f}",
    )


def pairs_table(summary: Summary) -> Grid:
    """The test of every pair of entrants."""
    measure = summary.measure
    unit = "" if measure.scale == "amount" else ", points"
    rows = [
        (
            f"{one.first} over {one.second}",
            amount(one.lead, measure),
            f"{amount(one.low, measure)} to {amount(one.high, measure)}",
            p_value(one.p).removeprefix("p ").removeprefix("= "),
            p_value(one.p_holm).removeprefix("p ").removeprefix("= "),
            "told apart" if one.real else "≈ not told apart",
        )
        for one in (*summary.pairs, *summary.beaten)
    ]
    return Grid(
        "Pair by pair",
        ("pair", f"lead{unit}", "95 % interval", "p", "p, Holm", ""),
        tuple(rows),
        "Corrected resampled t-test (Nadeau and Bengio 2003) on what each fold adds to the pooled score; p "
        "corrected by Holm among the pairs of classifiers, and again among those with a baseline. Intervals "
        "are of each pair alone. Two are told apart where the corrected p is below 0.05.",
        folded=len(rows) > 3,
    )


def leak_table(outcome: Outcome) -> Grid:
    """What a random split would have claimed."""
    leak, columns = outcome.leak, ("nearest neighbour in the descriptors", "macro-F1")
    if outcome.compared.grouping.way == "none":  # both would be splits of single frames
        return Grid("", columns, ())
    return Grid(
        "What a random split would have claimed",
        columns,
        (
            (f"split by {outcome.compared.grouping.words}", f"{leak.grouped:.3f}"),
            ("split at random, frame by frame", f"{leak.random:.3f}"),
        ),
        leak_words(outcome),
    )


def measures_table(summary: Summary) -> Grid:
    """Every measure of every entrant, with its interval."""
    return Grid(
        "All measures with 95 % intervals",
        ("measure", *(one.name for one in summary.standings)),
        tuple(
            (
                f"{measure.title}{'' if measure.higher else ' ↓'}",
                *(_measured(one, name) for one in summary.standings),
            )
            for name, measure in MEASURES.items()
        ),
        "↓: lower is better. Over all frames, named or not, but for the last two. ECE of few frames is "
        "biased upwards.",
        folded=True,
    )


def classes_table(summary: Summary) -> Grid:
    """Precision, recall and F1 of every class and entrant."""
    rows = []
    for one in summary.standings:
        for label, parts in one.classes.items():
            rows.append(
                (
                    f"{one.name}: {label}",
                    *(_with_ends(parts[part], None) for part in ("precision", "recall", "f1")),
                )
            )
    return Grid(
        "Class by class", ("classifier, class", "precision", "recall", "F1"), tuple(rows), folded=True
    )


def costs_table(outcome: Outcome) -> Grid:
    """The costs that the measure `cost` goes by."""
    classes = outcome.settings.base.classes
    table = cost_table(outcome.settings.base.decide.costs, len(classes))
    rows = tuple((name, *(f"{value:g}" for value in row)) for name, row in zip(classes, table, strict=True))
    return Grid(
        "What mistakes cost",
        ("labelled", *(f"called {name}" for name in classes)),
        rows,
        "From decide.costs of the config, or its default.",
        folded=True,
    )


def slices_table(summary: Summary, found: Sequence[Slice]) -> tuple[Grid, ...]:
    """By group and by quality of the picture."""
    best = summary.best.name
    others = [one.name for one in summary.standings if not one.baseline and one.name != best]
    grids = []
    for kind, title in (("group", "By group, worst first"), ("quality", "By quality of the picture")):
        rows = [one for one in found if one.kind == kind]
        cut = (
            f" The worst {MOST_GROUPS} of {len(rows)}; metrics.json has all."
            if len(rows) > MOST_GROUPS
            else ""
        )
        grids.append(
            Grid(
                title,
                (
                    kind,
                    "frames",
                    "labels",
                    f"{best} right",
                    f"{best} says instead",
                    *(f"{name} right" for name in others),
                ),
                tuple(
                    (
                        one.name,
                        str(one.frames),
                        one.labels,
                        f"{one.right[best]:.0%}",
                        one.wrong or "–",
                        *(f"{one.right[name]:.0%}" for name in others),
                    )
                    for one in rows[:MOST_GROUPS]
                ),
                f"Share of right answers.{cut}",
                folded=len(rows) > MOST_SHOWN,
            )
        )
    return tuple(grids)


def left_out_table(outcome: Outcome) -> Grid:
    """Files that were not judged."""
    left = outcome.compared.left_out
    rows = tuple((one.path, REASONS.get(one.reason, one.reason), one.message) for one in left[:MOST_LEFT_OUT])
    rest = f"and {len(left) - MOST_LEFT_OUT} more: see metrics.json" if len(left) > MOST_LEFT_OUT else ""
    return Grid(f"{len(left)} files", ("file", "why", ""), rows, rest, folded=len(left) > MOST_SHOWN)


def _measured(one: Standing, name: str) -> str:
    """A score with its interval; a dash where nothing was named that could be right."""
    if name == "accepted_accuracy" and not one.scores["coverage"].value:
        return "–"
    return _with_ends(one.scores[name], MEASURES[name])


def _with_ends(score: Interval, measure: Measure | None) -> str:
    digits = 2 if measure is not None and measure.scale == "amount" and score.value >= 1 else 3
    return f"{score.value:.{digits}f} ({score.low:.{digits}f}–{score.high:.{digits}f})"


def _plain(score: Interval) -> tuple[float, float, float]:
    return score.low, score.value, score.high
