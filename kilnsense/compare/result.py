"""What a fold leaves on disk: everything that was said of its test frames."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from kilnsense.compare.entrants import Said
from kilnsense.compare.looked import Arrays, read_arrays
from kilnsense.config import Options
from kilnsense.errors import ConfigError
from kilnsense.record.publish import publish


@dataclass(frozen=True, eq=False)
class Points:
    """Frames of one fold in a plane.

    Attributes:
        xy: (N, 2) float64.
        labels: (N,) class indices.
        held_out: (N,) True for test frames.
        shares: of the variance, of the two axes.
        what: what was projected.
    """

    xy: NDArray[np.float64]
    labels: NDArray[np.int64]
    held_out: NDArray[np.bool_]
    shares: tuple[float, float]
    what: str


@dataclass(frozen=True, eq=False)
class FoldResult:
    """One fold, judged.

    Attributes:
        said: entrant to what it said.
        seconds: that regions and networks took, when they were made.
        reused: whether they were found in the cache.
        points: of the first fold; None for the others.
    """

    said: Mapping[str, Said]
    seconds: float
    reused: bool
    points: Points | None = None


def write_result(path: Path, result: FoldResult, *, fingerprint: str) -> None:
    """Writes a fold's result, whole or not at all. Raises StorageError."""
    arrays: Arrays = {f"said.{name}": said.probabilities for name, said in result.said.items()}
    facts: dict[str, object] = {
        "fingerprint": fingerprint,
        "seconds": result.seconds,
        "reused": result.reused,
    }
    facts["said"] = {
        name: [list(said.reasons), said.fit_seconds, said.predict_ms, said.size, dict(said.options)]
        for name, said in result.said.items()
    }
    if result.points is not None:
        held = result.points.held_out.astype(np.uint8)
        arrays |= {"xy": result.points.xy, "labels": result.points.labels, "held": held}
        facts["points"] = [*result.points.shares, result.points.what]
    data = safetensors.numpy.save(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()},
        metadata={"facts": json.dumps(facts, allow_nan=False)},
    )
    publish(path, [data])


def read_result(path: Path, *, fingerprint: str) -> FoldResult | None:
    """The result of a fold that an earlier run judged; None where it did not, or left no readable file.

    Raises:
        ConfigError: it was judged on other data.
    """
    try:
        arrays, texts = read_arrays(path)
        facts = json.loads(texts["facts"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    if facts["fingerprint"] != fingerprint:
        raise ConfigError(
            f"{path}: was judged on other data (files, labels or groups have changed since); start anew "
            f"without --resume"
        )
    said = {
        name: Said(arrays[f"said.{name}"], tuple(reasons), seconds, milliseconds, size, _tupled(options))
        for name, (reasons, seconds, milliseconds, size, options) in facts["said"].items()
    }
    points = None
    if "points" in facts:
        first, second, what = facts["points"]
        held = arrays["held"].astype(np.bool_)
        points = Points(arrays["xy"], arrays["labels"], held, (first, second), what)
    return FoldResult(said, facts["seconds"], facts["reused"], points)


def _tupled(options: Mapping[str, Any]) -> Options:
    """JSON has no tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
