"""From everything that was said to figures: scores with intervals, tests, tiers, one sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilnsense.classify.compare import Difference, all_pairs, differences, fold_values, tiers
from kilnsense.classify.intervals import Interval, interval
from kilnsense.classify.measures import MEASURES, Measure, class_scores, cost_table
from kilnsense.classify.tally import Tally, count, stack
from kilnsense.compare.entrants import BASELINES, LUMINANCE
from kilnsense.compare.plan import test_share
from kilnsense.compare.run import Outcome
from kilnsense.seeds import generator

NEAR = 0.05
"""A baseline that is behind by less, of 1, or of an amount, does as well."""


@dataclass(frozen=True, eq=False)
class Standing:
    """How one entrant did.

    Attributes:
        name: of the entrant.
        baseline: whether it is one that the classifiers must beat.
        tier: 1 and up; entrants that cannot be told apart share one.
        scores: measure to estimate and 95 % interval.
        classes: class to ``precision``, ``recall`` and ``f1``, likewise.
        confusion: (C, C) mean count over the repeats; row: true class, column: class said.
        fit_seconds, predict_ms, size: means over the folds: seconds, milliseconds a frame, bytes.
        options: of the classifier, as text; several where the folds chose different ones.
    """

    name: str
    baseline: bool
    tier: int
    scores: Mapping[str, Interval]
    classes: Mapping[str, Mapping[str, Interval]]
    confusion: NDArray[np.float64]
    fit_seconds: float
    predict_ms: float
    size: float
    options: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Summary:
    """The figures of a comparison.

    Attributes:
        metric: name of the measure that decides.
        standings: best first, baselines among them.
        pairs: the differences of all pairs of classifiers, corrected together.
        beaten: the differences of every classifier and every baseline, corrected together.
        plain: the differences of all pairs of baselines, corrected together.
        test_share: n_test / n_train of a fold.
    """

    metric: str
    standings: tuple[Standing, ...]
    pairs: tuple[Difference, ...]
    beaten: tuple[Difference, ...]
    plain: tuple[Difference, ...]
    test_share: float

    @property
    def measure(self) -> Measure:
        """The measure that decides."""
        return MEASURES[self.metric]

    @property
    def best(self) -> Standing:
        """The classifier with the best score."""
        return next(one for one in self.standings if not one.baseline)

    def between(self, one: str, other: str) -> Difference:
        """The difference of two entrants."""
        return next(each for each in (*self.pairs, *self.beaten) if {each.first, each.second} == {one, other})

    @property
    def too_easy(self) -> bool:
        """Whether mean luminance alone comes so near to the best that nothing is left to compare."""
        best = self.best.scores[self.metric].value
        plain = next(one for one in self.standings if one.name == LUMINANCE).scores[self.metric].value
        if self.measure.scale == "amount":
            return plain <= best * (1 + NEAR)
        return best - plain < NEAR if self.measure.higher else plain - best < NEAR


def summarise(outcome: Outcome) -> Summary:
    """All figures of a comparison; the same outcome gives the same figures."""
    settings = outcome.settings
    measure, share = MEASURES[settings.metric], test_share(outcome.folds)
    costs = cost_table(settings.base.decide.costs, len(settings.base.classes))
    groups, folds = group_tallies(outcome), _fold_tallies(outcome)
    values = {name: fold_values(tally, measure, costs) for name, tally in folds.items()}
    sign = -1.0 if measure.higher else 1.0
    ordered = sorted(values, key=lambda name: sign * float(values[name].mean()))
    found, beaten, plain = (
        tuple(differences(values, chosen, higher=measure.higher, test_share=share))
        for chosen in (
            all_pairs(settings.classifiers),
            [(name, baseline) for name in settings.classifiers for baseline in BASELINES],
            all_pairs(list(BASELINES)),
        )
    )
    places = tiers(ordered, [*found, *beaten, *plain])

    def estimate(name: str, one: Measure) -> Interval:
        # The same draws of groups for every entrant and measure.
        rng = generator(settings.base.seed, "compare.bootstrap")
        return interval(groups[name], one, costs, test_share=share, rng=rng)

    standings = tuple(
        Standing(
            name=name,
            baseline=name in BASELINES,
            tier=places[name],
            scores={key: estimate(name, one) for key, one in MEASURES.items()},
            classes={
                label: {key: estimate(name, one) for key, one in _of_class(number).items()}
                for number, label in enumerate(settings.base.classes)
            },
            confusion=groups[name].confusion.sum(axis=1).mean(axis=0),
            fit_seconds=float(np.mean([result.said[name].fit_seconds for result in outcome.results])),
            predict_ms=float(np.mean([result.said[name].predict_ms for result in outcome.results])),
            size=float(np.mean([result.said[name].size for result in outcome.results])),
            options=_options(outcome, name),
        )
        for name in ordered
    )
    return Summary(settings.metric, standings, found, beaten, plain, share)


def group_tallies(outcome: Outcome) -> dict[str, Tally]:
    """Entrant to its (R, G, ...) tally by group."""
    names, place = np.unique(outcome.compared.data.groups, return_inverse=True)
    places = [place] * outcome.settings.repeats
    return {name: _tallied(outcome, name, places, len(names)) for name in outcome.probabilities}


def _fold_tallies(outcome: Outcome) -> dict[str, Tally]:
    """Entrant to its (R, K, ...) tally by fold."""
    settings = outcome.settings
    places = [np.zeros(len(outcome.compared.data), np.intp) for _ in range(settings.repeats)]
    for fold in outcome.folds:
        places[fold.repeat][fold.test] = fold.number
    return {name: _tallied(outcome, name, places, settings.folds) for name in outcome.probabilities}


def _tallied(outcome: Outcome, name: str, places: Sequence[NDArray[np.intp]], size: int) -> Tally:
    labels = outcome.compared.data.labels
    return stack(
        [
            count(labels, table, reasons == "accepted", place, places=size)
            for table, reasons, place in zip(
                outcome.probabilities[name], outcome.reasons[name], places, strict=True
            )
        ]
    )


def _of_class(number: int) -> dict[str, Measure]:
    """Precision, recall and F1 of one class."""

    def measure(part: int, title: str) -> Measure:
        return Measure(title, lambda tally, _: class_scores(tally.confusion)[part][..., number])

    return {
        name: measure(part, title)
        for part, (name, title) in enumerate((("precision", "precision"), ("recall", "recall"), ("f1", "F1")))
    }


def _options(outcome: Outcome, name: str) -> tuple[str, ...]:
    texts = [
        ", ".join(f"{key} {value}" for key, value in result.said[name].options.items()) or "defaults"
        for result in outcome.results
    ]
    return tuple(dict.fromkeys(texts))
