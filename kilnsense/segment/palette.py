"""The few colours that stand for many: a k-means palette."""

import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import InputError
from kilnsense.segment.kmeans import lloyd, plus_plus

_MOST = 2048
_SEED = 20_260
_RESTARTS = 3


def palette(lab: NDArray[np.float32], colours: int) -> NDArray[np.float32]:
    """The k-means palette of colours (n, 3) float32 CIE Lab: (colours, 3) float32 Lab, lightest first.

    Deterministic. Works on a regular sample of at most 2048 colours; where there are fewer distinct ones than
    asked for, some repeat.

    Raises:
        InputError: no colours were given, or none are asked for.
    """
    if lab.ndim != 2 or lab.shape[1:] != (3,) or not len(lab) or colours < 1:
        raise InputError(f"palette: got {lab.shape} colours for {colours}, allowed: (n, 3) for 1 and more")
    points = np.ascontiguousarray(lab[:: -(-len(lab) // _MOST)], np.float32)
    weights = np.ones(len(points))
    seeds = plus_plus(points, weights, colours, restarts=_RESTARTS, rng=np.random.default_rng(_SEED))
    runs, inertia = lloyd(points, weights, seeds, iterations=12)
    best = runs[int(inertia.argmin())]
    return np.ascontiguousarray(best[np.lexsort((best[:, 2], best[:, 1], -best[:, 0]))])
