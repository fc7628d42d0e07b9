"""The decision over time: from single verdicts to a published state, or UNKNOWN and why.

Pure functions on a frozen `Decision`: one `step` for every judged frame, and about once a second where none
comes. All times are seconds of the monotonic clock and are handed in. What is published follows these rules,
the first that holds:

1. A fault of the model, a camera that is not LIVE, or no judged frame for `stale_s`: UNKNOWN, at once.
2. Unfamiliar or bad frames alone for `bad_s`: UNKNOWN. Until then a state stands, and none begins.
3. After UNKNOWN for these reasons, familiar frames must have come for `settle_s`.
4. A state begins at the filtered probability `enter` and stands until it falls below `leave` or another one
   reaches `enter`. In between: UNKNOWN, low_confidence.

Only familiar frames move the belief; while none come it fades towards what is usual.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kilnsense.config.monitor import DecisionConfig
from kilnsense.live.belief import Belief, pass_time, stationary, weigh
from kilnsense.live.trend import Bin, add, drift, trend
from kilnsense.types import CAMERA_STATES, Verdict
from kilnsense.types.checks import expect

CAMERA_REASONS = {
    "CONNECTING": "camera_connecting",
    "STALLED": "camera_stalled",
    "BAD_PICTURE": "bad_picture",
    "OFFLINE": "camera_offline",
}
"""Why nothing is published while the camera is in this state."""

POOR = {"unfamiliar": "unfamiliar", "bad_image": "bad_picture"}
"""Reasons of verdicts that no state may rest on, and what is published for them."""

FORMAT = 1


@dataclass(frozen=True)
class Observation:
    """What a decision is made on.

    Attributes:
        camera: its state, one of `CAMERA_STATES`.
        verdict: of the newest judged frame; None: none since the last step.
        frame_at: when that frame arrived.
        fault: the model failed its self-test, or its worker is gone.
    """

    camera: str
    verdict: Verdict | None = None
    frame_at: float | None = None
    fault: bool = False

    def __post_init__(self) -> None:
        expect(
            self.camera in CAMERA_STATES, "Observation.camera", repr(self.camera), ", ".join(CAMERA_STATES)
        )
        both = (self.verdict is None) == (self.frame_at is None)
        expect(both, "Observation", "one of verdict and frame_at", "both or none")


@dataclass(frozen=True)
class Sightings:
    """The judged frames since the camera came.

    Attributes:
        live_since: when the camera came; None: it is not there.
        frame_at: when the newest arrived; None: none yet.
        good_since: since when familiar frames come, with gaps below `bad_s`.
        poor_since: since when only unfamiliar or bad frames come; None: the newest one is neither.
        kind: what is wrong with the newest, a value of `POOR`; "": nothing.
        kind_since: since when that is wrong and nothing else.
    """

    live_since: float | None = None
    frame_at: float | None = None
    good_since: float | None = None
    poor_since: float | None = None
    kind: str = ""
    kind_since: float = 0.0


@dataclass(frozen=True)
class Decision:
    """What is known of the burning at one moment.

    Attributes:
        classes: in order from cold to hot.
        at: the moment.
        probabilities: per class, filtered over time.
        state: the published class, or None for UNKNOWN.
        reason: one of `UNKNOWN_REASONS` where there is no state, else "".
        since: when this state, or UNKNOWN for this reason, began.
        trend: as in `Reading`.
        evidence_at: when the last frame arrived that moved the belief.
        sightings, bins: what the next step needs to know.
    """

    classes: tuple[str, ...]
    at: float
    probabilities: tuple[float, ...]
    state: str | None
    reason: str
    since: float
    trend: str = ""
    evidence_at: float | None = None
    sightings: Sightings = Sightings()
    bins: tuple[Bin, ...] = ()

    @property
    def confidence(self) -> float:
        """Filtered probability of the state; 0 where there is none."""
        return 0.0 if self.state is None else self.probabilities[self.classes.index(self.state)]


def begin(classes: Sequence[str], now: float) -> Decision:
    """Nothing is known yet. Raises InputError for fewer than two classes."""
    usual = tuple(stationary(len(classes)).tolist())
    return Decision(tuple(classes), now, usual, state=None, reason="starting", since=now)


def step(
    before: Decision, seen: Observation, now: float, config: DecisionConfig, *, prior: Sequence[float] = ()
) -> Decision:
    """The next decision.

    Args:
        before: the one that went before.
        seen: what there is to decide on; a frame that is no newer than the one before counts as none.
        now: monotonic seconds.
        config: times and limits.
        prior: as in `weigh`.

    Raises:
        InputError: the clock ran backwards, or probabilities and classes do not fit together.
    """
    expect(now >= before.at, "step", f"{now} after {before.at}", "a clock that never runs backwards")
    belief = pass_time(np.array(before.probabilities), dwell_s=config.dwell_s, passed_s=now - before.at)
    evidence_at, bins = before.evidence_at, before.bins
    fresh = _fresh(seen, before)
    if fresh is not None and fresh.verdict.reason not in POOR:
        shown, power = fresh.verdict.probabilities, _power(evidence_at, fresh.at, config.memory_s)
        belief = weigh(belief, shown, power=power, prior=prior)
        bins, evidence_at = add(bins, fresh.at, shown, trend_s=config.trend_s), fresh.at
    sightings = _sighted(before.sightings, seen, fresh, now, config)
    reason = _hindrance(before, seen, sightings, now, config)
    state = None if reason else _held(before, belief, config, may_begin=sightings.poor_since is None)
    if state is None:
        reason = reason or "low_confidence"
    best, gained = int(belief.argmax()), drift(bins, now, trend_s=config.trend_s)
    return replace(
        before,
        at=now,
        probabilities=tuple(belief.tolist()),
        state=state,
        reason=reason,
        since=before.since if (state, reason) == (before.state, before.reason) else now,
        trend=trend(gained, before.classes, best) if reason in ("", "low_confidence") else "",
        evidence_at=evidence_at,
        sightings=sightings,
        bins=bins,
    )


@dataclass(frozen=True)
class _Fresh:
    verdict: Verdict
    at: float


def _fresh(seen: Observation, before: Decision) -> _Fresh | None:
    """What may count: the verdict on a new frame, of a live camera and a sound model."""
    if not _is_watching(seen) or seen.verdict is None or seen.frame_at is None:
        return None
    if any(
        old is not None and seen.frame_at <= old for old in (before.evidence_at, before.sightings.frame_at)
    ):
        return None
    return _Fresh(seen.verdict, seen.frame_at)


def _is_watching(seen: Observation) -> bool:
    return seen.camera == "LIVE" and not seen.fault


def _power(evidence_at: float | None, frame_at: float, memory_s: float) -> float:
    """How much of a frame is news: in proportion to the time since the one before, at most all of it."""
    if evidence_at is None:
        return 1.0
    return min((frame_at - evidence_at) / memory_s, 1.0)


def _sighted(
    before: Sightings, seen: Observation, fresh: _Fresh | None, now: float, config: DecisionConfig
) -> Sightings:
    """After one more step."""
    if not _is_watching(seen):
        return Sightings()
    after = Sightings(live_since=now) if before.live_since is None else before
    if fresh is not None:
        kind = POOR.get(fresh.verdict.reason, "")
        good_since = fresh.at if after.good_since is None and not kind else after.good_since
        poor_since = fresh.at if after.poor_since is None else after.poor_since
        after = replace(
            after,
            frame_at=fresh.at,
            good_since=good_since,
            poor_since=poor_since if kind else None,
            kind=kind,
            kind_since=after.kind_since if kind == after.kind else fresh.at,
        )
    poor = after.poor_since is not None and now - after.poor_since >= config.bad_s
    return replace(after, good_since=None) if poor or _is_stale(after, now, config) else after


def _is_stale(sightings: Sightings, now: float, config: DecisionConfig) -> bool:
    newest = sightings.live_since if sightings.frame_at is None else sightings.frame_at
    return newest is not None and now - newest > config.stale_s


def _hindrance(
    before: Decision, seen: Observation, sightings: Sightings, now: float, config: DecisionConfig
) -> str:
    """Why no state may be published whatever is believed; "" where one may."""
    if seen.fault:
        return "model_fault"
    if seen.camera != "LIVE":
        return CAMERA_REASONS[seen.camera]
    if _is_stale(sightings, now, config):
        return "stale"
    waiting = before.state is None and before.reason != "low_confidence"
    told = before.reason if waiting and before.reason in POOR.values() else ""
    poor_s = 0.0 if sightings.poor_since is None else now - sightings.poor_since
    if sightings.good_since is None and poor_s >= config.bad_s:
        # Dust flickers between unfamiliar and bad; the reason follows only what lasts.
        return sightings.kind if now - sightings.kind_since >= config.bad_s else told or sightings.kind
    settled = sightings.good_since is not None and now - sightings.good_since >= config.settle_s
    return (told or "starting") if waiting and not settled else ""


def _held(before: Decision, belief: Belief, config: DecisionConfig, *, may_begin: bool) -> str | None:
    """The state that the belief holds up, if any."""
    best = int(belief.argmax())
    begins = may_begin and belief[best] >= config.enter
    if before.state is None:
        return before.classes[best] if begins else None
    own = before.classes.index(before.state)
    if begins and best != own:
        return before.classes[best]
    return before.state if belief[own] >= config.leave else None


def to_plain(decision: Decision, wall: float) -> dict[str, object]:
    """The belief as plain values for JSON, to outlast a restart; `wall`: seconds since 1970."""
    return {
        "format": FORMAT,
        "classes": list(decision.classes),
        "probabilities": list(decision.probabilities),
        "saved_at": wall,
    }


def resume(
    values: Mapping[str, object], classes: Sequence[str], now: float, wall: float, config: DecisionConfig
) -> Decision:
    """A decision that starts with the belief of `to_plain`, and with nothing published.

    Starts afresh where the belief is older than a dwell time, from the future (a clock was set), of other
    classes, or not whole: a belief is worth minutes, not a fault at start. Only here a difference of wall
    times counts as a duration, because no other clock outlasts a restart.
    """
    fresh = begin(classes, now)
    saved_at, given = values.get("saved_at"), values.get("probabilities")
    if values.get("format") != FORMAT or values.get("classes") != list(classes):
        return fresh
    if not isinstance(saved_at, int | float) or not 0 <= wall - saved_at <= config.dwell_s:
        return fresh
    if not _are_probabilities(given, len(classes)):
        return fresh
    belief = np.array(given, np.float64)
    aged = pass_time(belief / belief.sum(), dwell_s=config.dwell_s, passed_s=wall - saved_at)
    return replace(fresh, probabilities=tuple(aged.tolist()))


def _are_probabilities(given: object, classes: int) -> bool:
    if not isinstance(given, list) or len(given) != classes:
        return False
    numbers = all(isinstance(p, int | float) and math.isfinite(p) and p >= 0 for p in given)
    return numbers and math.isclose(sum(given), 1.0, abs_tol=1e-6)
