"""Vector comparisons: against plain numpy, and near duplicates far from the origin."""

import numpy as np
import torch

from kilnsense.metric import vector


def vectors(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_tables_equal_numpy() -> None:
    x, y = vectors(20, 5), vectors(30, 5, seed=1)
    expected = ((x.numpy()[:, None] - y.numpy()) ** 2).sum(-1)
    np.testing.assert_allclose(vector.squared_table(x, y).numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(vector.euclidean_table(x, y).numpy(), np.sqrt(expected), atol=1e-12)


def test_near_duplicates_far_out_keep_their_distance_in_float32() -> None:
    """At norm 80 a float32 expansion of the square reads 1.2e-3 as something like 6e-2."""
    x = (vectors(64, 64) * 10).float()
    y = x.clone()
    y[:, 0] += 1.2e-3
    true = (x.double() - y.double()).norm(dim=1)
    assert torch.allclose(vector.euclidean_table(x, y).diagonal().double(), true, rtol=1e-4)


def test_equal_vectors_are_at_exactly_zero() -> None:
    x = (vectors(50, 64) * 100).float()
    assert (vector.euclidean_table(x, x.clone()).diagonal() == 0).all()


def test_unit_keeps_zero_and_has_a_finite_slope_there() -> None:
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]], requires_grad=True)
    result = vector.unit(x)
    assert torch.allclose(result, torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
    (result * torch.tensor([1.0, 2.0])).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_slopes_equal_finite_differences() -> None:
    x, y = vectors(6, 4).requires_grad_(), vectors(5, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(vector.euclidean_table, (x, y))
    assert torch.autograd.gradcheck(vector.squared_table, (x, y))
    assert torch.autograd.gradcheck(vector.unit, (x,))
    assert torch.autograd.gradcheck(vector.euclidean, (x[:5], y))
