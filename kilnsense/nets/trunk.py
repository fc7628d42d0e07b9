"""What every trunk is: pictures in, one feature map out."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Trunk(nn.Module):
    """Normalises pictures and computes one feature map.

    Attributes:
        body: its children are the stages, in the order of execution; it gives a map, or a list of maps of
            which the last one counts.
        channels: C of the feature map.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self, body: nn.Module, *, channels: int, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        super().__init__()
        self.body = body
        self.channels = channels
        # Fixed by the architecture, so no part of the stored weights.
        self.register_buffer("mean", 255.0 * torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", 1 / (255.0 * torch.tensor(std).view(1, 3, 1, 1)), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 or float sRGB, 0..255 -> (N, C, h, w)."""
        maps = self.body((pixels.permute(0, 3, 1, 2).to(self.mean.dtype) - self.mean) * self.scale)
        last: Tensor = maps[-1] if isinstance(maps, list) else maps
        return last

    @torch.no_grad()
    def cells(self, size: int) -> int:
        """How many cells the feature map of a picture of size x size has."""
        training = self.training
        features = self.eval()(torch.zeros(1, size, size, 3))
        self.train(training)
        return int(features.shape[-2] * features.shape[-1])

    def groups(self) -> list[list[nn.Parameter]]:
        """The parameters stage by stage, from the picture upwards; a lone norm belongs to the stage below."""
        groups: list[list[nn.Parameter]] = []
        for stage in self.body.children():
            parameters = list(stage.parameters())
            if groups and all(parameter.ndim < 2 for parameter in parameters):
                groups[-1] += parameters
            elif parameters:
                groups.append(parameters)
        return groups
