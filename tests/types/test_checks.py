import numpy as np
import pytest

from kilnsense.errors import InputError
from kilnsense.types.checks import expect, expect_array, expect_finite


def test_what_holds_passes_in_silence() -> None:
    expect(True, "x", 1, "1")
    expect_array("x", np.zeros((2, 3), np.uint8), (None, 3), np.uint8)
    expect_finite("x", np.zeros(2))


def test_messages_say_what_was_got_and_what_is_allowed() -> None:
    with pytest.raises(InputError, match=r"^x: got 3, allowed: 1 or 2$"):
        expect(False, "x", 3, "1 or 2")
    with pytest.raises(InputError, match=r"^x shape: got \(2, 3\), allowed: \(any, 4\)$"):
        expect_array("x", np.zeros((2, 3), np.uint8), (None, 4), np.uint8)
    with pytest.raises(InputError, match=r"x shape: got \(2,\), allowed: \(any, any\)"):
        expect_array("x", np.zeros(2, np.uint8), (None, None), np.uint8)
    with pytest.raises(InputError, match=r"^x dtype: got float64, allowed: uint8$"):
        expect_array("x", np.zeros(2), (2,), np.uint8)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_found(value: float) -> None:
    with pytest.raises(InputError, match="x: got NaN or infinite values"):
        expect_finite("x", np.array([0.0, value]))
