"""What a bundle holds, and what identifies it."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilnsense.config import Config
from kilnsense.errors import InputError

FORMAT = 1
"""The format that is written; `kilnsense.bundle` says when it goes up."""

MANIFEST = "bundle.json"
CLASSIFIER = "classifier.skops"
ARRAYS = "gallery.safetensors"
GALLERY = "gallery.csv"
ONNX = "encoder.onnx"
WEIGHTS = "encoder.safetensors"
CARD = "MODEL_CARD.md"

REQUIRED = (CLASSIFIER, ARRAYS, GALLERY, CARD)
OPTIONAL = (ONNX, WEIGHTS)

GALLERY_COLUMNS = ("path", "label", "group", "sha256")


@dataclass(frozen=True)
class GalleryRow:
    """One labelled frame that the model was trained on.

    Attributes:
        path: relative to the root of the training data, POSIX separators.
        label: its class.
        group: its camera run.
        sha256: hex digest of the file.
    """

    path: str
    label: str
    group: str
    sha256: str


@dataclass(frozen=True, eq=False)
class Bundle:
    """A trained model.

    Attributes:
        config: everything that made it.
        classifier: the fitted estimator; every type in it is one that skops or `TRUSTED_TYPES` knows.
        arrays: by name, numeric: codebook, familiarity, gallery features.
        thresholds: by name, finite: what decides.
        scores: by name, finite: what was measured on held-out groups.
        gallery: the labelled frames.
        encoder_onnx, encoder_weights: the networks as ONNX and as safetensors; None for descriptors only.
        fingerprint: `data_fingerprint` of the training data.
        card: MODEL_CARD.md; written from the rest where it is empty.
        model_id, created: identity, and UTC time of saving; empty until `save_bundle` fills them.
    """

    config: Config
    classifier: Any
    arrays: Mapping[str, NDArray[np.generic]]
    thresholds: Mapping[str, float]
    scores: Mapping[str, float]
    gallery: tuple[GalleryRow, ...] = ()
    encoder_onnx: bytes | None = None
    encoder_weights: bytes | None = None
    fingerprint: str = ""
    card: str = ""
    model_id: str = ""
    created: str = ""

    def __post_init__(self) -> None:
        for name, array in self.arrays.items():
            if array.dtype.kind not in "biuf":
                raise InputError(f"Bundle.arrays[{name!r}]: got {array.dtype}, allowed: numbers or booleans")
        for part, numbers in (("thresholds", self.thresholds), ("scores", self.scores)):
            for name, number in numbers.items():
                if not math.isfinite(number):
                    raise InputError(f"Bundle.{part}[{name!r}]: got {number}, allowed: finite numbers")

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the config."""
        return self.config.classes


def data_fingerprint(rows: Iterable[GalleryRow]) -> str:
    """SHA-256 over the labelled frames, whatever their order; the same data give the same fingerprint."""
    lines = sorted(json.dumps([row.path, row.label, row.group, row.sha256]) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def model_identity(
    config: Mapping[str, Any], thresholds: Mapping[str, float], fingerprint: str, digests: Mapping[str, str]
) -> str:
    """12 hex digits that the same training gives again.

    They cover the files but the card, the thresholds, the fingerprint, and the config without its `data`
    section: where the data lay does not change a model, what they were does. `config` is what stands in
    bundle.json, so that a release with one more setting reads older bundles.
    """
    parts = {
        "config": {section: values for section, values in config.items() if section != "data"},
        "thresholds": dict(thresholds),
        "fingerprint": fingerprint,
        "files": {name: digest for name, digest in digests.items() if name != CARD},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
