"""What is published over time, on a clock of the test's own."""

import json
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilnsense.config.monitor import DecisionConfig
from kilnsense.errors import InputError
from kilnsense.live.belief import pass_time, stationary
from kilnsense.live.decision import (
    CAMERA_REASONS,
    Decision,
    Observation,
    begin,
    resume,
    step,
    to_plain,
)
from kilnsense.types import CAMERA_STATES, STEADY, UNKNOWN_REASONS, Verdict

CLASSES = ("under", "normal", "over")
CONFIG = DecisionConfig(
    dwell_s=900, memory_s=20, enter=0.8, leave=0.6, settle_s=10, bad_s=3, stale_s=5, trend_s=600
)


def verdict(*probabilities: float) -> Verdict:
    best = int(np.argmax(probabilities))
    return Verdict(CLASSES[best], probabilities[best], "accepted", CLASSES[best], probabilities)


SURE = {
    "under": verdict(0.9, 0.07, 0.03),
    "normal": verdict(0.05, 0.9, 0.05),
    "over": verdict(0.03, 0.07, 0.9),
}
UNSURE = Verdict(None, 0.4, "low_confidence", "over", (0.3, 0.3, 0.4))
UNFAMILIAR = Verdict(None, 0.9, "unfamiliar", "over", (0.05, 0.05, 0.9), unfamiliarity=2.0)
BAD = Verdict(None, 0.0, "bad_image", quality=("dark",))


def live(shown: Verdict, at: float) -> Observation:
    return Observation("LIVE", shown, at)


def watch(
    before: Decision, shown: Verdict, seconds: float, *, rate: float = 2.0, config: DecisionConfig = CONFIG
) -> Decision:
    """The decision after so many seconds of equal frames."""
    start = before.at
    for number in range(1, round(seconds * rate) + 1):
        now = start + number / rate
        before = step(before, live(shown, now), now, config)
    return before


def wait(before: Decision, camera: str, seconds: float) -> Decision:
    """The decision after so many seconds without a frame, one step a second."""
    start = before.at
    for second in range(1, round(seconds) + 1):
        before = step(before, Observation(camera), start + second, CONFIG)
    return before


@pytest.fixture
def burning_over() -> Decision:
    """OVER is published since a while."""
    decision = watch(begin(CLASSES, 0.0), SURE["over"], 300)
    assert decision.state == "over"
    return decision


def test_nothing_is_known_at_the_start() -> None:
    decision = begin(CLASSES, 5.0)
    assert (decision.state, decision.reason, decision.since, decision.confidence) == (None, "starting", 5, 0)
    assert decision.probabilities == (0.25, 0.5, 0.25)
    later = step(decision, Observation("LIVE"), 60.0, CONFIG)
    assert (later.reason, later.since) == ("starting", 5.0)


def test_an_old_frame_after_a_pause_moves_nothing(burning_over: Decision) -> None:
    paused = wait(burning_over, "CONNECTING", 2)
    seen = live(SURE["under"], burning_over.at - 60)
    again = step(paused, seen, paused.at + 1, CONFIG)
    assert again.bins == burning_over.bins
    assert again.probabilities == pytest.approx(wait(paused, "LIVE", 1).probabilities)


def test_a_live_camera_without_frames_is_stale() -> None:
    decision = wait(begin(CLASSES, 0.0), "CONNECTING", 30)
    assert decision.reason == "camera_connecting"
    decision = wait(decision, "LIVE", 6)
    assert (decision.reason, decision.since) == ("starting", 31.0)
    assert wait(decision, "LIVE", 1).reason == "stale"


@pytest.mark.parametrize("quiet", [0, 3])
def test_a_bad_picture_is_the_reason_until_frames_have_settled(burning_over: Decision, quiet: int) -> None:
    decision = wait(wait(burning_over, "BAD_PICTURE", 20), "LIVE", quiet)
    for _ in range(20):
        assert (decision.state, decision.reason) == (None, "bad_picture")
        decision = watch(decision, SURE["over"], 0.5)
    assert watch(decision, SURE["over"], 0.5).state == "over"


def test_settling_takes_exactly_its_time() -> None:
    decision, began = begin(CLASSES, 0.0), 0.0
    for half in range(1, 60):
        now = half / 2
        decision = step(decision, live(SURE["over"], now), now, CONFIG)
        if decision.state is not None:
            began = now
            break
        assert decision.reason == "starting"
    first_frame = 0.5
    assert began == first_frame + CONFIG.settle_s
    assert decision.since == began
    assert decision.confidence >= CONFIG.enter


def test_enter_and_leave_are_the_limits() -> None:
    decision, published = begin(CLASSES, 0.0), False
    for half in range(1, 2000):
        now = half / 2
        shown = SURE["over"] if half < 800 else SURE["normal"]
        decision = step(decision, live(shown, now), now, CONFIG)
        over = decision.probabilities[2]
        if now <= CONFIG.settle_s + 0.5:
            continue
        if half < 800:
            published = published or over >= CONFIG.enter
            assert (decision.state == "over") == published
        elif decision.state == "over":
            assert over >= CONFIG.leave
        elif decision.state is None:
            assert decision.reason == "low_confidence"
            assert over < CONFIG.leave
            assert decision.probabilities[1] < CONFIG.enter
        else:
            assert decision.state == "normal"
            break
    assert decision.state == "normal"
    assert decision.since == decision.at


@pytest.mark.parametrize("power", [1.0, 0.97])
def test_the_decision_rate_does_not_matter(power: float) -> None:
    rng = np.random.default_rng(7)
    minutes = rng.dirichlet([2, 2, 2], size=20) * power + (1 - power) / 3

    def run(rate: float) -> list[tuple[float, ...]]:
        decision, beliefs = begin(CLASSES, 0.0), []
        for row in minutes:
            decision = watch(decision, verdict(*row.tolist()), 60, rate=rate)
            beliefs.append(decision.probabilities)
        return beliefs

    fast, slow = np.array(run(2.0)), np.array(run(0.5))
    assert np.ptp(fast, axis=0).min() > 0.3
    np.testing.assert_allclose(fast, slow, atol=0.03)


@pytest.mark.parametrize("camera", sorted(CAMERA_REASONS))
def test_a_camera_that_is_not_live_ends_a_state_at_once(burning_over: Decision, camera: str) -> None:
    now = burning_over.at + 0.5
    decision = step(burning_over, Observation(camera, SURE["over"], now), now, CONFIG)
    assert (decision.state, decision.reason, decision.since) == (None, CAMERA_REASONS[camera], now)
    assert (decision.confidence, decision.trend) == (0.0, "")
    back = watch(decision, SURE["over"], CONFIG.settle_s)
    assert back.state is None
    assert back.reason == ("bad_picture" if camera == "BAD_PICTURE" else "starting")
    assert watch(back, SURE["over"], 1).state == "over"


def test_a_fault_of_the_model_comes_before_all() -> None:
    decision = step(begin(CLASSES, 0.0), Observation("OFFLINE", fault=True), 1.0, CONFIG)
    assert decision.reason == "model_fault"


def test_after_a_fault_frames_must_settle_again(burning_over: Decision) -> None:
    now = burning_over.at + 0.5
    decision = step(burning_over, Observation("LIVE", SURE["over"], now, fault=True), now, CONFIG)
    assert (decision.state, decision.reason) == (None, "model_fault")
    decision = watch(decision, SURE["over"], CONFIG.settle_s)
    assert (decision.state, decision.reason) == (None, "starting")
    assert watch(decision, SURE["over"], 0.5).state == "over"


def test_no_frames_end_a_state(burning_over: Decision) -> None:
    decision = wait(burning_over, "LIVE", 5)
    assert decision.state == "over"
    decision = wait(decision, "LIVE", 1)
    assert (decision.state, decision.reason) == (None, "stale")
    decision = watch(decision, SURE["over"], CONFIG.settle_s)
    assert (decision.state, decision.reason) == (None, "starting")
    assert watch(decision, SURE["over"], 0.5).state == "over"


def test_an_old_frame_again_is_no_frame(burning_over: Decision) -> None:
    decision, at = burning_over, burning_over.at
    for second in range(1, 7):
        decision = step(decision, live(SURE["over"], at), at + second, CONFIG)
    assert decision.reason == "stale"
    assert decision.probabilities == pytest.approx(wait(burning_over, "LIVE", 6).probabilities)
    assert decision.bins == burning_over.bins


@pytest.mark.parametrize(("poor", "reason"), [(UNFAMILIAR, "unfamiliar"), (BAD, "bad_picture")])
def test_poor_frames_end_a_state_after_their_time(burning_over: Decision, poor: Verdict, reason: str) -> None:
    decision = watch(burning_over, poor, CONFIG.bad_s)
    assert decision.state == "over"
    decision = watch(decision, poor, 0.5)
    assert (decision.state, decision.reason) == (None, reason)
    assert decision.probabilities[2] < burning_over.probabilities[2]
    settling = watch(decision, SURE["over"], CONFIG.settle_s)
    assert (settling.state, settling.reason) == (None, reason)
    assert watch(settling, SURE["over"], 0.5).state == "over"


def test_short_poor_stretches_change_nothing(burning_over: Decision) -> None:
    decision = burning_over
    for _ in range(20):
        decision = watch(watch(decision, UNFAMILIAR, 2.5), SURE["over"], 1)
        assert decision.state == "over"
    assert decision.since == burning_over.since


def test_no_state_begins_on_a_poor_frame() -> None:
    decision = watch(begin(CLASSES, 0.0), SURE["over"], CONFIG.settle_s)
    assert decision.state is None
    assert watch(decision, UNFAMILIAR, 1).state is None
    assert watch(decision, SURE["over"], 1).state == "over"


def test_settling_counts_from_the_first_familiar_frame() -> None:
    decision = watch(watch(begin(CLASSES, 0.0), UNFAMILIAR, 2), SURE["over"], CONFIG.settle_s)
    assert (decision.state, decision.reason) == (None, "starting")
    assert watch(decision, SURE["over"], 0.5).state == "over"


def test_a_frame_from_before_a_poor_one_is_no_frame(burning_over: Decision) -> None:
    poor = watch(burning_over, BAD, 4)
    late = step(poor, live(SURE["over"], poor.at - 1), poor.at + 1, CONFIG)
    assert late == wait(poor, "LIVE", 1)


def test_the_reason_follows_what_lasts(burning_over: Decision) -> None:
    decision = watch(burning_over, UNFAMILIAR, 5)
    since = decision.since
    for _ in range(10):
        decision = watch(watch(decision, BAD, 1), UNFAMILIAR, 1)
        assert (decision.reason, decision.since) == ("unfamiliar", since)
    assert watch(decision, BAD, 5).reason == "bad_picture"


def test_belief_fades_while_nothing_is_seen(burning_over: Decision) -> None:
    gone = wait(burning_over, "OFFLINE", 600)
    slow = pass_time(np.array(burning_over.probabilities), dwell_s=CONFIG.dwell_s, passed_s=600)
    np.testing.assert_allclose(gone.probabilities, slow, atol=1e-9)


def test_unsure_frames_end_in_low_confidence() -> None:
    decision = watch(begin(CLASSES, 0.0), UNSURE, 60)
    assert (decision.state, decision.reason) == (None, "low_confidence")
    assert decision.since == 0.5 + CONFIG.settle_s


def test_trend_is_told_while_the_picture_allows_it(burning_over: Decision) -> None:
    assert burning_over.trend == ""
    steady = watch(burning_over, SURE["over"], 400)
    assert steady.trend == STEADY
    cooling = steady
    for third in range(12):
        share = third / 12
        shown = verdict(0.03, 0.07 + 0.83 * share, 0.9 - 0.83 * share)
        cooling = watch(cooling, shown, 50)
    assert cooling.trend in ("normal", "under")
    assert wait(cooling, "STALLED", 1).trend == ""


def test_a_class_list_of_two_works() -> None:
    decision = begin(("cold", "hot"), 0.0)
    shown = Verdict("hot", 0.9, "accepted", "hot", (0.1, 0.9))
    for half in range(1, 200):
        decision = step(decision, live(shown, half / 2), half / 2, CONFIG)
    assert decision.state == "hot"


def test_a_clock_that_runs_backwards_is_refused(burning_over: Decision) -> None:
    with pytest.raises(InputError, match="never runs backwards"):
        step(burning_over, Observation("LIVE"), burning_over.at - 1, CONFIG)


def test_an_observation_needs_verdict_and_time() -> None:
    with pytest.raises(InputError, match="one of verdict and frame_at"):
        Observation("LIVE", SURE["over"])
    with pytest.raises(InputError, match=r"Observation\.camera: got 'ALIVE'"):
        Observation("ALIVE")


def test_a_restart_keeps_the_belief_and_publishes_nothing(burning_over: Decision) -> None:
    values = json.loads(json.dumps(to_plain(burning_over, 1e9)))
    again = resume(values, CLASSES, 3.0, 1e9 + 60, CONFIG)
    assert (again.state, again.reason, again.since) == (None, "starting", 3.0)
    faded = pass_time(np.array(burning_over.probabilities), dwell_s=CONFIG.dwell_s, passed_s=60)
    np.testing.assert_allclose(again.probabilities, faded, atol=1e-9)


@pytest.mark.parametrize(
    ("change", "wall"),
    [
        ({}, 1e9 + 901),
        ({}, 1e9 - 1),
        ({"format": 2}, 1e9),
        ({"classes": ["a", "b", "c"]}, 1e9),
        ({"saved_at": "yesterday"}, 1e9),
        ({"probabilities": [0.5, 0.5]}, 1e9),
        ({"probabilities": [0.5, 0.6, 0.7]}, 1e9),
        ({"probabilities": [float("nan"), 0.5, 0.5]}, 1e9),
        ({"probabilities": None}, 1e9),
    ],
)
def test_a_restart_starts_afresh_where_the_belief_is_of_no_use(
    burning_over: Decision, change: dict[str, object], wall: float
) -> None:
    values = to_plain(burning_over, 1e9) | change
    assert resume(values, CLASSES, 3.0, wall, CONFIG) == begin(CLASSES, 3.0)


SHOWN = st.sampled_from([*SURE.values(), UNSURE, UNFAMILIAR, BAD, None])
STEPS = st.lists(
    st.tuples(
        st.floats(0.01, 8),
        st.sampled_from([*CAMERA_STATES, *["LIVE"] * 8]),
        SHOWN,
        st.sampled_from([False] * 9 + [True]),
        st.integers(1, 12),
    ),
    max_size=25,
)


def decisions(steps: Iterable[tuple[float, str, Verdict | None, bool, int]]) -> Iterable[tuple]:
    decision = begin(CLASSES, 0.0)
    for passed, camera, shown, fault, times in steps:
        for _ in range(times):
            now = decision.at + passed
            seen = Observation(camera, shown, None if shown is None else now, fault)
            before, decision = decision, step(decision, seen, now, CONFIG)
            yield before, seen, decision


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_what_is_published_keeps_the_rules(
    steps: list[tuple[float, str, Verdict | None, bool, int]],
) -> None:
    newest, poor_since = None, None
    for before, seen, decision in decisions(steps):
        assert sum(decision.probabilities) == pytest.approx(1)
        assert (decision.reason in UNKNOWN_REASONS) == (decision.state is None)
        same = (before.state, before.reason) == (decision.state, decision.reason)
        assert decision.since == (before.since if same else decision.at)
        if seen.camera != "LIVE" or seen.fault:
            newest = poor_since = None
            assert decision.state is None
            continue
        if seen.verdict is not None:
            newest = seen.frame_at
            poor = seen.verdict.reason in ("unfamiliar", "bad_image")
            poor_since = (newest if poor_since is None else poor_since) if poor else None
        if newest is None or decision.at - newest > CONFIG.stale_s:
            assert decision.state is None
        if poor_since is not None:
            assert decision.state is None or decision.at - poor_since < CONFIG.bad_s
            assert decision.state in (None, before.state)
        if decision.state is not None:
            limit = CONFIG.leave if decision.state == before.state else CONFIG.enter
            assert decision.confidence >= limit


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_the_order_of_the_classes_has_no_favourite(
    steps: list[tuple[float, str, Verdict | None, bool, int]],
) -> None:
    turned = [
        (passed, camera, None if shown is None else _turned(shown), fault, times)
        for passed, camera, shown, fault, times in steps
    ]
    other_way = {"under": "over", "over": "under", "normal": "normal", None: None}
    for (_, _, one), (_, _, other) in zip(decisions(steps), decisions(turned), strict=True):
        assert other_way[one.state] == other.state
        assert one.reason == other.reason
        np.testing.assert_allclose(one.probabilities, other.probabilities[::-1], atol=1e-9)


def _turned(shown: Verdict) -> Verdict:
    if shown.reason == "accepted":
        return verdict(*shown.probabilities[::-1])
    turned = shown.probabilities[::-1]
    best = CLASSES[int(np.argmax(turned))] if turned else ""
    return Verdict(None, shown.confidence, shown.reason, best, turned, shown.unfamiliarity, shown.quality)


def test_a_usual_belief_is_where_it_starts() -> None:
    assert begin(CLASSES, 0.0).probabilities == tuple(stationary(3).tolist())
