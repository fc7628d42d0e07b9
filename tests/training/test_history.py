"""The history orders epochs and survives the round trip."""

import math

import pytest

from kilnsense.errors import InputError
from kilnsense.training.history import Epoch, History


def epoch(number: int, accuracy: float, loss: float = 0.1) -> Epoch:
    return Epoch(number, 0.2, 1e-3, accuracy, loss, spread=(0.5, 1.0), collapsed=("scale:1.0",), hard=3)


def test_the_best_epoch_has_the_highest_accuracy_then_the_lowest_loss_then_comes_first() -> None:
    history = History(
        (epoch(0, 0.5), epoch(1, 0.9, 0.3), epoch(2, 0.9, 0.2), epoch(3, 0.9, 0.2), epoch(4, 0.8, 0))
    )
    assert history.best.number == 2


def test_a_nan_loss_never_beats_a_number() -> None:
    assert not epoch(1, 0.5, math.nan).better_than(epoch(0, 0.5, 0.3))


def test_json_gives_back_the_same_history() -> None:
    history = History((epoch(0, 1 / 3), epoch(1, 0.7)))
    assert History.from_json(history.to_json()) == history


@pytest.mark.parametrize("text", ["", "nonsense", "[1]", '[{"number": 1}]', '{"a": 1}'])
def test_text_that_is_no_history_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="no history"):
        History.from_json(text)


def test_an_empty_history_has_no_best_epoch() -> None:
    with pytest.raises(InputError, match="holds no epoch"):
        _ = History().best


def test_a_history_of_fewer_figures_is_still_read() -> None:
    text = (
        '[{"number": 1, "loss": 0.2, "rate": 0.001, "accuracy": 0.5, "validation_loss": 0.1, '
        '"spread": [0.5], "collapsed": [], "easy": 1, "semi_hard": 2, "hard": 3, "skipped": 0, '
        '"seconds": 1.5}]'
    )
    (read,) = History.from_json(text).epochs
    assert (read.semi_hard, read.genuine, read.images) == (2, 0, 0)


def test_the_speed_is_of_training_alone() -> None:
    epochs = (
        Epoch(0, seconds=5.0),
        Epoch(1, images=300, train_seconds=2.0, seconds=9.0),
        Epoch(2, images=100, train_seconds=2.0, seconds=9.0),
    )
    assert History(epochs).images_per_second == 100
    assert History(epochs[:1]).images_per_second == 0
