"""Readings and alarms as JSON objects: what subscribers and files get. Each carries its schema's name."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from kilnsense.links.newest import Heard
from kilnsense.stamp import stamp
from kilnsense.types import AlarmEvent, AlarmStatus

Json = Mapping[str, object]


def moment(seconds: float) -> str:
    """A moment (seconds since 1970) as UTC, ISO 8601 with milliseconds and Z."""
    return stamp(datetime.fromtimestamp(seconds, UTC))


def state_payload(heard: Heard, *, site: str) -> Json:
    """The schema ``kilnsense.state/1``: what is published of a camera, how old the frame is, and why."""
    reading, health, age = heard.reading, heard.reading.health, heard.frame_age
    return {
        "schema": "kilnsense.state/1",
        "site": site,
        "camera": reading.camera,
        "seq": reading.seq,
        "at": moment(reading.at),
        "state": reading.word,
        "reason": reading.reason,
        "confidence": round(reading.confidence, 4),
        "since": moment(reading.since),
        "age_s": None if age is None else round(age, 3),
        "trend": reading.trend,
        "probabilities": {
            name: round(share, 4) for name, share in zip(reading.classes, reading.probabilities, strict=False)
        },
        "health": {
            "state": health.state,
            "detail": health.detail,
            "message": health.message,
            "since": moment(health.since),
        },
        "model_id": reading.model_id,
    }


def alarm_payload(status: AlarmStatus) -> Json:
    """The schema ``kilnsense.alarm/1``: an alarm as it stands."""
    until = status.shelved_until
    return {
        "schema": "kilnsense.alarm/1",
        "id": status.id,
        "camera": status.camera,
        "kind": status.kind,
        "priority": status.priority,
        "active": status.active,
        "acked": status.acked,
        "latched": status.latched,
        "shelved_until": None if until is None else moment(until),
        "shelved_by": status.shelved_by,
        "shelve_reason": status.shelve_reason,
        "suppressed": status.suppressed,
        "since": moment(status.since) if status.since else None,
        "text": status.text,
    }


def event_payload(event: AlarmEvent, *, site: str) -> Json:
    """The schema ``kilnsense.event/1``: a line of the journal.

    The same event has the same id on every link and each time that it is sent; a receiver that must not
    count it twice drops the ids that it knows.
    """
    return {
        "schema": "kilnsense.event/1",
        "id": f"{event.status.id}-{event.action}-{round(event.at * 1e6)}",
        "site": site,
        "camera": event.status.camera,
        "at": moment(event.at),
        "action": event.action,
        "user": event.user,
        "reason": event.reason,
        "alarm": alarm_payload(event.status),
    }


def encoded(payload: Json) -> str:
    """One line of JSON."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
