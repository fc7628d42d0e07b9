"""A finding says what is wrong and one thing to do about it, or neither."""

import pytest

from kilnsense.doctor.findings import Finding, not_checked, split_advice
from kilnsense.errors import InputError


@pytest.mark.parametrize(
    ("state", "found", "fix"),
    [("ok", "x", "do y"), ("warn", "x", ""), ("fail", "x", ""), ("ok", "", ""), ("fail", "", "do y")],
)
def test_a_fix_goes_with_what_is_wrong_and_only_with_it(state: str, found: str, fix: str) -> None:
    with pytest.raises(InputError, match="a fix unless it is ok"):
        Finding("x", state, found, fix)  # type: ignore[arg-type]


def test_there_are_three_states() -> None:
    with pytest.raises(InputError, match="got 'OK', allowed: ok, warn, fail"):
        Finding("x", "OK", "y")  # type: ignore[arg-type]


def test_what_is_not_checked_is_no_fault() -> None:
    assert not_checked("x") == Finding("x", "ok", "not checked here")


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (InputError("a: is cut; take it\n again"), ("a: is cut", "take it again")),
        (InputError("a; b; c"), ("a; b", "c")),
        (InputError("a: is cut"), ("a: is cut", "otherwise")),
        (InputError(), ("InputError", "otherwise")),
    ],
)
def test_the_advice_of_an_error_is_its_last_part(error: Exception, parts: tuple[str, str]) -> None:
    assert split_advice(error, "otherwise") == parts
