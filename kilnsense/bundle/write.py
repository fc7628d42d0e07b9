"""Writes a bundle: everything in a folder beside the target, which then takes the target's place."""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np
import safetensors.numpy

from kilnsense.bundle import classifier_file
from kilnsense.bundle.card import model_card
from kilnsense.bundle.contents import (
    ARRAYS,
    CARD,
    CLASSIFIER,
    FORMAT,
    GALLERY,
    GALLERY_COLUMNS,
    MANIFEST,
    ONNX,
    WEIGHTS,
    Bundle,
    GalleryRow,
    model_identity,
)
from kilnsense.csv_line import csv_line
from kilnsense.errors import StorageError
from kilnsense.stamp import stamp

LIBRARIES = ("kilnsense", "numpy", "scikit-learn", "skops", "safetensors", "onnxruntime", "torch", "timm")
"""Whose installed versions a bundle records."""


def save_bundle(bundle: Bundle, folder: Path, *, overwrite: bool = False) -> Bundle:
    """Writes a bundle; `folder` holds a whole one afterwards or is as it was.

    Args:
        bundle: its `model_id` and `created` are ignored and made here.
        folder: new, empty, or with `overwrite` an older bundle that is replaced.
        overwrite: allows to replace a bundle; never any other folder with files in it.

    Returns:
        The bundle with `model_id`, `created` and `card` filled in.

    Raises:
        StorageError: the folder is taken or cannot be written; nothing half-written is left.
        InputError: the classifier holds a type that `load_bundle` would refuse.
    """
    _expect_free(folder, overwrite)
    files = _contents(bundle)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    model_id = model_identity(
        bundle.config.model_dump(mode="json"), bundle.thresholds, bundle.fingerprint, digests
    )
    created = stamp(datetime.now(UTC))
    card = bundle.card or model_card(bundle, model_id=model_id, created=created)
    saved = replace(bundle, model_id=model_id, created=created, card=card)
    files[CARD] = card.encode()
    files[MANIFEST] = _manifest(saved, files)
    _publish(files, folder)
    return saved


def _contents(bundle: Bundle) -> dict[str, bytes]:
    arrays = {name: np.ascontiguousarray(array) for name, array in sorted(bundle.arrays.items())}
    files = {
        CLASSIFIER: classifier_file.to_bytes(bundle.classifier),
        ARRAYS: safetensors.numpy.save(arrays),
        GALLERY: _gallery_csv(bundle.gallery),
    }
    if bundle.encoder_onnx is not None:
        files[ONNX] = bundle.encoder_onnx
    if bundle.encoder_weights is not None:
        files[WEIGHTS] = bundle.encoder_weights
    return files


def _gallery_csv(rows: tuple[GalleryRow, ...]) -> bytes:
    cells = (GALLERY_COLUMNS, *((row.path, row.label, row.group, row.sha256) for row in rows))
    return "".join(map(csv_line, cells)).encode("utf-8", "surrogateescape")


def _manifest(bundle: Bundle, files: Mapping[str, bytes]) -> bytes:
    values = {
        "format": FORMAT,
        "kilnsense": _version("kilnsense"),
        "model_id": bundle.model_id,
        "created": bundle.created,
        "classes": list(bundle.classes),
        "thresholds": {name: float(value) for name, value in bundle.thresholds.items()},
        "scores": {name: float(value) for name, value in bundle.scores.items()},
        "fingerprint": bundle.fingerprint,
        "versions": {name: version for name in LIBRARIES if (version := _version(name))},
        "config": bundle.config.model_dump(mode="json"),
        "files": {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in sorted(files.items())
        },
    }
    return (json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _expect_free(folder: Path, overwrite: bool) -> None:
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise StorageError(f"bundle {folder}: cannot be looked into ({error.strerror})") from error
    if taken and not (folder / MANIFEST).is_file():
        raise StorageError(f"bundle {folder}: is there and is no bundle; name a new folder")
    if taken and not overwrite:
        raise StorageError(f"bundle {folder}: is there already; name a new folder or allow to overwrite it")


def _publish(files: Mapping[str, bytes], folder: Path) -> None:
    target = Path(os.path.normpath(folder.absolute()))
    token = secrets.token_hex(4)
    fresh = target.with_name(f".{target.name}.{token}.new")
    former = target.with_name(f".{target.name}.{token}.old")
    try:
        fresh.mkdir(parents=True)
        for name, data in files.items():
            with (fresh / name).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        if target.exists():
            target.rename(former)
        try:
            fresh.rename(target)
        except OSError:
            if former.exists():
                former.rename(target)
            raise
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise StorageError(
            f"bundle {folder}: cannot be written ({error.strerror}); free space or choose another folder"
        ) from error
    shutil.rmtree(former, ignore_errors=True)
