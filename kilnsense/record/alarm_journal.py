"""Lines of the alarm journal as they are stored and sent: plain values, and back."""

import json
from dataclasses import asdict
from typing import Any

from kilnsense.errors import InputError, SourceError
from kilnsense.types import AlarmEvent, AlarmStatus

Stored = tuple[float, float, str, str, str, str]
"""at, monotonic, action, status as JSON, user, reason."""


def event_to_row(event: AlarmEvent) -> Stored:
    """The columns of an event."""
    status = json.dumps(asdict(event.status), separators=(",", ":"))
    return event.at, event.monotonic, event.action, status, event.user, event.reason


def row_to_event(row: Stored) -> AlarmEvent:
    """What `event_to_row` gave. Raises SourceError where it is no such thing."""
    at, monotonic, action, status, user, reason = row
    try:
        told: dict[str, Any] = json.loads(status)
        return AlarmEvent(at, action, AlarmStatus(**told), user, reason, monotonic)
    except (TypeError, ValueError, InputError) as error:
        raise SourceError(
            f"alarm journal: an event of {at:.0f} cannot be read ({error}); restore the file"
        ) from error
