"""The verdict of a comparison in words, and what a reader must know before believing it."""

from collections.abc import Sequence

from kilnsense.classify.compare import ALPHA, Difference
from kilnsense.classify.intervals import Interval
from kilnsense.classify.measures import Measure
from kilnsense.compare.entrants import DESCRIPTORS, LUMINANCE
from kilnsense.compare.frames import Compared
from kilnsense.compare.run import Outcome
from kilnsense.compare.summary import Summary
from kilnsense.data.grouping import STRETCHED
from kilnsense.errors import FAILURE_REASONS


def verdict(summary: Summary) -> str:
    """One sentence: who beats whom by how much, and who cannot be told apart."""
    measure = summary.measure
    names = [one.name for one in summary.standings if not one.baseline]
    best = names[0]
    if len(names) == 1:
        score = summary.best.scores[summary.metric]
        return f"{best} reaches a {measure.title} of {spoken(score, measure)}."
    found = [summary.between(best, other) for other in names[1:]]
    beaten = [one for one in found if one.real]
    ties = [one.second if one.first == best else one.first for one in found if not one.real]
    if not beaten:
        return (
            f"{listed([best, *ties])} cannot be told apart by {measure.title}: {best} leads {ties[0]} by "
            f"{_lead(found[0], measure, '')}."
        )
    wins = [
        f"{'' if place else f'{best} beats '}{one.second} by {_lead(one, measure)}"
        for place, one in enumerate(beaten)
    ]
    tail = f"; {listed(ties)} {'ties' if len(ties) == 1 else 'tie'} with {best}" if ties else ""
    return f"{', '.join(wins)}{tail}."


def beside_baselines(outcome: Outcome, summary: Summary) -> str:
    """One sentence: whether the best classifier is better than what needs no network.

    Where no network is trained, the svm on descriptors is no baseline, but the same thing again.
    """
    same = () if outcome.settings.base.training.enabled else (DESCRIPTORS,)
    measure, best = summary.measure, summary.best.name
    baselines = [one.name for one in summary.standings if one.baseline and one.name not in same]
    found = summary.between(best, baselines[0])
    if found.real and found.first == best:
        return f"{best} beats the best baseline, {baselines[0]}, by {_lead(found, measure)}."
    if found.real:
        return f"The baseline {baselines[0]} beats {best} by {_lead(found, measure)}."
    return f"The best baseline, {baselines[0]}, cannot be told from {best} ({_gap(found, best, measure)})."


def cautions(outcome: Outcome, summary: Summary) -> list[str]:
    """What speaks against the figures, the gravest first; empty where nothing does."""
    settings, compared, best = outcome.settings, outcome.compared, summary.best.name
    said = _about_groups(outcome)
    if settings.frozen:
        seen = (
            f"they were trained on {outcome.known} of these {len(compared.data)} frames, which flatters "
            "every classifier that looks at them"
            if outcome.known
            else "they have seen none of these files"
        )
        said.append(f"The regions and networks of bundle {settings.bundle} were kept: {seen}.")
    if summary.too_easy:
        said.append(
            f"Mean luminance alone does as well as {best} ({_both(summary, LUMINANCE)}): this set is too "
            "easy to compare on."
        )
    elif (found := summary.between(best, LUMINANCE)).p >= ALPHA:
        said.append(
            f"{settings.folds} folds, dealt {settings.repeats} times, cannot tell even mean luminance from "
            f"{best} ({_both(summary, LUMINANCE)}, {p_value(found.p)}): take more folds, or label more runs, "
            "before you choose a classifier."
        )
    found = summary.between(best, DESCRIPTORS)
    if not summary.too_easy and not found.real and settings.base.training.enabled:
        said.append("The networks add nothing that can be shown: the hand-made descriptors do as well alone.")
    missing = [f"{fold.name} ({', '.join(fold.missing)})" for fold in outcome.folds if fold.missing]
    if missing:
        said.append(f"Some test parts lack a class: {_few(missing)}; scores are pooled over the folds.")
    return said


def _about_groups(outcome: Outcome) -> list[str]:
    grouping, frames = outcome.compared.grouping, len(outcome.compared.data)
    if grouping.way == "none":
        return [
            "Every frame is a group of its own, as asked: frames of one camera run may be on both sides, and "
            "these figures may measure memory; --group-by names shows by how much."
        ]
    if grouping.sure:
        return []
    of = (
        "No camera runs are known"
        if grouping.guessed == frames
        else (f"No camera run is known of {grouping.guessed} of {frames} frames")
    )
    return [
        f"{of}: {STRETCHED} stand in for them, so these figures may measure memory. {leak_words(outcome)}"
    ]


def _both(summary: Summary, other: str) -> str:
    """The scores of another entrant and of the best one, such as 0.370 against 0.807."""
    plain = next(one for one in summary.standings if one.name == other).scores[summary.metric].value
    return f"{plain:.3f} against {summary.best.scores[summary.metric].value:.3f}"


def left_out_words(compared: Compared) -> list[str]:
    """Groups that were made one, and a sentence for each reason for which files are left out."""
    said = []
    if compared.merged:
        said.append(f"Groups that share a picture were made one: {_few(compared.merged)}.")
    paths: dict[str, list[str]] = {}
    for each in compared.left_out:
        paths.setdefault(each.reason, []).append(each.path)
    for reason, found in paths.items():
        many = f"{len(found)} file{'' if len(found) == 1 else 's'}"
        said.append(f"{many} left out, {REASONS.get(reason) or FAILURE_REASONS[reason]}: {_few(found)}.")
    return said


REASONS = {
    "unlabelled": "no label",
    "filtered": "filtered out by data.keep",
    "conflict": "the same picture with two labels",
    "held_out": "kept apart by data.held_out",
}
"""Why files are left out, in words; other reasons are those of unreadable files."""


def leak_words(outcome: Outcome) -> str:
    """What a split at random would have flattered."""
    leak = outcome.leak
    return (
        f"The nearest neighbour in the descriptors scores a macro-F1 of {leak.random:.3f} where frames are "
        f"split at random and {leak.grouped:.3f} by {outcome.compared.grouping.words}: "
        f"{100 * max(0.0, leak.memory):.1f} points would be memory."
    )


def spoken(score: Interval, measure: Measure) -> str:
    """A score with its interval, such as 0.831 (95 % CI 0.702 to 0.911)."""
    digits = 3 if measure.scale != "amount" or score.value < 10 else 1
    return f"{score.value:.{digits}f} (95 % CI {score.low:.{digits}f} to {score.high:.{digits}f})"


def listed(names: Sequence[str]) -> str:
    """Such as a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def amount(value: float, measure: Measure) -> str:
    """A difference: in points of a hundredth for shares, else in the measure's own unit."""
    return f"{value:.3f}" if measure.scale == "amount" else f"{100 * value:.1f}"


def p_value(p: float) -> str:
    """Such as p = 0.006."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _lead(one: Difference, measure: Measure, of: str = " of {}") -> str:
    points = "" if measure.scale == "amount" else " points"
    ends = f"{amount(one.low, measure)} to {amount(one.high, measure)}"
    lead = f"{amount(one.lead, measure)}{points}{of.format(measure.title)}"
    return f"{lead} (95 % CI {ends}, {p_value(one.p_holm)})"


def _gap(one: Difference, best: str, measure: Measure) -> str:
    side = "behind" if one.first == best else "ahead"
    unit = "" if measure.scale == "amount" else " points"
    return f"{amount(one.lead, measure)}{unit} {side}, {p_value(one.p_holm)}"


def _few(texts: Sequence[str]) -> str:
    return ", ".join(texts[:3]) + (f" and {len(texts) - 3} more" if len(texts) > 3 else "")
