"""One fold after the slow part: its frames as numbers, in memory and as a file that is found by its content.

The file is named for everything that it depends on: the sections of the config that shape regions and
networks, the seed, the frames (by their bytes), labels and groups. Whoever compares other classifiers on the
same networks later finds it and trains nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from kilnsense import __version__
from kilnsense.config import Config
from kilnsense.record.publish import publish
from kilnsense.segment.codebook import codebook_arrays, codebook_from_arrays
from kilnsense.training.crossfit import Fold as InnerFold
from kilnsense.training.fit_rows import Rows
from kilnsense.types import Embeddings, Quality
from kilnsense.types.picture import QUALITY_FLAGS

Arrays = dict[str, NDArray[Any]]
FORMAT = 1
"""Goes up where files of an earlier kilnsense must not be found: the file changed, or what it holds."""
SHAPING = ("seed", "image", "quality", "segment", "branches", "metric", "training", "augment")
"""What regions and networks depend on; of `decide` it is the number of inner folds alone."""
NUMBERS = ("luminance", "bright", "saturated", "sharpness", "haze")


@dataclass(frozen=True, eq=False)
class Seen:
    """Frames as numbers.

    Attributes:
        descriptors: (N, F) float32.
        qualities: one each.
        embeddings: None for descriptors alone.
    """

    descriptors: NDArray[np.float32]
    qualities: tuple[Quality, ...]
    embeddings: Embeddings | None

    def rows(self, chosen: NDArray[np.intp]) -> "Seen":
        """Those of these indices."""
        return Seen(
            self.descriptors[chosen],
            tuple(self.qualities[row] for row in chosen),
            None if self.embeddings is None else take(self.embeddings, chosen),
        )


@dataclass(frozen=True, eq=False)
class LookedFold:
    """A fold after the slow part.

    Attributes:
        rows: the usable training frames.
        test: the frames to judge, by networks that saw the training frames alone.
        seconds: that it took.
    """

    rows: Rows
    test: Seen
    seconds: float


def take(embeddings: Embeddings, chosen: NDArray[np.intp]) -> Embeddings:
    """The embeddings of these rows."""
    return Embeddings(embeddings.names, embeddings.values[chosen], embeddings.present[chosen])


def content_key(config: Config, *facts: object) -> str:
    """24 hex digits for what a fold's numbers depend on: version, config, and other facts (JSON)."""
    values = config.model_dump(mode="json")
    shape = {name: values[name] for name in SHAPING} | {"inner_folds": config.decide.folds}
    made_by = [FORMAT, __version__, *(version(name) for name in ("numpy", "scikit-learn", "torch"))]
    text = json.dumps([made_by, shape, *facts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def write_looked(path: Path, fold: LookedFold) -> None:
    """Writes a fold as safetensors. Raises StorageError."""
    rows = fold.rows
    arrays: Arrays = {
        **codebook_arrays(rows.codebook),
        "labels": rows.labels,
        "signals": rows.signals,
        "seconds": np.array([fold.seconds]),
        **_seen_arrays("train", Seen(rows.descriptors, rows.qualities, rows.embeddings)),
        **_seen_arrays("test", fold.test),
    }
    for number, inner in enumerate(rows.folds):
        arrays |= {f"inner.{number}.train": inner.train, f"inner.{number}.test": inner.test}
        arrays |= _embedding_arrays(f"inner.{number}", inner.embeddings)
    names = fold.test.embeddings.names if fold.test.embeddings is not None else ()
    facts = {"groups": json.dumps(rows.groups.tolist()), "views": json.dumps(names)}
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    publish(path, [safetensors.numpy.save(contiguous, metadata=facts)])


def read_looked(path: Path, config: Config) -> LookedFold | None:
    """The fold of that file; None where there is none, or none that can be read: it is then made anew."""
    try:
        arrays, facts = read_arrays(path)
        names = tuple(json.loads(facts["views"]))
        seen = _seen(arrays, "train", names)
        count = sum(name.startswith("inner.") and name.endswith(".train") for name in arrays)
        rows = Rows(
            codebook=codebook_from_arrays(arrays, config.segment.names),
            labels=arrays["labels"],
            groups=np.array(json.loads(facts["groups"])),
            descriptors=seen.descriptors,
            qualities=seen.qualities,
            folds=tuple(
                InnerFold(
                    arrays[f"inner.{number}.train"],
                    arrays[f"inner.{number}.test"],
                    _embeddings(arrays, f"inner.{number}", names),
                )
                for number in range(count)
            ),
            embeddings=seen.embeddings,
            signals=arrays["signals"],
        )
        return LookedFold(rows, _seen(arrays, "test", names), float(arrays["seconds"][0]))
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


def read_arrays(path: Path) -> tuple[Arrays, dict[str, str]]:
    """The arrays and the facts of a safetensors file. Raises OSError, SafetensorError."""
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return dict(safetensors.numpy.load(data)), dict(header.get("__metadata__", {}))


def write_seen(path: Path, seen: Seen) -> None:
    """Writes frames as numbers. Raises StorageError."""
    names = seen.embeddings.names if seen.embeddings is not None else ()
    facts = {"views": json.dumps(names)}
    publish(path, [safetensors.numpy.save(_seen_arrays("frames", seen), metadata=facts)])


def read_seen(path: Path) -> Seen | None:
    """What `write_seen` wrote; None where there is no file, or none that can be read."""
    try:
        arrays, facts = read_arrays(path)
        return _seen(arrays, "frames", tuple(json.loads(facts["views"])))
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


def _seen_arrays(part: str, seen: Seen) -> Arrays:
    numbers = [[getattr(quality, name) for name in NUMBERS] for quality in seen.qualities]
    flags = [[flag in quality.flags for flag in QUALITY_FLAGS] for quality in seen.qualities]
    return {
        f"{part}.descriptors": seen.descriptors,
        f"{part}.quality": np.array(numbers, np.float64).reshape(-1, len(NUMBERS)),
        f"{part}.flags": np.array(flags, np.uint8).reshape(-1, len(QUALITY_FLAGS)),
        **_embedding_arrays(part, seen.embeddings),
    }


def _seen(arrays: Mapping[str, NDArray[Any]], part: str, names: tuple[str, ...]) -> Seen:
    qualities = tuple(
        _quality(numbers.tolist(), flags)
        for numbers, flags in zip(arrays[f"{part}.quality"], arrays[f"{part}.flags"], strict=True)
    )
    return Seen(arrays[f"{part}.descriptors"], qualities, _embeddings(arrays, part, names))


def _quality(numbers: list[float], flags: NDArray[np.uint8]) -> Quality:
    luminance, bright, saturated, sharpness, haze = numbers
    found = tuple(flag for flag, there in zip(QUALITY_FLAGS, flags, strict=True) if there)
    return Quality(luminance, bright, saturated, sharpness, haze, found)


def _embedding_arrays(part: str, embeddings: Embeddings | None) -> Arrays:
    if embeddings is None:
        return {}
    return {f"{part}.values": embeddings.values, f"{part}.present": embeddings.present.astype(np.uint8)}


def _embeddings(arrays: Mapping[str, NDArray[Any]], part: str, names: tuple[str, ...]) -> Embeddings | None:
    if not names:
        return None
    return Embeddings(names, arrays[f"{part}.values"], arrays[f"{part}.present"].astype(np.bool_))
