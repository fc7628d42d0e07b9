"""Familiarity: calibration on left-out groups, each signal alone, storage, bad input."""

import numpy as np
import pytest

from kilnsense.classify.familiarity import Familiarity, calibrate_familiarity, fit_familiarity
from kilnsense.classify.reference import fit_reference
from kilnsense.errors import InputError


def runs(groups: int = 30, frames: int = 10, *, seed: int = 0, shift: float = 0.0):
    """Frames of runs with an offset each, three classes; `shift` moves a column that tells no class."""
    rng = np.random.default_rng(seed)
    name = np.repeat(np.arange(groups), frames)
    labels = name % 3
    offsets = 0.5 * rng.normal(size=(groups, 8))
    rows = offsets[name] + 0.3 * rng.normal(size=(len(name), 8))
    rows[:, :3] += 2.0 * np.eye(3)[labels]
    rows[:, 7] += shift
    thumb = rows @ np.random.default_rng(9).normal(size=(8, 320)) + 0.1 * rng.normal(size=(len(name), 320))
    embedding = rows[:, :3] + 0.05 * rng.normal(size=(len(name), 3))
    blocks = {"descriptors": rows, "thumbnail": thumb, "embedding": embedding}
    return blocks, [f"run{n}" for n in name], labels


@pytest.fixture(scope="module")
def fitted() -> Familiarity:
    blocks, groups, labels = runs()
    return fit_familiarity(blocks, groups, labels, quantile=0.95, folds=10)


def test_ordinary_unseen_runs_are_familiar_at_about_the_quantile(fitted):
    blocks, _, _ = runs(60, seed=1)
    assert 0.85 < (fitted.score(blocks) <= 1.0).mean() < 1.0


def test_training_rows_lie_nearer_than_the_border(fitted):
    blocks, _, _ = runs()
    assert np.quantile(fitted.score(blocks), 0.95) < 1.0


def test_a_drift_that_the_embedding_cannot_see_is_unfamiliar(fitted):
    ordinary, _, _ = runs(30, seed=2)
    drifted, _, _ = runs(30, seed=2, shift=6.0)
    np.testing.assert_array_equal(ordinary["embedding"], drifted["embedding"])
    assert (fitted.score(drifted) > 1.0).mean() > 0.95
    assert (fitted.score(drifted) > fitted.score(ordinary)).all()


def test_a_drift_in_one_block_alone_is_enough(fitted):
    blocks, _, _ = runs(30, seed=3)
    for name in blocks:
        moved = blocks | {name: blocks[name] + 10.0 * blocks[name].std()}
        assert (fitted.score(moved) > 1.0).mean() > 0.95, name


def test_calibration_leaves_whole_groups_out():
    """Frames of one run are twins: leaving single frames out would put the border far too near."""
    blocks, groups, labels = runs(15, 8)
    del blocks["thumbnail"]
    by_group = fit_familiarity(blocks, groups, labels)
    by_frame = fit_familiarity(blocks, [str(i) for i in range(len(labels))], labels)
    assert (by_frame.scales[:, 0] < 0.8 * by_group.scales[:, 0]).all()


def test_the_border_is_the_quantile_of_the_held_out_scores(fitted):
    rng = np.random.default_rng(0)
    signals = rng.gamma(2.0, size=(1000, 3, 3))
    again = calibrate_familiarity(fitted, signals, quantile=0.9)
    scores = np.sqrt(((signals / again.scales).mean(axis=2) ** 2).mean(axis=1)) / again.border
    assert (scores <= 1.0).mean() == pytest.approx(0.9, abs=0.002)
    assert again.references is fitted.references


def test_near_is_the_mean_distance_to_the_nearest_rows():
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(size=(40, 3)), np.arange(40) % 2
    known = fit_reference(rows, labels)
    new = rng.normal(size=(7, 3)) * 2
    white = known.space.whitened(new)
    for row, near in zip(white, known.signals(new)[:, 0], strict=True):
        distances = sorted(np.sqrt(((row - other) ** 2).sum()) for other in known.rows)
        assert near == pytest.approx(np.mean(distances[:5]) / np.sqrt(known.rows.shape[1]))


def test_rest_sees_what_lies_outside_the_principal_axes():
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(200, 2)) @ np.array([[1.0, 0, 1, 0], [0, 1.0, 0, 1]])
    rows = plane + 0.001 * rng.normal(size=(200, 4))
    known = fit_reference(rows, np.arange(200) % 2)
    inside, outside = np.array([[1.0, 1, 1, 1]]), np.array([[1.0, 0, -1, 0]])
    assert known.space.axes.shape == (4, 2)
    assert known.signals(outside)[0, 2] > 5 * known.signals(inside)[0, 2]


def test_more_rows_than_the_cap_are_thinned():
    rng = np.random.default_rng(0)
    known = fit_reference(rng.normal(size=(4500, 3)), np.arange(4500) % 3)
    assert known.rows.shape == (1500, 3)


def test_arrays_round_trip_beside_other_arrays(fitted):
    blocks, _, _ = runs(5, seed=4)
    arrays = fitted.to_arrays() | {"codebook.centres": np.zeros(3)}
    again = Familiarity.from_arrays(arrays)
    assert list(again.references) == list(fitted.references)
    np.testing.assert_array_equal(fitted.score(blocks), again.score(blocks))


def test_damaged_arrays_are_named(fitted):
    arrays = fitted.to_arrays()
    del arrays["familiarity.1.thumbnail/axes"]
    with pytest.raises(InputError, match="axes"):
        Familiarity.from_arrays(arrays)
    with pytest.raises(InputError, match="scales"):
        Familiarity.from_arrays(fitted.to_arrays() | {"familiarity.scales": np.ones((2, 3))})


def test_a_constant_block_and_a_single_row_do_no_harm(fitted):
    blocks, groups, labels = runs(6)
    flat = blocks | {"flat": np.ones((60, 4))}
    assert np.isfinite(fit_familiarity(flat, groups, labels).score(flat)).all()
    one = {name: rows[:1] for name, rows in blocks.items()}
    assert fitted.score(one).shape == (1,)
    assert fitted.score({name: rows[:0] for name, rows in blocks.items()}).shape == (0,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"blocks": {}}, "no block"),
        ({"groups": ["run0"] * 299}, "299 groups"),
        ({"groups": ["run0"] * 300}, "got 1 group, allowed: at least 2"),
        ({"blocks": {"descriptors": np.full((300, 2), np.nan)}}, "NaN"),
    ],
)
def test_input_that_does_not_fit_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        fit_familiarity(**(dict(zip(("blocks", "groups", "labels"), runs(), strict=True)) | change))


def test_asking_with_other_blocks_is_refused(fitted):
    blocks, _, _ = runs(3)
    with pytest.raises(InputError, match="block 'embedding' is missing"):
        fitted.score({"descriptors": blocks["descriptors"], "thumbnail": blocks["thumbnail"]})
    with pytest.raises(InputError, match=r"allowed: \(rows, 8\)"):
        fitted.score(blocks | {"descriptors": blocks["descriptors"][:, :4]})


@pytest.mark.parametrize("quantile", [0.0, 1.0, float("nan")])
def test_a_quantile_outside_is_refused(quantile):
    with pytest.raises(InputError, match="quantile: got"):
        fit_familiarity(*runs(4), quantile=quantile)
