"""Frames of a run: truth, memory of flicker and exposure, endless runs, and how hard a plant is."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from kilnsense.errors import ConfigError, InputError
from kilnsense.render.difficulty import DIFFICULTIES
from kilnsense.render.frames import follow_flicker, live_frames, render_frame, render_run
from kilnsense.render.plan import plan_run
from kilnsense.render.process import state_at
from kilnsense.render.sequence import sample_times

SMALL = (96, 72)


def test_a_frame_stands_alone_or_first_in_a_run() -> None:
    plan = plan_run(np.random.default_rng(4), size=SMALL)
    alone, first = render_frame(plan, 1234.5), next(render_run(plan, [1234.5, 2000.0]))
    assert (alone.pixels == first.pixels).all()
    assert (alone.regions == first.regions).all()
    assert alone.truth == first.truth
    assert alone.pixels.shape == (72, 96, 3)
    assert alone.pixels.dtype == np.uint8
    assert alone.regions.shape == (72, 96)


def test_truth_agrees_with_itself() -> None:
    plan = plan_run(np.random.default_rng(4), size=SMALL)
    for frame in render_run(plan, np.arange(6) * 4000.0):
        truth = frame.truth
        assert (truth.state, truth.ambiguous) == state_at(plan.bands, truth.bed_temperature_c)
        assert 0 <= truth.transmission <= 1
        clipped = (frame.pixels[::2, ::2].max(axis=2) >= 254).mean()
        assert truth.saturated_share == pytest.approx(clipped, abs=0.12)


def test_neighbouring_frames_differ_less_than_distant_ones() -> None:
    plan = plan_run(np.random.default_rng(6), size=SMALL)
    first, second, later = (f.pixels.astype(float) for f in render_run(plan, [100.0, 100.04, 9000.0]))
    assert 0 < np.abs(first - second).mean() < 0.6 * np.abs(first - later).mean()


def test_flicker_keeps_its_variance_and_forgets() -> None:
    rng = np.random.default_rng(0)
    values = [0.0]
    for fresh in rng.standard_normal(20_000):
        values.append(follow_flicker(values[-1], float(fresh), 0.04))
    series = np.array(values[100:])
    assert series.std() == pytest.approx(1, abs=0.05)
    assert np.corrcoef(series[:-1], series[1:])[0, 1] == pytest.approx(np.exp(-0.5), abs=0.03)
    assert follow_flicker(5.0, 0.25, np.inf) == 0.25


def test_dusted_over_bed_is_not_usable() -> None:
    plan = plan_run(np.random.default_rng(4), size=SMALL)
    thick = dataclasses.replace(plan, difficulty=dataclasses.replace(plan.difficulty, dust=30.0))
    assert render_frame(plan, 100.0).truth.usable
    buried = render_frame(thick, 100.0).truth
    assert buried.transmission < 0.15
    assert not buried.usable


def test_times_must_rise() -> None:
    plan = plan_run(np.random.default_rng(4), size=SMALL)
    with pytest.raises(InputError, match=r"got 5\.0 after 5\.0; they start at 0 and must rise"):
        list(render_run(plan, [5.0, 5.0]))


def test_live_frames_never_end_and_keep_the_rate() -> None:
    plan = plan_run(np.random.default_rng(4), size=SMALL)
    taken = list(itertools.islice(live_frames(plan, rate=5.0), 4))
    assert [frame.truth.time_s for frame in taken] == pytest.approx([0.0, 0.2, 0.4, 0.6])
    with pytest.raises(InputError, match="above 0 frames per second"):
        live_frames(plan, rate=0.0)


def test_plans_are_reproducible_and_differ_by_seed() -> None:
    first, again, other = (plan_run(np.random.default_rng(s), name="r") for s in (1, 1, 2))
    assert first == again
    assert first != other
    json.dumps(dataclasses.asdict(first))


def test_unknown_difficulty_and_size_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="allowed are easy, plant, hard"):
        plan_run(rng, difficulty="toy")
    with pytest.raises(InputError, match="each side must be 48 to 4096"):
        plan_run(rng, size=(10, 480))


def test_state_names_are_data() -> None:
    plan = plan_run(np.random.default_rng(3), size=SMALL, states=("lean", "rich"))
    seen = {frame.truth.state for frame in render_run(plan, np.arange(8) * 3000.0)}
    assert seen <= {"lean", "rich"}


def _scores(difficulty: str, *, runs: int, frames: int, size: tuple[int, int]) -> dict[str, float]:
    """Balanced accuracy on unseen runs of one number per frame: mean luminance, true bed temperature."""
    facts, states, groups = [], [], []
    for number in range(runs):
        rng = np.random.default_rng([77, number])
        plan = plan_run(rng, difficulty=difficulty, size=size)
        for frame in render_run(plan, sample_times(rng, plan, frames, video=False)):
            linear = (frame.pixels / 255.0) ** 2.2
            luminance = linear.mean(axis=(0, 1)) @ [0.2126, 0.7152, 0.0722]
            facts.append([np.cbrt(luminance), frame.truth.bed_temperature_c])
            states.append(frame.truth.state)
            groups.append(number)
    assert len(set(states)) == 3
    model = make_pipeline(StandardScaler(), SVC(C=10.0, class_weight="balanced"))
    scores = {}
    for column, name in enumerate(("luminance", "temperature")):
        found = cross_val_predict(
            model, np.array(facts)[:, [column]], states, groups=groups, cv=GroupKFold(4)
        )
        scores[name] = float(balanced_accuracy_score(states, found))
    return scores


def test_plant_cannot_be_solved_by_brightness_but_by_temperature() -> None:
    scores = _scores("plant", runs=10, frames=16, size=(64, 48))
    assert scores["luminance"] < 0.75
    assert scores["temperature"] > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("difficulty", ["plant", "hard"])
def test_many_runs_cannot_be_solved_by_brightness_but_by_temperature(difficulty: str) -> None:
    scores = _scores(difficulty, runs=40, frames=30, size=(160, 120))
    assert scores["luminance"] < 0.75
    assert scores["temperature"] > 0.95


def test_transmission_overlaps_between_states() -> None:
    """Dust must hint at the state, never give it away."""
    passed: dict[str, list[float]] = {}
    for number in range(4):
        plan = plan_run(np.random.default_rng([5, number]), size=(64, 48))
        for frame in render_run(plan, np.arange(20) * 1500.0):
            passed.setdefault(frame.truth.state, []).append(frame.truth.transmission)
    under, over = np.array(passed["under"]), np.array(passed["over"])
    assert np.median(under) < np.median(over)
    assert np.quantile(under, 0.9) > np.quantile(over, 0.25)


def test_difficulties_get_harder() -> None:
    easy, plant, hard = (DIFFICULTIES[name] for name in ("easy", "plant", "hard"))
    for field in (
        "cue_offset",
        "cue_noise",
        "exposure_stops",
        "decoupled_share",
        "dust",
        "film",
        "read_noise",
    ):
        assert getattr(easy, field) < getattr(plant, field) < getattr(hard, field)
