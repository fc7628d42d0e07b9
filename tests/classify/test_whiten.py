"""Whitening of a block: against the definition, and where it could blow up."""

import numpy as np
import pytest

from kilnsense.classify.whiten import fit_whitening
from kilnsense.errors import InputError


def test_whitened_rows_are_uncorrelated_with_damped_variance():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 4)) @ rng.normal(size=(4, 4)) + 5.0
    white = fit_whitening(rows).whitened(rows)
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    variance = np.sort(np.linalg.eigvalsh(scaled.T @ scaled / 300))[::-1][: white.shape[1]]
    np.testing.assert_allclose(
        white.T @ white / 300, np.diag(variance / (variance + 0.01 * variance[0])), atol=1e-9
    )


def test_outside_is_the_squared_residual():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(100, 2)) @ rng.normal(size=(2, 5)) + 0.01 * rng.normal(size=(100, 5))
    fitted = fit_whitening(rows)
    new = rng.normal(size=(3, 5))
    for row, outside in zip(new, fitted.outside(new), strict=True):
        scaled = (row - fitted.centre) * fitted.factor
        rest = scaled - fitted.axes @ (fitted.axes.T @ scaled)
        assert outside == pytest.approx((rest**2).sum() / fitted.leftover)


def test_wide_blocks_keep_twenty_axes_and_their_own_scale():
    rng = np.random.default_rng(2)
    fitted = fit_whitening(rng.normal(size=(60, 301)) * 9.0)
    assert fitted.axes.shape == (301, 20)
    assert (fitted.factor == 1.0).all()


def test_constant_columns_and_single_rows_are_harmless():
    fitted = fit_whitening(np.ones((5, 3)))
    np.testing.assert_array_equal(fitted.whitened(np.ones((2, 3))), 0.0)
    assert np.isfinite(fit_whitening(np.arange(3.0)[None]).whitened(np.zeros((1, 3)))).all()


def test_other_columns_are_refused():
    with pytest.raises(InputError, match=r"allowed: \(rows, 3\)"):
        fit_whitening(np.eye(3)).whitened(np.eye(4))
