from dataclasses import replace

import pytest

from kilnsense.errors import InputError
from kilnsense.types import Record, Verdict

GOOD = Verdict("over", 0.7, "accepted", "over", (0.1, 0.2, 0.7))
ROW = Record("a.png", "", 4, 3, "ok", "accepted", GOOD, "", "id")


def test_margin_is_best_minus_second() -> None:
    assert GOOD.margin == pytest.approx(0.5)
    assert Verdict(None, 0.0, "bad_image").margin == 0.0


@pytest.mark.parametrize(("state", "reason"), [("over", "low_confidence"), (None, "accepted")])
def test_a_state_is_named_only_when_accepted(state: str | None, reason: str) -> None:
    with pytest.raises(InputError, match=r"Verdict\.state: got .*allowed: a state only when accepted"):
        Verdict(state, 0.5, reason)


def test_unknown_reasons_are_refused() -> None:
    with pytest.raises(InputError, match=r"Verdict\.reason: got 'hunch', allowed: accepted, "):
        Verdict(None, 0.5, "hunch")
    with pytest.raises(InputError, match=r"Record\.reason: got 'truncated', allowed: accepted, "):
        replace(ROW, reason="truncated")
    with pytest.raises(InputError, match=r"Record\.status: got 'fine', allowed: ok, review, bad"):
        replace(ROW, status="fine")


def test_a_bad_file_has_no_verdict_and_only_it() -> None:
    assert replace(ROW, status="bad", reason="truncated", verdict=None).verdict is None
    with pytest.raises(InputError, match=r"Record\.verdict: got .*allowed: none when bad"):
        replace(ROW, status="bad", reason="truncated")
    with pytest.raises(InputError, match=r"Record\.verdict: got None"):
        replace(ROW, verdict=None)
