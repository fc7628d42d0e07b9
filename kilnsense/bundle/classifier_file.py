"""The fitted classifier as bytes: skops with a fixed list of types, and the same bytes for the same fit.

skops names the members of its archive after memory addresses and stamps them with the time. Both are
replaced here by running numbers and a fixed date, so that a bundle can be compared by its hash.
"""

import importlib
import io
import json
import sys
import zipfile
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from kilnsense.errors import BundleError, InputError, KilnsenseError

TRUSTED_TYPES = (
    "kilnsense.classify.estimators.DecayedMLP",
    "kilnsense.classify.estimators.EqualPriors",
    "kilnsense.classify.estimators.PairwiseSVM",
    "kilnsense.classify.estimators.Prototype",
    "kilnsense.classify.estimators.Standardise",
    "kilnsense.classify.whiten.Whitening",
    "kilnsense.features.fusers.BlockPCA",
    "kilnsense.features.fusers.BlockVote",
    "kilnsense.features.fusers.BlockWhiten",
    "kilnsense.features.fusers.FillAbsent",
    "sklearn.tree._tree.Tree",
)
"""The types beyond skops' own list that a stored classifier may hold; nothing else is ever loaded."""

MAX_UNPACKED = 2_000_000_000
"""Bytes; an archive that announces more is refused before it is unpacked."""

SCHEMA = "schema.json"
DATE = (1980, 1, 1, 0, 0, 0)


def to_bytes(classifier: Any) -> bytes:
    """The classifier in skops format, reproducible.

    Raises:
        InputError: it holds a type that `from_bytes` would refuse.
    """
    data: bytes = _skops().dumps(classifier)
    if foreign := _foreign_types(data):
        raise InputError(
            f"classifier: holds {', '.join(foreign)}, allowed: scikit-learn, numpy and "
            f"{', '.join(TRUSTED_TYPES)}; a type of your own has to be added there"
        )
    return _renumbered(data)


def from_bytes(data: bytes, *, where: str) -> Any:
    """The classifier from its bytes; nothing is imported before every type was compared with the list.

    Raises:
        BundleError: no such archive, too large, or with a type that is not on the list.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > MAX_UNPACKED:
            raise BundleError(f"{where}: unpacks to {unpacked} bytes, allowed: up to {MAX_UNPACKED}")
        if foreign := _foreign_types(data):
            raise BundleError(f"{where}: holds {', '.join(foreign)}, which no bundle may; do not trust it")
        return _skops().loads(data, trusted=list(TRUSTED_TYPES))
    except KilnsenseError:
        raise
    except Exception as error:  # A hostile archive can make the parser raise anything.
        raise BundleError(
            f"{where}: cannot be read ({type(error).__name__}: {error}); train again with these versions"
        ) from error


def _foreign_types(data: bytes) -> list[str]:
    return sorted(set(_skops().get_untrusted_types(data=data)) - set(TRUSTED_TYPES))


class _NoTorch(MetaPathFinder):
    """Answers every import of torch as a machine without it would."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the protocol's
        target: ModuleType | None = None,  # noqa: ARG002 - the protocol's
    ) -> ModuleSpec | None:
        """None for all other modules: they are looked for as usual."""
        if fullname.partition(".")[0] == "torch":
            raise ModuleNotFoundError("torch is hidden while skops is imported", name=fullname)
        return None


def _skops() -> Any:
    """The module skops.io, imported without torch.

    On import skops looks into every module of scikit-learn, and one of them imports torch where it is
    installed: seconds and hundreds of megabytes that reading a bundle does not need. So torch is hidden
    meanwhile, unless it is there already.
    """
    if {"skops.io", "torch"} & sys.modules.keys():
        return importlib.import_module("skops.io")
    hiding = _NoTorch()
    sys.meta_path.insert(0, hiding)
    try:
        return importlib.import_module("skops.io")
    finally:
        sys.meta_path.remove(hiding)


def _renumbered(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema = json.loads(archive.read(SCHEMA))
        members = {name: archive.read(name) for name in archive.namelist() if name != SCHEMA}
    numbers: dict[int, int] = {}
    names: dict[str, str] = {}

    def renumber(node: Any) -> Any:
        if isinstance(node, list):
            return [renumber(part) for part in node]
        if not isinstance(node, dict):
            return node
        renewed = {key: renumber(part) for key, part in node.items()}
        if isinstance(node.get("__id__"), int):
            renewed["__id__"] = numbers.setdefault(node["__id__"], len(numbers))
        if isinstance(node.get("file"), str) and node["file"] in members:
            suffix = node["file"].rpartition(".")[2]
            renewed["file"] = names.setdefault(node["file"], f"{len(names)}.{suffix}")
        return renewed

    renewed = renumber(schema)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for old, new in names.items():
            archive.writestr(_member(new), members[old])
        archive.writestr(_member(SCHEMA), json.dumps(renewed))
    return out.getvalue()


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, date_time=DATE)
    member.compress_type = zipfile.ZIP_DEFLATED
    return member
