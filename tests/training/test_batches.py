"""What batches hold, and who is kept to be judged."""

import numpy as np
import pytest

from kilnsense.config import TrainingConfig
from kilnsense.errors import InputError
from kilnsense.training.batches import MAX_JUDGED, draw_batches, pick_judged

LABELS = np.repeat(np.arange(5), 20)
GROUPS = np.array([f"run{number}" for number in np.arange(100) % 4])


def batches(rows: int = 0, **changes: int) -> list[np.ndarray]:
    config = TrainingConfig.model_validate({"batches_per_epoch": 6} | changes)
    return list(draw_batches(LABELS, GROUPS, config, tuples=rows, rng=np.random.default_rng(0)))


def test_balanced_batches_have_as_many_classes_as_asked_for_or_all() -> None:
    for asked, want in ((2, 2), (4, 4), (8, 5)):
        for batch in batches(classes_per_batch=asked, samples_per_class=3):
            assert np.unique(LABELS[batch], return_counts=True)[1].tolist() == [3] * want


def test_tuples_are_laid_out_in_parts() -> None:
    for batch in batches(3, tuples=7):
        anchor, positive, negative = LABELS[batch].reshape(3, 7)
        assert (anchor == positive).all()
        assert (anchor != negative).all()
    for batch in batches(2, tuples=8):
        first, second = LABELS[batch].reshape(2, 8)
        assert (first == second).sum() == 4


def test_one_class_alone_is_refused() -> None:
    with pytest.raises(InputError, match="needs 2 or more"):
        draw_batches(LABELS[:20], GROUPS[:20], TrainingConfig(), tuples=0, rng=np.random.default_rng(0))


def test_few_samples_are_all_judged() -> None:
    rows = np.arange(10, 60)
    assert pick_judged(rows, LABELS, np.arange(5), np.random.default_rng(0)) is rows


def test_many_samples_of_known_classes_are_judged_at_random() -> None:
    labels = np.arange(10_000) % 10
    rows = np.arange(5_000)
    kept = pick_judged(rows, labels, np.arange(10), np.random.default_rng(0))
    assert len(kept) == len(np.unique(kept)) == MAX_JUDGED
    assert kept.max() < 5_000
    assert len(pick_judged(rows, labels, np.arange(10), np.random.default_rng(0), most=2_000)) == 2_000


def test_new_classes_are_judged_whole() -> None:
    """Of 500 classes of 20 samples each a random 400 would hold less than one of each."""
    labels = np.repeat(np.arange(500), 20)
    kept = pick_judged(np.arange(10_000), labels, np.zeros(0, np.int64), np.random.default_rng(0))
    assert np.unique(labels[kept], return_counts=True)[1].tolist() == [5] * 80
    few = pick_judged(np.arange(10_000), labels // 250, np.zeros(0, np.int64), np.random.default_rng(0))
    assert np.bincount(labels[few] // 250).tolist() == [200, 200]


def test_known_and_new_classes_share_the_room() -> None:
    labels = np.concatenate([np.zeros(600, np.int64), 1 + np.arange(200) // 20])
    kept = pick_judged(np.arange(800), labels, np.zeros(1, np.int64), np.random.default_rng(0))
    assert (labels[kept] == 0).sum() == 300
    assert np.unique(labels[kept], return_counts=True)[1].tolist() == [300] + [10] * 10
