"""Wrong labels and copies that were planted are found, and nothing else is."""

import numpy as np

from kilnsense.compare.suspects import ALIKE, suspicious_labels, twins_across_groups
from kilnsense.config import Config, ImageConfig
from kilnsense.types import Frame


def test_planted_wrong_labels_are_found() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(300) % 3
    table = rng.dirichlet((1, 1, 1), 300) * 0.4 + 0.6 * np.eye(3)[truth]
    labels = truth.copy()
    wrong = rng.choice(300, 30, replace=False)
    labels[wrong] = (truth[wrong] + 1) % 3
    found = suspicious_labels(table, labels)
    assert len({one.row for one in found} & set(wrong.tolist())) >= 20
    assert {one.row for one in found} <= set(wrong.tolist())
    assert all(one.better == truth[one.row] for one in found)
    assert [one.confidence for one in found] == sorted(table[one.row, labels[one.row]] for one in found)
    assert suspicious_labels(table, truth) == []


def test_a_class_that_is_never_sure_is_not_doubted_for_that() -> None:
    """Being likelier is not enough for another class: it must be as sure as it usually is."""
    table = np.array([[0.45, 0.55], [0.48, 0.52], [0.05, 0.95], [0.1, 0.9]])
    assert suspicious_labels(table, np.array([0, 0, 1, 1])) == []


def picture(rng: np.random.Generator, base: np.ndarray, noise: int, name: str) -> Frame:
    moved = base.astype(int) + rng.integers(-noise, noise + 1, base.shape)
    return Frame(np.clip(moved, 0, 255).astype(np.uint8), source=name)


def test_the_same_picture_in_two_groups_is_found_and_other_pairs_are_not() -> None:
    rng = np.random.default_rng(0)
    bases = rng.integers(30, 220, (4, 60, 80, 3))
    frames = [picture(rng, base, 1, f"a{number}") for number, base in enumerate(bases)]
    frames += [picture(rng, bases[2], 1, "b"), picture(rng, bases[0], 1, "c")]
    groups = np.array(["r0", "r1", "r2", "r3", "other", "r0"])
    (pair,) = twins_across_groups(frames, groups, Config())
    assert (pair.first, pair.second) == (2, 4)
    assert 0 < pair.difference < ALIKE
    # A slow loop over all pairs says the same where no mean colour is used to pass any over.
    everywhere = np.array([f"g{number}" for number in range(6)])
    assert {(one.first, one.second) for one in twins_across_groups(frames, everywhere, Config())} == {
        (2, 4),
        (0, 5),
    }


def test_what_is_not_judged_does_not_count() -> None:
    rng = np.random.default_rng(0)
    base = rng.integers(30, 220, (60, 80, 3))
    clock = base.copy()
    clock[:12] = 255
    frames = [picture(rng, base, 0, "a"), picture(rng, clock, 0, "b")]
    groups = np.array(["r0", "r1"])
    assert twins_across_groups(frames, groups, Config()) == []
    image = ImageConfig(exclude=(((0.0, 0.0), (1.0, 0.0), (1.0, 0.25), (0.0, 0.25)),))
    assert len(twins_across_groups(frames, groups, Config(image=image))) == 1
