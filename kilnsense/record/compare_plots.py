"""The plots of a comparison that have a line for each classifier."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kilnsense.record.plots import COLOURS, DASHES, SHAPES, draw_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Answers = tuple[NDArray[np.floating], NDArray[np.bool_], NDArray[np.bool_]]
"""(N,) confidence, (N,) whether right, (N,) whether a state was named."""


def coverages_svg(answers: Mapping[str, Answers]) -> str:
    """Share right of the named frames against the share named, the most confident first, a line each.

    The mark on a line is the classifier with its own threshold, which also refuses unfamiliar frames; so it
    need not lie on the line.
    """

    def fill(figure: "Figure") -> None:
        panel = figure.subplots()
        lowest = 1.0
        for number, (name, (confidence, right, named)) in enumerate(answers.items()):
            colour = COLOURS[number % len(COLOURS)]
            counts = np.arange(1, len(right) + 1)
            share = np.cumsum(right[np.argsort(-confidence, kind="stable")]) / counts
            start = min(len(counts) // 20, 20)  # the first few frames alone say little
            dashes = DASHES[number % len(DASHES)]
            panel.plot(counts[start:] / len(right), share[start:], dashes, color=colour, label=name)
            if named.any():
                mark = SHAPES[number % len(SHAPES)]
                panel.plot(named.mean(), right[named].mean(), mark, color=colour, markersize=9)
                lowest = min(lowest, float(right[named].mean()))
            lowest = min(lowest, float(share[start:].min()))
        panel.set(xlabel="share of frames named", ylabel="share right of those")
        panel.set(xlim=(0, 1.03), ylim=(max(0.0, lowest - 0.05), 1.02))
        figure.legend(loc="outside upper left", ncols=3)

    return draw_svg("share named against share right", fill)
