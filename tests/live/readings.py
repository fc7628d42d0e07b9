"""Readings of a camera as tests need them."""

from kilnsense.types import CameraHealth, Reading, Region

CLASSES = ("under", "normal", "over")
START = 1_900_000_000.0


def make_reading(
    word: str, at: float = START, *, camera: str = "kiln1", health: str = "LIVE", seq: int = 1
) -> Reading:
    """A reading of a class, or of UNKNOWN for a reason of `UNKNOWN_REASONS`."""
    state = word if word in CLASSES else None
    told = tuple(0.9 if name == word else 0.05 for name in CLASSES) if state else ()
    return Reading(
        camera,
        seq,
        at,
        CLASSES,
        state,
        "" if state else word,
        confidence=0.9 if state else 0.0,
        since=at,
        health=CameraHealth(health, "dark" if health == "BAD_PICTURE" else "", "", at),
        model_id="abc",
        probabilities=told,
        raw=told,
        trend="steady" if state else "",
        frame_at=at,
        frame_age=0.1,
        regions=(Region("flame", True, 0.25, (60.0, 10.0, 20.0)), Region("bed", False, 0.0)),
        bed_edge=0.4 if state else None,
    )
