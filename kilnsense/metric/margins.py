"""Margins that change: over the epochs, and from pair to pair with the difference of two colours."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from kilnsense.errors import InputError
from kilnsense.metric.ranking import check_margin


@dataclass(frozen=True)
class Margin:
    """A margin that goes in even steps from `start` to `end`, or stays at `start` where there is no end.

    Both are in the unit of the distance, 0 or above; ConfigError otherwise.
    """

    start: float
    end: float | None = None

    def __post_init__(self) -> None:
        check_margin(self.start)
        check_margin(self.start if self.end is None else self.end)

    def at(self, progress: float) -> float:
        """The margin at a share of training, 0 at its beginning to 1 at its last epoch.

        Raises:
            InputError: a progress outside 0..1.
        """
        if not 0 <= progress <= 1:
            raise InputError(f"margin: got progress {progress}, allowed: 0, the first epoch, to 1, the last")
        if self.end is None:
            return self.start
        return (1 - progress) * self.start + progress * self.end


def scaled_margins(margin: float, differences: Tensor) -> Tensor:
    """A margin per pair, in proportion to how much the two samples differ in colour.

    Args:
        margin: the mean of the margins of all pairs of two samples.
        differences: (N, N), symmetric, 0 or above, as from `Distance.matrix` of a colour difference.

    Returns:
        (N, N), 0 on the diagonal. All pairs get `margin` where no two samples differ.

    Raises:
        ConfigError: a margin below 0.
        InputError: differences of another shape, below 0 or not finite.
    """
    check_margin(margin)
    n = len(differences)
    if differences.shape != (n, n) or not bool((torch.isfinite(differences) & (differences >= 0)).all()):
        raise InputError(
            f"margins: got differences of shape {tuple(differences.shape)}, or one that is below 0 or not "
            "finite; allowed: one number of 0 and above per pair, (N, N); check the palettes they are of"
        )
    apart = differences.detach().clone().fill_diagonal_(0)
    mean = float(apart.sum(dtype=torch.float64)) / max(1, n * (n - 1))
    if mean == 0 or not math.isfinite(margin / mean):
        return torch.full_like(apart, margin).fill_diagonal_(0)
    return apart * (margin / mean)
