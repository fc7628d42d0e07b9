"""Layers of a head: linear maps per branch, and a dropout that draws from a generator of its own."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from kilnsense.seeds import derive

_SLOPE = 0.25  # of the leak, to begin with: He et al., "Delving Deep into Rectifiers", ICCV 2015


class BranchLinear(nn.Module):
    """One linear map per branch: (N, V, I) -> (N, V, O); zeros to begin with."""

    def __init__(self, branches: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(branches, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(branches, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(N, V, I) -> (N, V, O)."""
        return (x.transpose(0, 1) @ self.weight + self.bias).transpose(0, 1)


class Dropout(nn.Module):
    """Sets a share of the values to 0 while training and scales the others up, drawn by its own generator.

    torch's own draws from the global generator. The numbers come from the CPU, so that they are the same on
    every device.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.chance = torch.Generator()

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        if not self.training or self.share == 0:
            return x
        kept = torch.rand(x.shape, generator=self.chance) >= self.share
        return x * kept.to(x.device) / (1 - self.share)


class Hidden(nn.Module):
    """The layers between pooling and the last map of a head: each a dropout, a map and a learned leaky ReLU.

    A last dropout stands before the map that the head adds. Without hidden layers there is only that.

    Attributes:
        branches: V.
        width: length of what comes out.
    """

    def __init__(
        self, branches: int, inputs: int, *, widths: Sequence[int], dropout: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.branches, self.width = branches, (inputs, *widths)[-1]
        ends = list(zip((inputs, *widths), widths, strict=False))
        self.maps = nn.ModuleList(BranchLinear(branches, *pair) for pair in ends)
        # One axis, as the weights of a norm: it must not decay.
        self.slopes = nn.ParameterList(torch.full((branches,), _SLOPE) for _ in ends)
        self.dropouts = nn.ModuleList(Dropout(dropout) for _ in range(len(ends) + 1))
        for layer, (length, _) in zip(self.maps, ends, strict=True):
            # As torch sets up its linear layers: uniform, biases too.
            for parameter in layer.parameters():
                nn.init.uniform_(parameter, -(length**-0.5), length**-0.5, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """(N, V, I) -> (N, V, width)."""
        for dropout, layer, slope in zip(self.dropouts, self.maps, self.slopes, strict=False):
            x = layer(dropout(x))
            x = torch.where(x >= 0, x, slope.unsqueeze(-1) * x)
        result: Tensor = self.dropouts[-1](x)
        return result


def seed_dropout(encoder: nn.Module, seed: int) -> None:
    """Restarts the chance of every dropout in the encoder: the same seed drops the same values again.

    To be called before each epoch, with a seed of that epoch, so that a run that goes on from its checkpoint
    is the run that was never interrupted.
    """
    dropouts = [module for module in encoder.modules() if isinstance(module, Dropout)]
    for number, dropout in enumerate(dropouts):
        dropout.chance.manual_seed(derive(seed, f"dropout.{number}"))
