"""From calibrated scores to a verdict with a reason. kilnsense advises; where it is not sure it says so."""

from collections.abc import Sequence

from kilnsense.errors import InputError
from kilnsense.types import Quality, Scores, Verdict

FAMILIAR = 1.0
"""Unfamiliarity above this is out of what left-out groups showed (see `Scores`)."""


def decide(scores: Scores, qualities: Sequence[Quality], *, min_confidence: float) -> list[Verdict]:
    """One verdict per frame; the first of these that holds is its reason.

    1. ``bad_image``: the picture has a quality flag. It counts as not scored: no best, no probabilities.
    2. ``unfamiliar``: it lies beyond what the frames of left-out groups showed.
    3. ``low_confidence``: its calibrated probability is below `min_confidence` (0..1).
    4. ``accepted``: the state is named.

    Raises:
        InputError: not one quality for each row of the scores.
    """
    if len(qualities) != len(scores.probabilities):
        raise InputError(
            f"decide: got {len(scores.probabilities)} scores and {len(qualities)} qualities, allowed: as many"
        )
    return [_verdict(scores, row, quality, min_confidence) for row, quality in enumerate(qualities)]


def _verdict(scores: Scores, row: int, quality: Quality, min_confidence: float) -> Verdict:
    if not quality.usable:
        return Verdict(state=None, confidence=0.0, reason="bad_image", quality=quality.flags)
    probabilities = scores.probabilities[row]
    best = int(probabilities.argmax())
    confidence, distance = float(probabilities[best]), float(scores.unfamiliarity[row])
    # Comparisons are written so that a NaN can never be accepted.
    if not distance <= FAMILIAR:
        reason = "unfamiliar"
    elif not confidence >= min_confidence:
        reason = "low_confidence"
    else:
        reason = "accepted"
    return Verdict(
        state=scores.classes[best] if reason == "accepted" else None,
        confidence=confidence,
        reason=reason,
        best=scores.classes[best],
        probabilities=tuple(float(value) for value in probabilities),
        unfamiliarity=distance,
        quality=quality.flags,
    )
