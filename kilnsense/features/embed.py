"""Embeddings from an exported encoder through ONNX Runtime, without torch."""

from collections.abc import Callable

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from kilnsense.errors import BundleError, InputError
from kilnsense.types import Embeddings, Views

MAX_BYTES = 500_000_000
"""A larger model is refused."""

_INPUTS = ("pixels", "masks", "palettes")
_BATCH = 8  # beyond 8 frames a batch gains no speed, only memory
_LOAD_ERRORS = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)


def open_onnx(model: bytes, *, names: tuple[str, ...], threads: int = 1) -> Callable[[Views], Embeddings]:
    """Opens an encoder that `nets.export.to_onnx` wrote.

    Args:
        model: the ONNX file; it must hold all its weights itself.
        names: the view names that the encoder was built for.
        threads: of one call. One session may be called from several threads at once, which scales better.

    Returns:
        A function from Views of any number of frames to Embeddings; absent views get zeros. It raises
        InputError for views of other names or shapes.

    Raises:
        BundleError: the model is too large, damaged, refers to other files, or is no encoder of these views.
    """
    if len(model) > MAX_BYTES:
        raise BundleError(f"encoder.onnx: got {len(model)} bytes, allowed: up to {MAX_BYTES}")
    # A tensor outside the file needs this very word as a key; our own models never hold it. Following such a
    # reference would let a bundle read any file of this machine.
    if b"location" in model:
        raise BundleError("encoder.onnx: refers to data outside the file; export it again as one file")
    session = _session(model, threads)
    shapes = {node.name: tuple(node.shape) for node in session.get_inputs()}
    outputs = session.get_outputs()
    fits = (
        set(shapes) == set(_INPUTS)
        and [len(shapes[name]) for name in _INPUTS] == [5, 4, 4]
        and shapes["masks"][1] == len(names)
        and [node.name for node in outputs] == ["embeddings"]
        and len(outputs[0].shape) == 3
    )
    if not fits:
        raise BundleError(
            f"encoder.onnx: got inputs {shapes}, want {', '.join(_INPUTS)} for {len(names)} views; "
            "use the encoder of this bundle"
        )
    width = int(outputs[0].shape[2])

    def embed(views: Views) -> Embeddings:
        _check(views, names, shapes)
        values = np.zeros((len(views), len(names), width), np.float32)
        for start in range(0, len(views), _BATCH):
            rows = slice(start, start + _BATCH)
            batch = {name: np.ascontiguousarray(getattr(views, name)[rows]) for name in _INPUTS}
            (values[rows],) = session.run(["embeddings"], batch)
        values[~views.present] = 0
        return Embeddings(names, values, views.present)

    return embed


def _session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what matters is raised
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except _LOAD_ERRORS as error:
        reason = " ".join(str(error).split())[:200]
        raise BundleError(f"encoder.onnx: cannot be loaded ({reason}); restore the bundle") from error


def _check(views: Views, names: tuple[str, ...], shapes: dict[str, tuple[int | str, ...]]) -> None:
    if views.names != names:
        raise InputError(f"encoder.onnx: got views {', '.join(views.names)}, want {', '.join(names)}")
    for name in _INPUTS:
        got, want = getattr(views, name).shape[1:], shapes[name][1:]
        if got != want:
            raise InputError(f"encoder.onnx: {name}: got frames of shape {got}, the model takes {want}")
