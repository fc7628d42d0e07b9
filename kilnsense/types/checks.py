"""Checks that the value types share; each raises `InputError` and says what was allowed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import InputError


def expect(condition: bool, what: str, got: object, allowed: str) -> None:
    """Raises unless `condition` holds."""
    if not condition:
        raise InputError(f"{what}: got {got}, allowed: {allowed}")


def expect_array(what: str, array: NDArray[np.generic], shape: Sequence[int | None], dtype: type) -> None:
    """Raises unless the array has the shape (None: any) and the dtype."""
    fits = array.ndim == len(shape) and all(
        want is None or got == want for got, want in zip(array.shape, shape, strict=True)
    )
    wanted = "(" + ", ".join("any" if want is None else str(want) for want in shape) + ")"
    expect(fits, f"{what} shape", array.shape, wanted)
    expect(array.dtype == dtype, f"{what} dtype", array.dtype, np.dtype(dtype).name)


def expect_finite(what: str, array: NDArray[np.floating]) -> None:
    """Raises where a value is NaN or infinite."""
    expect(bool(np.isfinite(array).all()), what, "NaN or infinite values", "finite values")
