"""Readings and alarm events for the tests of the links."""

from kilnsense.types import AlarmEvent, AlarmStatus, CameraHealth, Reading

CLASSES = ("under", "normal", "over")
AT = 1_750_000_000.25
"""2025-06-15T15:06:40.250Z"""


def health(state: str = "LIVE", detail: str = "", **more: int) -> CameraHealth:
    return CameraHealth(state, detail, "", AT - 60, **more)


def reading(
    state: str | None = "normal",
    *,
    reason: str = "",
    camera: str = "kiln1",
    seq: int = 1,
    at: float = AT,
    how: CameraHealth | None = None,
) -> Reading:
    shares = {"under": (0.9, 0.08, 0.02), "normal": (0.05, 0.9, 0.05), "over": (0.02, 0.08, 0.9)}
    return Reading(
        camera=camera,
        seq=seq,
        at=at,
        classes=CLASSES,
        state=state,
        reason=reason,
        confidence=0.9 if state else 0.0,
        since=at - 30,
        health=how or health(frames=seq * 10),
        model_id="model-7",
        probabilities=shares[state] if state else (),
        trend="steady" if state else "",
        frame_at=at - 0.2,
        frame_age=0.2,
    )


def event(
    number: int = 0, action: str = "raised", *, camera: str = "kiln1", active: bool = True
) -> AlarmEvent:
    status = AlarmStatus(
        id=f"{camera}.over" if camera else "storage",
        camera=camera,
        kind="burning" if camera else "storage",
        priority="medium",
        active=active,
        acked=not active,
        since=AT + number,
        text=f"Kiln over-burnt, event {number} “ä”",
    )
    return AlarmEvent(AT + number, action, status, user="eva", reason=f"reason {number}")
