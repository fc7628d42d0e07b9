"""The figures of an outcome whose truth is known: scores, tiers, tests, sentences, cautions."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from kilnsense.classify.intervals import interval
from kilnsense.classify.measures import MEASURES, cost_table
from kilnsense.compare.frames import LeftOut
from kilnsense.compare.summary import group_tallies, summarise
from kilnsense.compare.verdict import (
    amount,
    beside_baselines,
    cautions,
    left_out_words,
    listed,
    p_value,
    spoken,
    verdict,
)
from kilnsense.seeds import generator

SKILL = {"knn": 0.5, "svm": 0.95, "mlp": 0.93}


def test_scores_are_pooled_over_the_folds_of_each_repeat(make_outcome) -> None:  # type: ignore[no-untyped-def]
    outcome = make_outcome(SKILL)
    summary = summarise(outcome)
    labels = outcome.compared.data.labels
    for one in summary.standings:
        said = outcome.probabilities[one.name].argmax(axis=2)
        expected = np.mean([f1_score(labels, calls, average="macro") for calls in said])
        assert one.scores["macro_f1"].value == pytest.approx(expected)
        assert set(one.scores) == set(MEASURES)
        assert set(one.classes) == {"under", "normal", "over"}
        assert one.confusion.sum() == len(labels)
        assert one.fit_seconds == 0.5
    assert summary.test_share == pytest.approx(0.2)
    values = [one.scores["macro_f1"].value for one in summary.standings]
    assert values == sorted(values, reverse=True)


def test_tiers_and_the_verdict_follow_the_tests(make_outcome) -> None:  # type: ignore[no-untyped-def]
    outcome = make_outcome(SKILL)
    summary = summarise(outcome)
    tier = {one.name: one.tier for one in summary.standings}
    assert tier["svm"] == tier["mlp"] == 1
    assert tier["knn"] == 2
    assert min(tier["majority"], tier["mean_luminance"]) > 1
    found = summary.between("knn", summary.best.name)
    assert found.real
    assert found.lead == pytest.approx(
        summary.best.scores["macro_f1"].value
        - next(o for o in summary.standings if o.name == "knn").scores["macro_f1"].value
    )
    tied = "mlp" if summary.best.name == "svm" else "svm"
    text = verdict(summary)
    assert text.startswith(
        f"{summary.best.name} beats knn by {100 * found.lead:.1f} points of macro-F1 (95 % CI "
    )
    assert text.endswith(f"; {tied} ties with {summary.best.name}.")
    assert len(summary.pairs) == 3
    assert len(summary.beaten) == 9
    assert "beats the best baseline" in beside_baselines(outcome, summary)


def test_a_measure_of_which_less_is_better_turns_the_order_round(make_outcome) -> None:  # type: ignore[no-untyped-def]
    outcome = make_outcome(SKILL)
    outcome = replace(outcome, settings=outcome.settings.model_copy(update={"metric": "cost"}))
    summary = summarise(outcome)
    values = [one.scores["cost"].value for one in summary.standings]
    assert values == sorted(values)
    assert summary.best.name in ("svm", "mlp")
    assert "of cost per frame" in verdict(summary)
    assert "points" not in verdict(summary)


def test_classifiers_of_one_skill_are_not_told_apart(make_outcome) -> None:  # type: ignore[no-untyped-def]
    summary = summarise(make_outcome({"knn": 0.8, "svm": 0.8}))
    assert "cannot be told apart by macro-F1" in verdict(summary)
    assert {one.tier for one in summary.standings if not one.baseline} == {1}
    alone = summarise(make_outcome({"knn": 0.8}))
    assert verdict(alone).startswith("knn reaches a macro-F1 of ")


def test_the_same_outcome_gives_the_same_figures(make_outcome) -> None:  # type: ignore[no-untyped-def]
    first, second = (summarise(make_outcome(SKILL)) for _ in range(2))
    assert first.pairs == second.pairs
    assert [one.scores for one in first.standings] == [one.scores for one in second.standings]


def test_cautions_name_what_speaks_against_it(make_outcome) -> None:  # type: ignore[no-untyped-def]
    good = make_outcome(SKILL)
    assert cautions(good, summarise(good)) == []
    left = (
        LeftOut("a.png", "unlabelled", "x"),
        LeftOut("b.png", "conflict", "x"),
        LeftOut("c.png", "truncated", "x"),
    )
    guessed = make_outcome(SKILL, sure=False, left_out=left)
    said = cautions(guessed, summarise(guessed))
    assert said[0].startswith("No camera runs are known: stretches of consecutive file names stand in")
    assert "0.900 where frames are split at random and 0.600" in said[0]
    assert "30.0 points would be memory" in said[0]
    assert len(said) == 1
    words = left_out_words(guessed.compared)
    assert words[0] == "1 file left out, no label: a.png."
    assert "the same picture with two labels: b.png" in words[1]
    assert "the picture ends before its data do: c.png" in words[2]
    grouping = replace(guessed.compared.grouping, guessed=5)
    some = replace(guessed, compared=replace(guessed.compared, grouping=grouping))
    assert cautions(some, summarise(some))[0].startswith(
        "No camera run is known of 5 of 108 frames: stretches"
    )
    grouping = replace(guessed.compared.grouping, way="none")
    alone = replace(guessed, compared=replace(guessed.compared, grouping=grouping))
    assert cautions(alone, summarise(alone))[0].startswith("Every frame is a group of its own, as asked")


def test_a_set_on_which_luminance_does_as_well_is_too_easy(make_outcome) -> None:  # type: ignore[no-untyped-def]
    outcome = make_outcome({"svm": 0.9, "mean_luminance": 0.9})
    summary = summarise(outcome)
    assert summary.too_easy
    assert "too easy to compare on" in cautions(outcome, summary)[0]
    assert "cannot be told from" in beside_baselines(outcome, summary)


def test_too_few_folds_are_not_called_an_easy_set(make_outcome) -> None:  # type: ignore[no-untyped-def]
    outcome = make_outcome({"svm": 0.5, "mean_luminance": 0.42})
    summary = summarise(outcome)
    assert not summary.too_easy
    said = cautions(outcome, summary)[0]
    assert said.startswith("6 folds, dealt 2 times, cannot tell even mean luminance from svm (0.")


def test_the_intervals_are_widened_for_the_training_parts(make_outcome) -> None:  # type: ignore[no-untyped-def]
    outcome = make_outcome(SKILL)
    summary = summarise(outcome)
    tally, name = group_tallies(outcome)["svm"], "macro_f1"
    found = interval(
        tally,
        MEASURES[name],
        cost_table((), 3),
        test_share=summary.test_share,
        rng=generator(outcome.settings.base.seed, "compare.bootstrap"),
    )
    assert next(one for one in summary.standings if one.name == "svm").scores[name] == found
    assert summary.test_share > 0


def test_ahead_and_behind_are_told_apart(make_outcome) -> None:  # type: ignore[no-untyped-def]
    behind = make_outcome({"svm": 0.9, "descriptors+svm": 0.89})
    summary = summarise(behind)
    first = summary.between("svm", "descriptors+svm").first
    side = "behind" if first == "svm" else "ahead"
    assert f" points {side}, p" in beside_baselines(behind, summary)
    other = make_outcome({"svm": 0.8, "descriptors+svm": 0.9})
    said = beside_baselines(other, summarise(other))
    assert "points ahead" in said or "beats svm" in said


def test_without_networks_the_svm_on_descriptors_is_no_baseline(make_outcome) -> None:  # type: ignore[no-untyped-def]
    outcome = make_outcome({"svm": 0.9, "descriptors+svm": 0.9})
    base = outcome.settings.base
    bare = base.model_copy(update={"training": base.training.model_copy(update={"enabled": False})})
    outcome = replace(outcome, settings=outcome.settings.model_copy(update={"base": bare}))
    assert "descriptors+svm" not in beside_baselines(outcome, summarise(outcome))


def test_networks_that_add_nothing_and_kept_ones_are_mentioned(make_outcome) -> None:  # type: ignore[no-untyped-def]
    outcome = make_outcome({"svm": 0.9, "descriptors+svm": 0.9})
    outcome = replace(
        outcome, settings=outcome.settings.model_copy(update={"frozen": True, "bundle": "abc"}), known=7
    )
    said = cautions(outcome, summarise(outcome))
    assert "networks of bundle abc were kept: they were trained on 7 of these 108 frames" in said[0]
    unseen = replace(outcome, known=0)
    assert "were kept: they have seen none of these files." in cautions(unseen, summarise(unseen))[0]
    assert "The networks add nothing that can be shown" in said[1]


def test_words() -> None:
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert [p_value(p) for p in (0.0001, 0.0061, 0.05, 0.2)] == [
        "p < 0.001",
        "p = 0.006",
        "p = 0.050",
        "p = 0.20",
    ]
    assert amount(0.0181, MEASURES["macro_f1"]) == "1.8"
    assert amount(0.0181, MEASURES["cost"]) == "0.018"


def test_a_score_is_spoken_with_its_interval(make_outcome) -> None:  # type: ignore[no-untyped-def]
    score = summarise(make_outcome(SKILL)).best.scores["macro_f1"]
    assert (
        spoken(score, MEASURES["macro_f1"])
        == f"{score.value:.3f} (95 % CI {score.low:.3f} to {score.high:.3f})"
    )
