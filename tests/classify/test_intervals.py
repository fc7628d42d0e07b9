"""Intervals: on their scale, wider for fewer groups, and holding what they should in a small simulation."""

import numpy as np
import pytest
from scipy import stats

from kilnsense.classify.intervals import Interval, interval
from kilnsense.classify.measures import MEASURES, cost_table
from kilnsense.classify.tally import Tally, count, stack

COSTS = cost_table((), 3)


def sample(rng: np.random.Generator, groups: int, frames: int = 10) -> Tally:
    """Two repeats of frames whose groups differ in how hard they are."""
    truth = np.repeat(np.arange(groups) % 3, frames)
    hard = np.repeat(rng.normal(1.0, 1.0, groups), frames)
    tables = []
    for _ in range(2):
        logits = rng.normal(0, 1, (groups * frames, 3)) + hard[:, None] * np.eye(3)[truth]
        table = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        place = np.repeat(np.arange(groups), frames)
        tables.append(count(truth, table, table.max(axis=1) > 0.5, place, places=groups))
    return stack(tables)


def measured(tally: Tally, name: str = "macro_f1", share: float = 0.25) -> Interval:
    return interval(tally, MEASURES[name], COSTS, test_share=share, rng=np.random.default_rng(0))


@pytest.mark.parametrize("name", MEASURES)
def test_every_interval_holds_its_estimate_and_stays_on_its_scale(name: str) -> None:
    found = measured(sample(np.random.default_rng(2), 15), name)
    assert found.low < found.value < found.high
    bottom = -1 if MEASURES[name].scale == "signed" else 0
    assert found.low >= bottom
    if MEASURES[name].scale != "amount":
        assert found.high <= 1


def test_the_same_draws_give_the_same_interval() -> None:
    tally = sample(np.random.default_rng(3), 12)
    assert measured(tally) == measured(tally)


def test_fewer_groups_and_smaller_training_parts_widen_it() -> None:
    many, few = sample(np.random.default_rng(4), 60), sample(np.random.default_rng(4), 9)
    width = {name: one.high - one.low for name, one in (("many", measured(many)), ("few", measured(few)))}
    assert width["few"] > 1.8 * width["many"]
    assert measured(many, share=1.0).high - measured(many, share=1.0).low > 1.2 * width["many"]


def test_a_perfect_score_is_not_beyond_doubt() -> None:
    truth = np.repeat(np.arange(12) % 3, 5)
    tally = stack([count(truth, np.eye(3)[truth], np.ones(60, bool), np.repeat(np.arange(12), 5), places=12)])
    found = measured(tally)
    assert found.value == 1.0
    assert found.high == 1.0
    # Twelve groups without a fault: one in four may be faulty (0.025 ** (1 / 12) = 0.735).
    assert found.low == pytest.approx(0.025 ** (1 / 12))
    costs = measured(tally, "cost")
    assert costs.value == 0
    assert costs.high == pytest.approx(8 * (1 - 0.025 ** (1 / 12)))  # each may cost as much as any can


def test_freedom_is_what_classes_leave_of_the_groups() -> None:
    """Nine groups in three classes: Student's t with six degrees of freedom, deviation times sqrt(9 / 6)."""
    tally = sample(np.random.default_rng(8), 9)
    found = measured(tally, share=0.0)
    weights = np.random.default_rng(0).multinomial(9, np.full(9, 1 / 9), size=2000)
    drawn = MEASURES["macro_f1"].value(tally.weighted(weights), COSTS).mean(axis=1)
    p = found.value
    reach = stats.t.ppf(0.975, 6) * drawn.std(ddof=1) * np.sqrt(9 / 6) / (p * (1 - p))
    logit = np.log(p / (1 - p))
    assert found.low == pytest.approx(1 / (1 + np.exp(-(logit - reach))))
    assert found.high == pytest.approx(1 / (1 + np.exp(-(logit + reach))))


def test_few_groups_that_differ_much_give_wide_intervals_without_a_warning() -> None:
    """Warnings are errors in the tests: an overflow on the way would be one."""
    truth = np.repeat(np.arange(3), 4)
    table = np.full((12, 3), 0.005)
    table[np.arange(12), truth] = 0.99
    table[:4] = (0.005, 0.99, 0.005)
    tally = stack([count(truth, table, np.ones(12, bool), np.repeat(np.arange(3), 4), places=3)])
    for name in MEASURES:
        found = measured(tally, name)
        assert found.low <= found.value <= found.high, name
        assert np.isfinite((found.low, found.high)).all(), name


def test_it_holds_the_true_score_about_as_often_as_it_says() -> None:
    truth = np.mean([measured(sample(np.random.default_rng([7, seed]), 300)).value for seed in range(6)])
    held = 0
    for seed in range(200):
        # No network is trained here, so nothing but the draw of groups varies: no share for training.
        found = measured(sample(np.random.default_rng([5, seed]), 15), share=0.0)
        held += found.low <= truth <= found.high
    assert 0.91 <= held / 200 <= 0.995
