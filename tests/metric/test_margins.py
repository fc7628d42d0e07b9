"""Margins over the epochs and from pair to pair."""

import math

import pytest
import torch

from kilnsense.errors import ConfigError, InputError
from kilnsense.metric.margins import Margin, scaled_margins


def test_a_margin_goes_in_even_steps() -> None:
    assert [Margin(0.2, 1.0).at(p) for p in (0, 0.25, 0.5, 1)] == pytest.approx([0.2, 0.4, 0.6, 1.0])
    assert [Margin(3.0, 0.0).at(p) for p in (0, 1)] == [3.0, 0.0]
    assert [Margin(0.7).at(p) for p in (0, 0.3, 1)] == [0.7] * 3


def test_bad_margins_are_named() -> None:
    for bad in (Margin, lambda m: Margin(0.1, m)):
        with pytest.raises(ConfigError, match=r"margin: got -0\.5, allowed: 0 and above"):
            bad(-0.5)
    for progress in (-0.1, 1.1, math.nan):
        with pytest.raises(InputError, match=r"progress .*, allowed: 0, the first epoch, to 1"):
            Margin(0.1).at(progress)


def test_scaled_margins_keep_their_mean_and_their_proportions() -> None:
    differences = torch.tensor([[0.0, 10, 30], [10, 0, 20], [30, 20, 0]])
    expected = torch.tensor([[0.0, 1, 3], [1, 0, 2], [3, 2, 0]])
    assert torch.allclose(scaled_margins(2.0, differences), expected)
    big = torch.rand(50, 50, generator=torch.Generator().manual_seed(0))
    big = (big + big.T).fill_diagonal_(0)
    assert scaled_margins(0.7, big).sum().item() / (50 * 49) == pytest.approx(0.7, rel=1e-5)


def test_where_no_colours_differ_all_margins_are_alike() -> None:
    expected = torch.full((3, 3), 0.4).fill_diagonal_(0)
    assert torch.equal(scaled_margins(0.4, torch.zeros(3, 3)), expected)
    assert torch.allclose(scaled_margins(0.4, torch.full((3, 3), 5.0)), expected)
    assert scaled_margins(0.4, torch.zeros(0, 0)).shape == (0, 0)


def test_bad_differences_are_named() -> None:
    with pytest.raises(ConfigError, match="margin: got -1"):
        scaled_margins(-1, torch.zeros(2, 2))
    for bad in (torch.zeros(2, 3), torch.full((2, 2), -1.0), torch.full((2, 2), torch.nan)):
        with pytest.raises(InputError, match="margins: got differences of shape"):
            scaled_margins(1, bad)
