"""Losses over classes: the embedding is the layer below a classifier, and nothing is mined."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from kilnsense.errors import InputError
from kilnsense.metric.distances import check_finite


def softmax(embeddings: Tensor, labels: Tensor, learned: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropy of softmax(W x + b), mean over the samples: the baseline that compares no samples.

    Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990. The class
    layer W, b is learned with the network (`start_softmax`) and of no use afterwards.

    Args:
        embeddings: (N, d), or (N, p, 3), which count as (N, 3 p).
        labels: (N,) int64, below the number of classes.
        learned: "weights" (classes, d) and "bias" (classes,).

    Raises:
        InputError: an embedding is not finite or of another width than W, or a label is out of range.
    """
    check_finite(embeddings)
    weights, bias = learned["weights"], learned["bias"]
    x = embeddings.flatten(1)
    if len(x) == 0:
        return (x * 0).sum() + 0 * (weights.sum() + bias.sum())
    if x.shape[1] != weights.shape[1]:
        raise InputError(
            f"loss 'softmax': the class layer takes embeddings {weights.shape[1]} wide, got {x.shape[1]}; "
            "start it with the width of the head"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(weights):
        raise InputError(
            f"loss 'softmax': got labels {low}..{high}, allowed: 0..{len(weights) - 1}; number the classes "
            "of training from 0 and start the class layer with as many"
        )
    return functional.cross_entropy(functional.linear(x, weights, bias), labels)


def start_softmax(width: int, classes: int, generator: torch.Generator) -> dict[str, Tensor]:
    """The class layer for `classes` classes over embeddings of a width: uniform in +-1/sqrt(width)."""
    bound = 1 / math.sqrt(width)
    return {
        "weights": (2 * torch.rand(classes, width, generator=generator) - 1) * bound,
        "bias": (2 * torch.rand(classes, generator=generator) - 1) * bound,
    }
