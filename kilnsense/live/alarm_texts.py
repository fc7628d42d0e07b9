"""What an alarm says to people: what, where, since when, on what evidence, and what to check."""

from datetime import UTC, datetime

from kilnsense.types import UNKNOWN, Reading

_CHECK_PICTURE = "the glass and the air of the camera, its light, its aim and its focus"

CAMERA_CHECKS = {
    "CONNECTING": "the address of the camera, its power and the network",
    "STALLED": "the network to the camera, and the camera itself",
    "OFFLINE": "the power of the camera and the network",
    "BAD_PICTURE": _CHECK_PICTURE,
}
"""By state of the camera."""


def clock_text(at: float) -> str:
    """A moment for people, in UTC to the minute; with its day, as an alarm may stand for days."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def burning_text(reading: Reading, state: str) -> str:
    """Of a burning state that lasts."""
    classes = reading.classes
    parts = [f"Burning zone is {state} at {reading.camera} since {clock_text(reading.since)}."]
    if reading.probabilities:
        probability = reading.probabilities[classes.index(state)]
        evidence = f"Evidence: probability {probability:.2f} over time"
        if reading.raw:
            evidence += f", {reading.raw[classes.index(state)]:.2f} in the newest frame"
        if reading.trend:
            evidence += f", trend {reading.trend}"
        parts.append(evidence + ".")
    if state == classes[0]:
        check = "fuel rate and flame, kiln feed and its moisture, kiln drive torque, free lime of the clinker"
    elif state == classes[-1]:
        check = "fuel rate and flame, kiln feed, kiln drive torque, shell temperature in the burning zone"
    else:
        check = "flame, kiln feed and kiln drive torque"
    parts.append(f"Check: the live picture; {check}.")
    return " ".join(parts)


def unstable_text(reading: Reading | None, camera: str, count: int, seconds: float) -> str:
    """Of alarms that come and go."""
    now = f", now {reading.word}" if reading else ""
    return (
        f"Burning zone is unstable at {camera}: {count} alarms within {seconds / 60:.0f} min{now}. Single "
        "burning alarms are held back until it is quiet. Check: the flame, coating that falls, dust before "
        "the camera, and whether the model fits the present operation."
    )


def camera_text(reading: Reading | None, camera: str, *, stale: bool) -> str:
    """Of a camera without a usable picture."""
    held = "Burning alarms of this camera are held back."
    if stale or reading is None:
        since = f"since {clock_text(reading.at)}" if reading else "since the start of the monitor"
        return f"Nothing is heard of {camera} {since}. {held} Check: the log of the monitor, its load."
    health = reading.health
    detail = f" ({health.detail.replace('_', ' ')})" if health.detail else ""
    said = f" {health.message.rstrip('.')}." if health.message else ""
    state = health.state.replace("_", " ")
    check = CAMERA_CHECKS.get(health.state, _CHECK_PICTURE)
    since = clock_text(health.since)
    return f"Camera {camera} is {state}{detail} since {since}.{said} {held} Check: {check}."


def model_text(reading: Reading | None, camera: str) -> str:
    """Of a model that fails its test."""
    since = f" since {clock_text(reading.since)}" if reading else ""
    model = f" (model {reading.model_id})" if reading else ""
    return (
        f"The model of {camera} does not answer as it should{since}{model}; {UNKNOWN} is published. "
        "Burning alarms of this camera are held back. Check: the log of the monitor, memory and disk of the "
        "computer, and the bundle with `kilnsense doctor`."
    )
