"""Reads the burning state of a rotary kiln from a camera.

The public names are loaded on first use, so that ``import kilnsense`` stays light: it brings in neither
torch nor OpenCV nor scikit-learn.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Config": "kilnsense.config",
    "Failure": "kilnsense.types",
    "Frame": "kilnsense.types",
    "KilnsenseError": "kilnsense.errors",
    "Record": "kilnsense.types",
    "Verdict": "kilnsense.types",
    "decode": "kilnsense.image.decode",
    "load_bundle": "kilnsense.bundle",
    "load_config": "kilnsense.config",
    "open_recogniser": "kilnsense.recogniser",
    "recognise": "kilnsense.recogniser",
    "simulate": "kilnsense.render.sequence",
    "train": "kilnsense.training.train",
}

__all__ = [*sorted(_HOMES), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(
            f"module 'kilnsense' has no attribute {name!r}; public names: {', '.join(__all__)}"
        )
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
