"""Reads a bundle: format, then presence, size and SHA-256 of every file, and only then their contents."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from kilnsense.bundle import classifier_file
from kilnsense.bundle.contents import (
    ARRAYS,
    CARD,
    CLASSIFIER,
    FORMAT,
    GALLERY,
    GALLERY_COLUMNS,
    MANIFEST,
    ONNX,
    OPTIONAL,
    REQUIRED,
    WEIGHTS,
    Bundle,
    GalleryRow,
    model_identity,
)
from kilnsense.config import Config, check_config
from kilnsense.errors import BundleError, ConfigError, InputError

MAX_BYTES = 2_000_000_000
"""Of one file of a bundle."""

MAX_MANIFEST_BYTES = 16_000_000
MAX_HEADER_BYTES = 10_000_000

PICKLE_SUFFIXES = (".pkl", ".pickle", ".pt", ".pth", ".joblib", ".ckpt", ".npz", ".npy", ".dill")
"""Model files that can run code, or may hold what can. kilnsense never opens one."""

PICKLE_STARTS = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
"""The first bytes of a pickle by protocol. A safetensors file may begin like that by chance: it starts with
the length of its header, and is checked by that."""

EXTERNAL_DATA = b"\x0a\x08location"
"""How protobuf encodes the key by which an ONNX tensor points to another file."""

Manifest = Mapping[str, Any]


def load_bundle(folder: Path) -> Bundle:
    """Reads a bundle. Needs no torch.

    Raises:
        BundleError: no bundle, cut short, altered, of a newer format, or with contents that are not allowed.
    """
    manifest = _read_manifest(folder)
    files = _read_files(folder, manifest)
    with _usable(folder):
        bundle = Bundle(
            config=check_config(manifest["config"], origin=str(folder / MANIFEST)),
            classifier=classifier_file.from_bytes(files[CLASSIFIER], where=f"bundle {folder / CLASSIFIER}"),
            arrays=_arrays(files[ARRAYS], folder / ARRAYS),
            thresholds=_thresholds(manifest),
            scores={str(name): float(value) for name, value in manifest["scores"].items()},
            gallery=_gallery(files[GALLERY], folder / GALLERY),
            encoder_onnx=files.get(ONNX),
            encoder_weights=files.get(WEIGHTS),
            fingerprint=str(manifest["fingerprint"]),
            card=files[CARD].decode(),
            model_id=str(manifest["model_id"]),
            created=str(manifest["created"]),
        )
        _expect_unaltered(folder, manifest, files)
    return bundle


def read_identity(folder: Path) -> tuple[Config, str]:
    """The config of a bundle and the identity of its model, where all its files are whole and unaltered.

    The classifier stays closed, so this needs no scikit-learn and is quick.

    Raises:
        BundleError: no bundle, cut short, altered or of a newer format.
    """
    manifest = _read_manifest(folder)
    files = _read_files(folder, manifest)
    with _usable(folder):
        config = check_config(manifest["config"], origin=str(folder / MANIFEST))
        _expect_unaltered(folder, manifest, files)
        return config, str(manifest["model_id"])


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    """What is wrong with the entries of the manifest becomes a BundleError."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, ConfigError, InputError) as error:
        raise BundleError(f"bundle {folder / MANIFEST}: cannot be used ({error}); train again") from error


def _thresholds(manifest: Manifest) -> dict[str, float]:
    return {str(name): float(value) for name, value in manifest["thresholds"].items()}


def _expect_unaltered(folder: Path, manifest: Manifest, files: Mapping[str, bytes]) -> None:
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    fingerprint, said = str(manifest["fingerprint"]), str(manifest["model_id"])
    identity = model_identity(manifest["config"], _thresholds(manifest), fingerprint, digests)
    if identity != said:
        raise BundleError(
            f"bundle {folder / MANIFEST}: was altered (its contents make model {identity}, it says "
            f"{said}); take it again from where it came"
        )


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if folder.is_file():
        kind = "a file that can run code" if folder.suffix in PICKLE_SUFFIXES else "a file"
        raise BundleError(f"bundle {folder}: is {kind}, allowed: a folder with {MANIFEST}")
    if not path.is_file():
        found = folder.iterdir() if folder.is_dir() else ()
        unsafe = sorted(file.name for file in found if file.suffix in PICKLE_SUFFIXES)
        hint = f"; {unsafe[0]} can run code and is never opened" if unsafe else ""
        raise BundleError(
            f"bundle {folder}: holds no {MANIFEST}{hint}; give a folder made by `kilnsense train`"
        )
    data = _read(path, MAX_MANIFEST_BYTES)
    try:
        manifest = json.loads(data)
    except ValueError as error:
        raise BundleError(
            f"bundle {path}: is cut short or no JSON ({error}); take it again from where it came"
        ) from error
    number = manifest.get("format") if isinstance(manifest, dict) else None
    if not isinstance(number, int) or number < 1:
        raise BundleError(f"bundle {path}: format {number!r}, allowed: 1..{FORMAT}")
    if number > FORMAT:
        raise BundleError(
            f"bundle {path}: format {number}, this kilnsense reads up to {FORMAT}; install kilnsense "
            f"{manifest.get('kilnsense', 'of a later version')} or newer"
        )
    if not isinstance(manifest.get("files"), dict):
        raise BundleError(f"bundle {path}: has no list of files; take it again from where it came")
    return dict(manifest)


def _read_files(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    listed = manifest["files"]
    for name in REQUIRED:
        if name not in listed:
            raise BundleError(
                f"bundle {folder / MANIFEST}: lists no {name}; take it again from where it came"
            )
    files = {}
    for name, entry in listed.items():
        if name not in REQUIRED + OPTIONAL:
            raise BundleError(f"bundle {folder / MANIFEST}: lists {name!r}, which is no file of a bundle")
        size, digest = (entry.get("bytes"), entry.get("sha256")) if isinstance(entry, dict) else (None, None)
        path = folder / name
        if not path.is_file():
            raise BundleError(f"bundle {path}: is missing; take the bundle again from where it came")
        if path.stat().st_size != size:
            raise BundleError(
                f"bundle {path}: has {path.stat().st_size} bytes, should have {size}: cut short or altered; "
                f"take the bundle again from where it came"
            )
        data = _read(path, MAX_BYTES)
        if hashlib.sha256(data).hexdigest() != digest:
            raise BundleError(
                f"bundle {path}: was altered (its SHA-256 does not fit); take it again from where it came"
            )
        _expect_harmless(data, path)
        files[name] = data
    return files


def _read(path: Path, most: int) -> bytes:
    try:
        if path.stat().st_size > most:
            raise BundleError(f"bundle {path}: has {path.stat().st_size} bytes, allowed: up to {most}")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"bundle {path}: cannot be read ({error.strerror})") from error


def _expect_harmless(data: bytes, path: Path) -> None:
    """Refuses by content what a file must not be, whatever its name and its hash say."""
    if path.name == CLASSIFIER and not data.startswith(b"PK\x03\x04"):
        raise BundleError(f"bundle {path}: is no skops archive")
    if path.name in (ARRAYS, WEIGHTS):
        header = int.from_bytes(data[:8], "little")
        if not 2 <= header <= min(MAX_HEADER_BYTES, len(data) - 8) or data[8:9] != b"{":
            raise BundleError(f"bundle {path}: is no safetensors file")
    elif data.startswith(PICKLE_STARTS):
        raise BundleError(f"bundle {path}: is a pickle, which can run code and is never opened")
    if path.name == ONNX and EXTERNAL_DATA in data:
        raise BundleError(f"bundle {path}: points to other files, allowed: all weights inside")


def _arrays(data: bytes, path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        return dict(safetensors.numpy.load(data))
    except (SafetensorError, KeyError) as error:
        raise BundleError(f"bundle {path}: is no safetensors file ({error})") from error


def _gallery(data: bytes, path: Path) -> tuple[GalleryRow, ...]:
    rows = list(csv.reader(io.StringIO(data.decode("utf-8", "surrogateescape"), newline="")))
    if not rows or tuple(rows[0]) != GALLERY_COLUMNS or any(len(row) != len(GALLERY_COLUMNS) for row in rows):
        raise BundleError(f"bundle {path}: columns {', '.join(GALLERY_COLUMNS)} are needed in every row")
    return tuple(GalleryRow(*row) for row in rows[1:])
