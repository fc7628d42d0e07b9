"""What is believed of the burning state: the forward filter of a hidden Markov model in continuous time.

The states are the classes in order from cold to hot. A state lasts `dwell_s` seconds on average and is left
for a neighbour only; a middle state is left for either side alike. Time alone carries a belief towards the
stationary distribution of that chain, a frame carries it towards what the frame shows.

Frames close together in time share their errors (the same flame, the same dust), so the likelihood of a frame
is raised to a power below 1 that the caller derives from the time since the frame before. With powers in
proportion to time the belief does not depend on how often frames are judged.

Forward recursion after Rabiner, A tutorial on hidden Markov models, Proc. IEEE 77 (1989), section III A;
likelihoods as scaled posteriors after Bourlard and Morgan, Connectionist speech recognition (1994).
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from kilnsense.types.checks import expect

Belief = NDArray[np.float64]
"""(K,) probability of each class, summing to 1."""

LEAST = 1e-3
"""Probabilities of a frame are lifted to this: no single frame may rule a state out."""


def stationary(classes: int) -> Belief:
    """What is believed when nothing was seen for long: a middle state twice as likely as an outer one."""
    expect(classes >= 2, "classes", classes, "at least 2")
    weights = np.full(classes, 2.0)
    weights[[0, -1]] = 1.0
    return np.asarray(weights / weights.sum(), np.float64)


def transition(classes: int, *, dwell_s: float, passed_s: float) -> NDArray[np.float64]:
    """(K, K) probability to be in state j after `passed_s` seconds if it was i before; rows sum to 1."""
    expect(dwell_s > 0, "dwell_s", dwell_s, "above 0 seconds")
    expect(passed_s >= 0, "passed_s", passed_s, "0 seconds or more")
    rates, waves, root = _modes(classes)
    decayed = (waves * np.exp(rates * passed_s / dwell_s)) @ waves.T
    moves = np.maximum(decayed * root / root[:, None], 0.0)
    return np.asarray(moves / moves.sum(axis=1, keepdims=True), np.float64)


@lru_cache(maxsize=8)
def _modes(classes: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Eigenvalues and vectors of the chain for a dwell time of 1, balanced by a root."""
    root = np.sqrt(stationary(classes))
    rates = -np.eye(classes)
    for here in range(classes):
        sides = [side for side in (here - 1, here + 1) if 0 <= side < classes]
        rates[here, sides] = 1.0 / len(sides)
    values, vectors = np.linalg.eigh(rates * root[:, None] / root)
    return values, vectors, root


def pass_time(belief: Belief, *, dwell_s: float, passed_s: float) -> Belief:
    """The belief after so many seconds in which nothing was seen."""
    return np.asarray(belief @ transition(len(belief), dwell_s=dwell_s, passed_s=passed_s), np.float64)


def weigh(
    belief: Belief, probabilities: Sequence[float], *, power: float, prior: Sequence[float] = ()
) -> Belief:
    """The belief after a frame.

    Args:
        belief: before it, for the moment of the frame.
        probabilities: (K,) calibrated ones of the frame alone.
        power: 0 for a frame that tells nothing new to 1 for one that is independent of all before.
        prior: (K,) shares of the classes for which the probabilities are calibrated; empty: all alike.

    Raises:
        InputError: numbers that do not fit together.
    """
    shown = np.asarray(probabilities, np.float64)
    expect(shown.shape == belief.shape, "probabilities shape", shown.shape, str(belief.shape))
    expect(bool(((shown >= 0) & (shown <= 1)).all()), "probabilities", probabilities, "0..1")
    expect(0.0 <= power <= 1.0, "power", power, "0..1")
    usual = np.asarray(prior if len(prior) else np.full(len(belief), 1 / len(belief)), np.float64)
    expect(usual.shape == belief.shape, "prior shape", usual.shape, str(belief.shape))
    expect(bool((usual > 0).all()), "prior", prior, "above 0")
    joint = belief * (np.maximum(shown, LEAST) / usual) ** power
    return np.asarray(joint / joint.sum(), np.float64)
