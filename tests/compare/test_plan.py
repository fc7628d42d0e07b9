"""The folds: of whole groups, the same for all, and refused before any work where they cannot be."""

from dataclasses import replace

import numpy as np
import pytest

from kilnsense.compare.frames import Compared
from kilnsense.compare.plan import parse_cv, plan_folds
from kilnsense.compare.plan import test_share as share_of
from kilnsense.data.grouping import Grouping
from kilnsense.errors import ConfigError, InputError
from kilnsense.types import Quality


def test_folds_and_repeats() -> None:
    assert parse_cv("5x2") == (5, 2)
    assert parse_cv(" 10X3 ") == (10, 3)
    assert parse_cv("4") == (4, 1)
    for text in ("1x2", "5x0", "x", "5x2x1", "five", "-5x2", ""):
        with pytest.raises(ConfigError, match="allowed: FOLDSxREPEATS"):
            parse_cv(text)


def test_no_group_is_on_both_sides_and_every_frame_is_judged_once_a_repeat(make_outcome) -> None:  # type: ignore[no-untyped-def]
    outcome = make_outcome({"svm": 0.8})
    groups = outcome.compared.data.groups
    for repeat in range(2):
        own = [fold for fold in outcome.folds if fold.repeat == repeat]
        assert sorted(np.concatenate([fold.test for fold in own]).tolist()) == list(range(len(groups)))
        for fold in own:
            assert not set(groups[fold.train]) & set(groups[fold.test])
            assert fold.missing == ()
    first, second = ([fold.test.tolist() for fold in outcome.folds if fold.repeat == r] for r in (0, 1))
    assert first != second
    assert outcome.folds[7].name == "repeat2-fold2"
    assert share_of(outcome.folds) == pytest.approx(0.2)


def changed(compared: Compared, groups: list[str], labels: list[int] | None = None) -> Compared:
    data = replace(
        compared.data,
        groups=np.array(groups),
        labels=compared.data.labels if labels is None else np.array(labels),
    )
    return replace(compared, data=data)


def test_what_cannot_be_judged_is_refused_and_named(make_outcome) -> None:  # type: ignore[no-untyped-def]
    outcome = make_outcome({"svm": 0.8})
    compared, settings = outcome.compared, outcome.settings
    two = ["a", "b"] * (len(compared.data) // 2)
    with pytest.raises(
        InputError, match=r"--cv 6x2: got 6 folds for 2 groups .*take --cv 2x2, or add groups"
    ):
        plan_folds(settings, changed(compared, two))
    names = compared.data.groups.tolist()
    labels = [0 if name in ("run00", "run03") else 1 + row % 2 for row, name in enumerate(names)]
    with pytest.raises(InputError, match=r"class 'under' is in 1 group to learn from, needed: 2 or more"):
        plan_folds(settings, changed(compared, names, labels))
    labels = [0 if name == "run00" else 1 + row % 2 for row, name in enumerate(names)]
    with pytest.raises(InputError, match=r"class 'under' is in 1 group \(run00\)"):
        plan_folds(settings, changed(compared, names, labels))


def test_a_class_that_a_test_part_lacks_is_noted(make_outcome) -> None:  # type: ignore[no-untyped-def]
    outcome = make_outcome({"svm": 0.8})
    settings = outcome.settings.model_copy(update={"folds": 18, "repeats": 1})
    folds = plan_folds(settings, outcome.compared)
    assert all(len(fold.missing) == 2 for fold in folds)


def test_bad_pictures_and_frames_within_the_embargo_are_not_learned_from(make_outcome) -> None:  # type: ignore[no-untyped-def]
    outcome = make_outcome({"svm": 0.8})
    compared = outcome.compared
    dark = Quality(luminance=0.0, bright=3, saturated=0.0, sharpness=1, haze=0.0, flags=("dark",))
    qualities = (dark, *compared.qualities[1:])
    times = np.arange(len(qualities), dtype=float) * 60
    grouping = Grouping("time", compared.data.groups, times, 90.0, "blocks")
    folds = plan_folds(outcome.settings, replace(compared, qualities=qualities, grouping=grouping))
    assert any(0 in fold.test for fold in folds)
    for fold in folds:
        assert 0 not in fold.train
        assert np.abs(times[fold.train][:, None] - times[fold.test]).min() >= 90
