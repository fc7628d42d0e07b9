"""How a moment is written in files and messages."""

from datetime import datetime


def stamp(moment: datetime) -> str:
    """UTC as ISO 8601 with milliseconds and Z. The moment must bear the time zone UTC."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
