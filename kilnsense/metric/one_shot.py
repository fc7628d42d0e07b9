"""N-way one-shot recognition: which of N samples, one per class, is of the class of the one asked about?"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from kilnsense.errors import ConfigError, InputError
from kilnsense.metric.distances import Distance

_Z = 1.959963984540054  # the normal quantile of a 95 % interval
_BLOCK = 1 << 16  # pairs compared at once


@dataclass(frozen=True)
class OneShot:
    """How often the right one of N was the nearest.

    Attributes:
        accuracy: share of right trials, 0..1; chance is 1 / ways.
        low, high: its 95 % interval. Wilson, Journal of the American Statistical Association 22, 1927.
        trials: how many.
    """

    accuracy: float
    low: float
    high: float
    trials: int


@torch.no_grad()
def one_shot(
    distance: Distance,
    embeddings: Tensor,
    labels: Tensor,
    *,
    ways: int,
    trials: int,
    generator: torch.Generator,
) -> OneShot:
    """Plays trials: `ways` random classes, a random sample of each, another sample of one of them to name.

    Where several are equally near one of them is named at random, and the right one stands in a random
    place: otherwise embeddings that are all equal could seem perfect. Lake, Salakhutdinov, Tenenbaum,
    Science 350, 2015 (the task).

    Args:
        distance: what is near.
        embeddings: (N, ·) of samples, best of classes that were not trained on.
        labels: (N,) int64.
        ways: how many classes to choose from.
        trials: how many.
        generator: all chance comes from here.

    Raises:
        ConfigError: ways below 2 or above the number of classes, trials below 1.
        InputError: not one label per embedding, or no class with two samples.
    """
    if labels.shape != (len(embeddings),):
        raise InputError(
            f"one-shot: needs one label per embedding, got {len(embeddings)} embeddings and labels of shape "
            f"{tuple(labels.shape)}"
        )
    asked, offered, place = _draw(labels.cpu(), ways, trials, generator)
    first, second = (
        asked.repeat_interleave(ways).to(embeddings.device),
        offered.flatten().to(embeddings.device),
    )
    parts = [
        distance.pairs(embeddings[i], embeddings[j])
        for i, j in zip(torch.split(first, _BLOCK), torch.split(second, _BLOCK), strict=True)
    ]
    apart = torch.cat(parts).reshape(trials, ways).cpu()
    nearest = apart == apart.min(1, keepdim=True).values
    named = torch.rand(trials, ways, generator=generator).masked_fill(~nearest, -1).argmax(1)
    return _score(int((named == place).sum()), trials)


def _score(right: int, trials: int) -> OneShot:
    share, spread = right / trials, _Z**2 / trials
    middle = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * math.sqrt(share * (1 - share) / trials + spread / trials / 4)
    return OneShot(share, max(0.0, middle - half), min(1.0, middle + half), trials)


def _draw(
    labels: Tensor, ways: int, trials: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """The samples asked about (T,), those offered (T, ways), and where the right one is (T,)."""
    classes, sizes = torch.unique(labels, return_counts=True)
    asking = (sizes > 1).nonzero().flatten()
    if trials < 1:
        raise ConfigError(f"one-shot: trials: got {trials}, allowed: 1 and above")
    if not 2 <= ways <= len(classes):
        raise ConfigError(f"one-shot: ways: got {ways}, allowed: 2..{len(classes)}, the number of classes")
    if len(asking) == 0:
        raise InputError(
            "one-shot: every class has a single sample, so that none can be asked about; add a second one"
        )
    members = labels.argsort(stable=True)
    begin = sizes.cumsum(0) - sizes
    right = asking[torch.randint(len(asking), (trials,), generator=generator)]
    # A shuffle of all classes by random keys, the right one in front, then `ways` of them in random places.
    keys = torch.rand(trials, len(classes), generator=generator)
    keys[torch.arange(trials), right] = -1
    chosen = keys.topk(ways, largest=False, sorted=True).indices
    order = torch.rand(trials, ways, generator=generator).argsort(1)
    chosen, place = chosen.gather(1, order), order.argmin(1)
    within = (torch.rand(trials, ways, generator=generator) * sizes[chosen]).long().minimum(sizes[chosen] - 1)
    offered = members[begin[chosen] + within]
    # Another sample of the right class: 1 to size - 1 places on, in a circle.
    shown = within.gather(1, place[:, None]).squeeze(1)
    step = 1 + (torch.rand(trials, generator=generator) * (sizes[right] - 1)).long().minimum(sizes[right] - 2)
    asked = members[begin[right] + (shown + step) % sizes[right]]
    return asked, offered, place
