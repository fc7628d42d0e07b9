"""The self-test of a model: reference frames in its bundle, and what it said of them when it was made.

A processor or a graphics card that computes nonsense, or a model in damaged memory, goes on answering. Three
frames whose answer is known show it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilnsense.recogniser import Recogniser, Sight, look, score
from kilnsense.types import Frame

REFERENCES = 3
"""Frames in a bundle."""

TOLERANCE = 0.02
"""Of a probability: processors and versions of a library differ by less, faults by more."""

ANSWERS = "golden.probabilities"


def golden_arrays(
    sights: Sequence[Sight], labels: NDArray[np.int64], recogniser: Recogniser
) -> dict[str, NDArray[Any]]:
    """What a bundle stores for the self-test.

    Of each of the first three classes the surest frame that is judged right; of a class without one, its
    surest. A class that has no frame is passed over.

    Args:
        sights: N frames of good quality that the model was trained on.
        labels: (N,) their classes as indices.
        recogniser: the model.
    """
    said = score(sights, recogniser).probabilities
    arrays: dict[str, NDArray[Any]] = {}
    rows: list[int] = []
    for index in range(min(REFERENCES, said.shape[1])):
        own = np.flatnonzero(labels == index)
        if len(own):
            row = int(own[said[own, index].argmax()])
            arrays[f"golden.pixels.{len(rows)}"] = sights[row].frame.pixels
            rows.append(row)
    # Said anew of each alone, as the self-test asks: a batch may differ in its last digits.
    answers = [score([sights[row]], recogniser).probabilities[0] for row in rows]
    return {**arrays, ANSWERS: np.array(answers, np.float64)}


def has_references(arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Whether a bundle holds reference frames; those of earlier releases do not."""
    return ANSWERS in arrays


def golden_fault(arrays: Mapping[str, NDArray[Any]], recogniser: Recogniser) -> str:
    """What is wrong with the model's answers to the reference frames of its bundle; "" if nothing is.

    Args:
        arrays: of the bundle.
        recogniser: the model, as it runs.
    """
    expected = np.asarray(arrays[ANSWERS], np.float64)
    for number, wanted in enumerate(expected):
        frame = Frame(
            np.asarray(arrays[f"golden.pixels.{number}"], np.uint8), f"reference frame {number + 1}"
        )
        sight = look(frame, recogniser.codebook, recogniser.config)
        said = score([sight], recogniser).probabilities[0]
        # A comparison that is false for NaN too.
        if not np.abs(said - wanted).max() <= TOLERANCE:
            got = ", ".join(f"{value:.3f}" for value in said)
            right = ", ".join(f"{value:.3f}" for value in wanted)
            return (
                f"self-test: of {frame.source} the model says {got}, it said {right} when it was made; "
                "restart, and check this computer's memory if it happens again"
            )
    return ""
