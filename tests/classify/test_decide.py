"""Verdicts: the order of the reasons and what each of them says."""

import numpy as np
import pytest

from kilnsense.classify.decide import decide
from kilnsense.errors import InputError
from kilnsense.types import Quality, Scores

GOOD = Quality(luminance=0.2, bright=200.0, saturated=0.0, sharpness=50.0, haze=0.1)
BAD = Quality(luminance=0.0, bright=3.0, saturated=0.0, sharpness=0.1, haze=0.1, flags=("dark", "blurred"))
SURE, UNSURE = [0.05, 0.9, 0.05], [0.5, 0.3, 0.2]


def one(probabilities: list[float], unfamiliarity: float, quality: Quality):
    scores = Scores(("under", "normal", "over"), np.array([probabilities]), np.array([unfamiliarity]))
    return decide(scores, [quality], min_confidence=0.6)[0]


@pytest.mark.parametrize(
    ("probabilities", "unfamiliarity", "quality", "reason"),
    [
        (SURE, 0.5, GOOD, "accepted"),
        (SURE, 1.0, GOOD, "accepted"),
        (UNSURE, 0.5, GOOD, "low_confidence"),
        (SURE, 1.01, GOOD, "unfamiliar"),
        (UNSURE, 2.0, GOOD, "unfamiliar"),
        (SURE, 0.5, BAD, "bad_image"),
        (UNSURE, 9.0, BAD, "bad_image"),
        (SURE, float("nan"), GOOD, "unfamiliar"),
    ],
)
def test_the_first_reason_that_holds_is_given(probabilities, unfamiliarity, quality, reason):
    verdict = one(probabilities, unfamiliarity, quality)
    assert verdict.reason == reason
    assert verdict.state == ("normal" if reason == "accepted" else None)


def test_an_unsure_verdict_still_tells_what_was_most_probable():
    verdict = one(UNSURE, 0.5, GOOD)
    assert (verdict.best, verdict.confidence, verdict.probabilities) == ("under", 0.5, (0.5, 0.3, 0.2))
    assert verdict.margin == pytest.approx(0.2)


def test_a_bad_picture_was_not_scored():
    verdict = one(SURE, 0.5, BAD)
    assert (verdict.best, verdict.confidence, verdict.probabilities) == ("", 0.0, ())
    assert verdict.quality == ("dark", "blurred")


def test_every_row_needs_its_quality():
    scores = Scores(("a", "b"), np.full((2, 2), 0.5), np.zeros(2))
    with pytest.raises(InputError, match="got 2 scores and 1 qualities"):
        decide(scores, [GOOD], min_confidence=0.6)
