"""Heads: what a branch makes of the feature map under its view.

Both pool mean and standard deviation of the map under the view's mask and map them linearly, with weights of
their own for every branch. All branches are computed in one product.
"""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn

_VARIANCE_FLOOR = 1e-5  # keeps the slope of the standard deviation finite on flat regions
_MASK_FLOOR = 1e-6

LAB_BOX = ((0.0, 100.0), (-87.0, 99.0), (-108.0, 95.0))
"""Smallest and largest L*, a*, b* of any sRGB colour, rounded outwards: palettes stay inside."""


def masked_moments(features: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean and standard deviation of feature vectors, (..., L, C) and (..., V, L) -> (..., V, 2 C).

    Weights are 0 and up and need no normalisation; where all are 0 the mean is 0 and the deviation the floor.
    """
    shares = weights / weights.sum(-1, keepdim=True).clamp_min(_MASK_FLOOR)
    mean = shares @ features
    square = shares @ features**2
    deviation = ((square - mean**2).clamp_min(0.0) + _VARIANCE_FLOOR).sqrt()
    return torch.cat([mean, deviation], dim=-1)


class _Linear(nn.Module):
    """One linear map per branch: (N, V, I) -> (N, V, O)."""

    def __init__(self, branches: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(branches, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(branches, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(N, V, I) -> (N, V, O)."""
        return (x.transpose(0, 1) @ self.weight + self.bias).transpose(0, 1)


class VectorHead(nn.Module):
    """Vectors of unit length.

    Attributes:
        width: D.
        takes: the kind of distance that fits.
    """

    takes: Final = "vector"

    def __init__(self, *, branches: int, inputs: int, dimensions: int, generator: torch.Generator) -> None:
        super().__init__()
        self.width = dimensions
        self.linear = _Linear(branches, inputs, dimensions)
        nn.init.normal_(self.linear.weight, std=inputs**-0.5, generator=generator)

    def forward(self, moments: Tensor, palettes: Tensor) -> Tensor:  # noqa: ARG002 - all heads are called alike
        """(N, V, I) pooled features -> (N, V, D), each row of length 1."""
        return nn.functional.normalize(self.linear(moments), dim=-1, eps=1e-6)


class PaletteHead(nn.Module):
    """The view's own palette in Lab plus a learned shift, flattened to D = 3 p.

    A shift is at most `residual` Lab units per channel, and never leaves `LAB_BOX`: the step up is
    min(residual, room above) * tanh, the step down likewise. The map starts at zero, so an untrained palette
    is the view's own. (The box bounds the sRGB gamut from outside; a shifted colour may still lie beyond the
    gamut itself.)

    Attributes:
        width: D = 3 p.
        takes: the kind of distance that fits.
    """

    takes: Final = "palette"
    low: Tensor
    high: Tensor

    def __init__(self, *, branches: int, inputs: int, colours: int, residual: float) -> None:
        super().__init__()
        self.width = 3 * colours
        self.colours = colours
        self.residual = float(residual)
        self.linear = _Linear(branches, inputs, self.width)
        low, high = zip(*LAB_BOX, strict=True)
        self.register_buffer("low", torch.tensor(low), persistent=False)
        self.register_buffer("high", torch.tensor(high), persistent=False)

    def forward(self, moments: Tensor, palettes: Tensor) -> Tensor:
        """(N, V, I) pooled features and (N, V, p, 3) Lab palettes -> (N, V, 3 p) Lab."""
        step = torch.tanh(self.linear(moments).float()).reshape(palettes.shape)
        up = (self.high - palettes).clamp(0.0, self.residual)
        down = (palettes - self.low).clamp(0.0, self.residual)
        shifted: Tensor = palettes + torch.where(step >= 0, up, down) * step
        return shifted.flatten(-2)


HEADS: dict[str, Callable[..., VectorHead | PaletteHead]] = {"vector": VectorHead, "palette": PaletteHead}
"""Head by name."""
