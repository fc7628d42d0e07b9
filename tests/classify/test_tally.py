"""Counts per group: against a loop, and as sums."""

import numpy as np
import pytest

from kilnsense.classify.tally import BINS, count, stack
from kilnsense.errors import InputError

RNG = np.random.default_rng(0)
N, GROUPS = 60, 5
TRUTH = RNG.integers(0, 3, N)
TABLE = RNG.dirichlet((1, 1, 1), N)
NAMED = RNG.random(N) < 0.6
PLACE = RNG.integers(0, GROUPS - 1, N)  # the last group has no frame


def test_a_tally_is_what_a_loop_counts() -> None:
    tally = count(TRUTH, TABLE, NAMED, PLACE, places=GROUPS)
    confusion, bins = np.zeros((GROUPS, 3, 3)), np.zeros((GROUPS, 3, BINS))
    log_loss, brier, accepted = np.zeros(GROUPS), np.zeros(GROUPS), np.zeros((GROUPS, 2))
    for truth, row, named, group in zip(TRUTH, TABLE, NAMED, PLACE, strict=True):
        said, sure = int(np.argmax(row)), float(np.max(row))
        confusion[group, truth, said] += 1
        log_loss[group] -= np.log(row[truth])
        brier[group] += sum((row[c] - (c == truth)) ** 2 for c in range(3))
        slot = next(b for b in range(BINS) if sure <= (b + 1) / BINS + 1e-15)
        bins[group, :, slot] += (1, sure, said == truth)
        accepted[group] += (named, named and said == truth)
    for name, expected in (
        ("confusion", confusion),
        ("log_loss", log_loss),
        ("brier", brier),
        ("bins", bins),
        ("accepted", accepted),
    ):
        np.testing.assert_allclose(getattr(tally, name), expected, err_msg=name)
    assert tally.frames.tolist() == np.bincount(PLACE, minlength=GROUPS).tolist()
    assert tally.frames[-1] == 0


def test_sums_weights_and_what_is_left_out() -> None:
    one = count(TRUTH, TABLE, NAMED, PLACE, places=GROUPS)
    two = count(TRUTH, TABLE[:, ::-1], ~NAMED, PLACE, places=GROUPS)
    both = stack([one, two])
    whole = both.summed(1)
    np.testing.assert_allclose(whole.confusion[0], one.confusion.sum(axis=0))
    left = both.without(1)
    for group in range(GROUPS):
        rest = np.delete(two.bins, group, axis=0).sum(axis=0)
        np.testing.assert_allclose(left.bins[1, group], rest)
    weights = np.array([[1, 1, 1, 1, 1], [2, 0, 3, 0, 0]])
    drawn = both.weighted(weights)
    np.testing.assert_allclose(drawn.log_loss[0], whole.log_loss)
    np.testing.assert_allclose(drawn.accepted[1, 1], 2 * two.accepted[0] + 3 * two.accepted[2])


def test_a_sure_and_wrong_answer_costs_much_but_not_infinitely() -> None:
    table = np.array([[1.0, 0.0]])
    tally = count(np.array([1]), table, np.array([True]), np.array([0]), places=1)
    assert 20 < tally.log_loss[0] < 30
    assert tally.brier[0] == 2.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"truth": TRUTH[:-1]}, "allowed: N of each"),
        ({"truth": TRUTH + 1}, r"labels: got 1\.\.3, allowed: 0\.\.2"),
        ({"probabilities": TABLE * np.nan}, "NaN or infinite"),
        ({"place": PLACE + GROUPS}, "places: got"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, np.ndarray], message: str) -> None:
    given = {"truth": TRUTH, "probabilities": TABLE, "accepted": NAMED, "place": PLACE} | change
    with pytest.raises(InputError, match=message):
        count(given["truth"], given["probabilities"], given["accepted"], given["place"], places=GROUPS)
