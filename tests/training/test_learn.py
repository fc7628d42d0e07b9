"""What training promises: groups stay apart, out-of-fold means out of fold, refusals come first."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from kilnsense.config import Config
from kilnsense.data.folders import read_samples
from kilnsense.data.labelled import read_labelled
from kilnsense.errors import ConfigError, InputError
from kilnsense.training.crossfit import cross_fit
from kilnsense.training.fit_rows import confidence_border
from kilnsense.training.learn import train_networks
from kilnsense.training.network import make_draw, split_rows
from kilnsense.training.train import read_training_samples
from kilnsense.types import Scores


def test_no_group_is_on_both_sides_and_every_frame_is_judged_once(tiny_learned) -> None:
    groups, folds = tiny_learned.trained.data.groups, tiny_learned.trained.rows.folds
    for fold in folds:
        assert not set(groups[fold.train]) & set(groups[fold.test])
    judged = np.sort(np.concatenate([fold.test for fold in folds]))
    np.testing.assert_array_equal(judged, np.arange(len(groups)))


def test_validation_groups_are_not_learned_from(tiny_config: Config, tiny_learned) -> None:
    data = tiny_learned.trained.data
    train, validation = split_rows(tiny_config, data, np.arange(len(data)), part="final")
    assert len(validation)
    assert not set(data.groups[train]) & set(data.groups[validation])
    again = split_rows(tiny_config, data, np.arange(len(data)), part="final")
    np.testing.assert_array_equal(train, again[0])


def test_the_labels_of_a_test_part_do_not_reach_its_own_judgement(tiny_config: Config, tiny_learned) -> None:
    """Wrong labels in one fold's test part leave what is said of that part as it was."""
    trained = tiny_learned.trained
    labels, test = trained.data.labels, trained.rows.folds[0].test
    wrong = labels.copy()
    wrong[test] = (wrong[test] + 1) % 3
    right = cross_fit(tiny_config, trained.rows.descriptors, labels, trained.rows.folds)
    spoiled = cross_fit(tiny_config, trained.rows.descriptors, wrong, trained.rows.folds)
    np.testing.assert_allclose(spoiled.probabilities[test], right.probabilities[test])
    other = trained.rows.folds[1].test
    assert not np.allclose(spoiled.probabilities[other], right.probabilities[other])


def test_too_few_frames_are_refused_before_any_network(
    tiny_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a network was trained")

    monkeypatch.setattr("kilnsense.training.learn.train_network", never)
    data, _ = read_labelled(read_samples(tiny_config.data, tiny_config.classes), tiny_config)
    many = tiny_config.model_copy(
        update={"training": tiny_config.training.model_copy(update={"samples_per_class": 9})}
    )
    with pytest.raises(InputError, match=r"^\w+: class '\w+' has \d+ frames.*needed: 9"):
        train_networks(many, data)


def test_held_out_groups_are_not_read(tiny_config: Config) -> None:
    groups = {sample.group for sample in read_training_samples(tiny_config)}
    assert groups == {f"run00{number}" for number in range(5)}
    nowhere = tiny_config.model_copy(update={"data": tiny_config.data.model_copy(update={"root": ""})})
    with pytest.raises(ConfigError, match=r"data\.root: is empty"):
        read_training_samples(nowhere)


def test_the_border_leaves_the_doubtful_share_of_familiar_frames(tiny_config: Config) -> None:
    top = np.linspace(0.5, 0.99, 50)
    rows = np.stack([top, (1 - top) / 2, (1 - top) / 2], axis=1)
    decide = tiny_config.decide.model_copy(update={"min_confidence": 0.0, "doubtful_share": 0.1})
    border = confidence_border(Scores(("a", "b", "c"), rows, np.zeros(50)), decide)
    assert (top < border).sum() == 5
    raised = decide.model_copy(update={"min_confidence": 0.97})
    assert confidence_border(Scores(("a", "b", "c"), rows, np.zeros(50)), raised) == 0.97


def test_the_draw_changes_pictures_only_with_chance(tiny_config: Config, tiny_learned) -> None:
    sights = tiny_learned.trained.sights[:4]
    draw, rows = make_draw(tiny_config, sights), np.array([2, 0])
    plain = draw(rows, None)
    np.testing.assert_array_equal(plain.pixels, draw(rows, None).pixels)
    np.testing.assert_array_equal(plain.pixels[::-1], draw(rows[::-1], None).pixels)
    changed = draw(rows, np.random.default_rng(1))
    assert (changed.pixels != plain.pixels).any()
    np.testing.assert_array_equal(changed.pixels, draw(rows, np.random.default_rng(1)).pixels)


def test_history_and_remarks_tell_what_was_trained(tiny_training) -> None:
    folder, bundle, learned, remarks = tiny_training
    assert [remark.partition(":")[0] for remark in remarks] == ["fold1", "fold2", "final"]
    lines = (folder / "history.csv").read_text(encoding="utf-8").splitlines()
    epochs = learned.trained.final.result.history.epochs
    assert len(lines) == 1 + len(epochs)
    numbers = [epoch.number for epoch in epochs]
    assert all(after == before + 1 for before, after in pairwise(numbers))
    assert bundle.scores["balanced_accuracy"] == learned.evaluation.measures.balanced_accuracy
    assert replace(bundle, card="").gallery[0].path == learned.trained.sights[0].frame.source


def test_frames_to_learn_from_come_with_the_palettes_that_the_margin_goes_by(
    tiny_config: Config, tiny_learned
) -> None:
    sights, rows = tiny_learned.trained.sights[:4], np.array([2, 0])
    metric = tiny_config.metric.model_copy(update={"margin_by": "cie76"})
    draw = make_draw(tiny_config.model_copy(update={"metric": metric}), sights)
    chance = np.random.default_rng(1)
    first, again, plain = draw(rows, chance), draw(rows[::-1], chance), draw(rows, None)
    assert first.palettes.shape == (2, 2, tiny_config.branches.colours, 3)
    np.testing.assert_array_equal(first.palettes, again.palettes[::-1])
    assert (first.pixels != again.pixels[::-1]).any()
    assert plain.palettes.shape[2] == 0
    assert np.abs(first.palettes[0] - first.palettes[1]).max() > 0
