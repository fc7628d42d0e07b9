"""Trunks of a few plain convolutions, with weights drawn from a generator."""

import torch
from torch import Tensor, nn

from kilnsense.nets.trunk import Trunk


def small(*, generator: torch.Generator) -> Trunk:
    """Four plain convolutions with batch norm, 0.08 million parameters, stride 8, 96 channels.

    Batch norm, because the absolute level of a colour is the signal and norms per picture remove it.
    """
    widths = (3, 16, 32, 64, 96)
    strides = (2, 2, 2, 1)
    stages = [
        _block(*ends, generator=generator) for ends in zip(widths[:-1], widths[1:], strides, strict=True)
    ]
    return Trunk(nn.Sequential(*stages), channels=widths[-1], mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def _block(inputs: int, outputs: int, stride: int, *, generator: torch.Generator) -> nn.Sequential:
    conv = _conv(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu", generator=generator)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


def _conv(
    inputs: int, outputs: int, size: int, *, stride: int = 1, padding: int = 0, bias: bool = True
) -> nn.Conv2d:
    """A convolution without values: the constructor would draw them from the global generator."""
    conv: nn.Conv2d = nn.utils.skip_init(  # type: ignore[no-untyped-call]
        nn.Conv2d, inputs, outputs, size, stride=stride, padding=padding, bias=bias
    )
    return conv


def conv2(*, generator: torch.Generator) -> Trunk:
    """Two convolutions of 5 x 5 without padding or norm, each with pooling by 2 and PReLU; 64 channels.

    The trunk of the Siamese and triplet literature on Fashion-MNIST: 28 x 28 pixels become 4 x 4 cells. It
    shifts and scales by the mean and deviation of that data.
    """
    stages = []
    for inputs, outputs in ((3, 32), (32, 64)):
        conv = _conv(inputs, outputs, 5)
        # As torch sets up its convolutions: uniform, biases too.
        reach = (25 * inputs) ** -0.5
        for parameter in conv.parameters():
            nn.init.uniform_(parameter, -reach, reach, generator=generator)
        # PReLU keeps the order of values while its slope is above 0, so after pooling it does the same with a
        # quarter of the work; it took a third of the time.
        stages.append(nn.Sequential(conv, nn.MaxPool2d(2), nn.PReLU()))
    return Trunk(nn.Sequential(*stages), channels=64, mean=(0.286,) * 3, std=(0.353,) * 3)


def conv4(*, generator: torch.Generator) -> Trunk:
    """Four convolutions of 3 x 3 with batch norm, ReLU and pooling by 2; 64 channels.

    The trunk of the one-shot literature (Vinyals et al., "Matching Networks", NIPS 2016), except that it does
    not pool a map below 2 x 2 cells: 28 x 28 pixels become 3 x 3 cells.
    """
    stages = [
        nn.Sequential(*_block(inputs, 64, 1, generator=generator), _Halve()) for inputs in (3, 64, 64, 64)
    ]
    return Trunk(nn.Sequential(*stages), channels=64, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


class _Halve(nn.Module):
    """Largest of every 2 x 2 cells, unless fewer than two would be left along a side."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C, h / 2, w / 2)."""
        return nn.functional.max_pool2d(x, 2) if min(x.shape[-2:]) >= 4 else x
