"""Learning rates: over the steps of a run, and over the layers of a network."""

import math
from collections.abc import Callable, Iterable

import torch

from kilnsense.config import TrainingConfig
from kilnsense.nets.branches import Encoder
from kilnsense.nets.trunk import Trunk

_LAST = 0.01  # share of the rate that is left at the last step
_ADAPTIVE: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "rmsprop": torch.optim.RMSprop,
}


def rate_factor(step: int, *, warmup: int, steps: int, schedule: str) -> float:
    """Share of the full rate at a step, 0..1: a line up over `warmup` steps, then the schedule.

    ``cosine``: half a cosine down to 1 % (Loshchilov, Hutter, "SGDR", ICLR 2017, without restarts);
    ``linear``: a line down to 1 %; ``constant``: all of it to the end.
    """
    if step < warmup:
        return (step + 1) / warmup
    turn = min(1.0, (step - warmup) / max(1, steps - 1 - warmup))
    if schedule == "constant":
        return 1.0
    left = 1 - turn if schedule == "linear" else 0.5 * (1 + math.cos(math.pi * turn))
    return _LAST + (1 - _LAST) * left


def layer_factors(encoder: Encoder, decay: float) -> list[tuple[torch.nn.Parameter, float]]:
    """Every parameter with its share of the rate: 1 for the head, decay for the top stage of a trunk, decay^2
    below."""
    factors = [(parameter, 1.0) for parameter in encoder.head.parameters()]
    for trunk in encoder.trunks:
        assert isinstance(trunk, Trunk)
        for depth, group in enumerate(reversed(trunk.groups()), start=1):
            factors += [(parameter, decay**depth) for parameter in group]
    return factors


def build_optimizer(
    encoder: Encoder, config: TrainingConfig, learned: Iterable[torch.nn.Parameter] = ()
) -> torch.optim.Optimizer:
    """The optimiser of a config, with one group per rate; norms and biases (one axis) are not decayed.

    Each group keeps its full rate as ``full_rate``; `set_rate` makes the rate of a step from it.

    Args:
        encoder: all its parameters are trained.
        config: kind, rate and decay.
        learned: what the loss itself learns, at the rate of the head.
    """
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    shares = [*layer_factors(encoder, config.layer_decay), *((parameter, 1.0) for parameter in learned)]
    for parameter, factor in shares:
        weight_decay = config.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((factor, weight_decay), []).append(parameter)
    rows = [
        {
            "params": parameters,
            "lr": config.learning_rate * factor,
            "full_rate": config.learning_rate * factor,
            "weight_decay": weight_decay,
        }
        for (factor, weight_decay), parameters in groups.items()
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(rows, lr=config.learning_rate, momentum=0.9, nesterov=True)
    return _ADAPTIVE[config.optimizer](rows, lr=config.learning_rate)


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Sets every group to this share of its full rate."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group["full_rate"]
