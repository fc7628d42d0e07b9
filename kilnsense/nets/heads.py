"""Heads: what a branch makes of the pooled features under its view.

Both map them linearly, after hidden layers where there are any, with weights of their own for every branch.
All branches are computed in one product.
"""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn

from kilnsense.nets.layers import BranchLinear, Hidden

LAB_BOX = ((0.0, 100.0), (-87.0, 99.0), (-108.0, 95.0))
"""Smallest and largest L*, a*, b* of any sRGB colour, rounded outwards: palettes stay inside."""


class VectorHead(nn.Module):
    """Vectors, of unit length or as long as they come.

    Attributes:
        width: D.
        takes: the kind of distance that fits.
    """

    takes: Final = "vector"

    def __init__(
        self, hidden: Hidden, *, dimensions: int, normalise: bool, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.width = dimensions
        self.normalise = normalise
        self.hidden = hidden
        self.linear = BranchLinear(hidden.branches, hidden.width, dimensions)
        nn.init.normal_(self.linear.weight, std=hidden.width**-0.5, generator=generator)

    def forward(self, pooled: Tensor, palettes: Tensor) -> Tensor:  # noqa: ARG002 - all heads are called alike
        """(N, V, I) pooled features -> (N, V, D), each row of length 1 where they are normalised."""
        vectors: Tensor = self.linear(self.hidden(pooled))
        return nn.functional.normalize(vectors, dim=-1, eps=1e-6) if self.normalise else vectors


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

    def __init__(self, hidden: Hidden, *, colours: int, residual: float) -> None:
        super().__init__()
        self.width = 3 * colours
        self.colours = colours
        self.residual = float(residual)
        self.hidden = hidden
        self.linear = BranchLinear(hidden.branches, hidden.width, self.width)
        low, high = zip(*LAB_BOX, strict=True)
        self.register_buffer("low", torch.tensor(low), persistent=False)
        self.register_buffer("high", torch.tensor(high), persistent=False)

    def forward(self, pooled: Tensor, palettes: Tensor) -> Tensor:
        """(N, V, I) pooled features and (N, V, p, 3) Lab palettes -> (N, V, 3 p) Lab."""
        step = torch.tanh(self.linear(self.hidden(pooled)).float()).reshape(palettes.shape)
        up = (self.high - palettes).clamp(0.0, self.residual)
        down = (palettes - self.low).clamp(0.0, self.residual)
        shifted: Tensor = palettes + torch.where(step >= 0, up, down) * step
        return shifted.flatten(-2)


HEADS: dict[str, Callable[..., VectorHead | PaletteHead]] = {"vector": VectorHead, "palette": PaletteHead}
"""Head by name."""
