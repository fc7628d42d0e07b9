"""What a live camera says: its health, what it shows, what is made of it over time, and alarms.

Moments are seconds since 1970 (UTC), for people and files. Every duration is measured with the monotonic
clock, never as a difference of two such moments.
"""

from dataclasses import dataclass

from kilnsense.types.checks import expect
from kilnsense.types.region import Region

CAMERA_STATES = ("CONNECTING", "LIVE", "STALLED", "BAD_PICTURE", "OFFLINE")
BAD_PICTURES = ("frozen", "dark", "over_exposed", "blurred", "dusted")
"""What makes a picture a bad one; the detail of `CameraHealth` in the state BAD_PICTURE."""

UNKNOWN_REASONS = (
    "starting",
    "camera_connecting",
    "camera_stalled",
    "camera_offline",
    "bad_picture",
    "unfamiliar",
    "low_confidence",
    "model_fault",
    "stale",
)
"""Why no burning state is published."""

UNKNOWN = "UNKNOWN"
"""How the absence of a state is written where a word must stand."""

STEADY = "steady"
"""The trend of a state that drifts nowhere."""

PRIORITIES = ("low", "medium", "high")


@dataclass(frozen=True)
class CameraHealth:
    """How a camera does.

    Attributes:
        state: one of `CAMERA_STATES`.
        detail: of BAD_PICTURE one of `BAD_PICTURES`; else a stable error code such as ``open_timeout``,
            or "".
        message: one sentence for people, without passwords; "" where all is well.
        since: when this state began.
        frames: that were grabbed since the monitor started.
        reconnects: since the monitor started.
        rate: frames a second over the last seconds, 0 where none came.
    """

    state: str
    detail: str
    message: str
    since: float
    frames: int = 0
    reconnects: int = 0
    rate: float = 0.0

    def __post_init__(self) -> None:
        expect(self.state in CAMERA_STATES, "CameraHealth.state", repr(self.state), ", ".join(CAMERA_STATES))


@dataclass(frozen=True)
class Reading:
    """What is published of a camera at one moment: a state, or why there is none.

    Attributes:
        camera: its name.
        seq: counts the readings of this camera since the monitor started.
        at: when it was made.
        classes: names of the burning states, in order from cold to hot.
        state: one of the classes, or None for UNKNOWN.
        reason: one of `UNKNOWN_REASONS` where there is no state, else "".
        confidence: probability of the state after filtering, 0..1; 0 where there is none.
        since: when this state, or UNKNOWN for this reason, began.
        probabilities: per class, filtered over time; empty where unknown.
        raw: per class, calibrated, of the frame that this reading brought; empty where it brought none.
        unfamiliarity: of that frame, 1 = the border; 0 where there is none.
        trend: the class that the burning drifts towards, `STEADY`, or "" where it cannot be said.
        health: of the camera.
        frame_at: when the frame was taken that was judged last; None: none yet.
        frame_age: seconds between its arrival and this reading; None: none yet.
        regions: of the frame that this reading brought; empty where it brought none.
        bed_edge: height of the upper edge of the bed, share of the picture's height from below, 0..1;
            None where it was not seen.
        model_id: of the bundle.
    """

    camera: str
    seq: int
    at: float
    classes: tuple[str, ...]
    state: str | None
    reason: str
    confidence: float
    since: float
    health: CameraHealth
    model_id: str
    probabilities: tuple[float, ...] = ()
    raw: tuple[float, ...] = ()
    unfamiliarity: float = 0.0
    trend: str = ""
    frame_at: float | None = None
    frame_age: float | None = None
    regions: tuple[Region, ...] = ()
    bed_edge: float | None = None

    def __post_init__(self) -> None:
        if self.state is None:
            known = ", ".join(UNKNOWN_REASONS)
            expect(self.reason in UNKNOWN_REASONS, "Reading.reason", repr(self.reason), known)
        else:
            expect(self.state in self.classes, "Reading.state", repr(self.state), ", ".join(self.classes))
            expect(not self.reason, "Reading.reason", repr(self.reason), "'' beside a state")

    @property
    def word(self) -> str:
        """The state, or `UNKNOWN`."""
        return self.state or UNKNOWN


@dataclass(frozen=True)
class AlarmStatus:
    """One alarm as it stands.

    Attributes:
        id: stable, such as ``kiln1.over``; letters, digits, points, ``_`` and ``-``.
        camera: that it belongs to; "" for one of the whole station.
        kind: ``burning``, ``unstable``, ``camera``, ``model`` or ``storage``.
        priority: one of `PRIORITIES`.
        active: its condition holds, delays and hysteresis included.
        acked: somebody has seen this activation; True where there is none.
        latched: it was active and has not been acknowledged since, though its condition is over.
        shelved_until: None where it is not shelved.
        shelved_by, shelve_reason: who shelved it and why.
        suppressed: its condition cannot be judged, because of another alarm.
        since: when it became active, or cleared; 0: never was.
        text: what, where, since, evidence, and what to check, for people.
    """

    id: str
    camera: str
    kind: str
    priority: str
    active: bool = False
    acked: bool = True
    latched: bool = False
    shelved_until: float | None = None
    shelved_by: str = ""
    shelve_reason: str = ""
    suppressed: bool = False
    since: float = 0.0
    text: str = ""

    def __post_init__(self) -> None:
        expect(
            self.priority in PRIORITIES, "AlarmStatus.priority", repr(self.priority), ", ".join(PRIORITIES)
        )

    @property
    def shown(self) -> bool:
        """Whether an operator's list holds it: active or latched, and neither shelved nor suppressed."""
        return (self.active or self.latched) and self.shelved_until is None and not self.suppressed


ALARM_ACTIONS = (
    "raised",
    "cleared",
    "acknowledged",
    "shelved",
    "unshelved",
    "suppressed",
    "unsuppressed",
    "realarmed",
    "escalated",
    "configured",
)


@dataclass(frozen=True)
class AlarmEvent:
    """One line of the alarm journal.

    Attributes:
        at: when it happened.
        action: one of `ALARM_ACTIONS`.
        status: of the alarm after it.
        user: who did it; "" for the monitor itself.
        reason: that was given; "".
        monotonic: seconds of the monotonic clock, to order events when the clock of the wall was set.
    """

    at: float
    action: str
    status: AlarmStatus
    user: str = ""
    reason: str = ""
    monotonic: float = 0.0

    def __post_init__(self) -> None:
        expect(self.action in ALARM_ACTIONS, "AlarmEvent.action", repr(self.action), ", ".join(ALARM_ACTIONS))


@dataclass(frozen=True)
class Span:
    """A stretch of time in which a camera's published word did not change.

    Attributes:
        word: a class name or `UNKNOWN`.
        reason: as in `Reading`.
        start, end: moments.
    """

    word: str
    reason: str
    start: float
    end: float


@dataclass(frozen=True)
class Aggregate:
    """Five minutes of one camera.

    Attributes:
        start: moment of the first second.
        shares: word -> share of the readings, summing to 1.
        probabilities: mean per class over the readings with a state; empty where there was none.
        confidence: mean over the readings with a state; None where there was none.
        regions: region name -> (mean area, mean L*), over readings in which it was present.
        bed_edge: mean; None where it was never seen.
        readings: how many.
    """

    start: float
    shares: dict[str, float]
    probabilities: tuple[float, ...]
    confidence: float | None
    regions: dict[str, tuple[float, float]]
    bed_edge: float | None
    readings: int


@dataclass(frozen=True)
class StoredPicture:
    """A picture of the history, without its bytes.

    Attributes:
        id: of the store.
        camera, at: whose and when.
        why: ``change`` (around a change of the published word), ``alarm`` or ``regular``.
        word: that was published then.
    """

    id: int
    camera: str
    at: float
    why: str
    word: str
