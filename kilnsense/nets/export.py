"""An encoder as bytes: ONNX for use without torch, safetensors for use with it."""

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

from kilnsense.errors import BundleError, InputError
from kilnsense.nets.branches import Encoder, check_views
from kilnsense.types import Views

INPUTS = ("pixels", "masks", "palettes")
"""Names of the inputs of the ONNX model, as the arrays of `Views`."""

OUTPUT = "embeddings"
"""Name of its output, (N, V, D) float32."""


def to_onnx(encoder: Encoder, views: Views) -> bytes:
    """The encoder as one ONNX file, for any number of frames, without external data.

    Inputs are `INPUTS` with the dtypes and shapes of `Views` (N free), the output is `OUTPUT`. Rows of absent
    views are not zeroed; `features.embed.open_onnx` does that. The encoder is exported in evaluation mode
    from the CPU and left as it was. Costs seconds: 2 for the small trunk, once 5 more for the exporter's
    imports.

    Args:
        encoder: on the CPU.
        views: one frame or more, for the shapes; the values do not matter.

    Raises:
        InputError: no frame, or views of other names than the encoder's.
    """
    check_views(encoder, views.names)
    if len(views) == 0:
        raise InputError("to_onnx: got no frame; give one, for the shapes")
    # Two frames: an axis of one would be taken for a constant.
    rows = np.zeros(2, np.intp)
    example = tuple(torch.from_numpy(a[rows]) for a in (views.pixels, views.masks, views.palettes))
    training = encoder.training
    encoder.eval()
    try:
        program = torch.onnx.export(
            encoder,
            example,
            dynamo=True,
            external_data=False,
            verbose=False,
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            dynamic_shapes=tuple({0: torch.export.Dim.DYNAMIC} for _ in INPUTS),
        )
    finally:
        encoder.train(training)
    if program is None:
        raise InputError("to_onnx: the exporter gave no model; the trunk cannot be expressed in ONNX")
    model = program.model_proto
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.functions):
        # The exporter notes where in our source each operation came from: of no use, and it holds paths.
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return bytes(model.SerializeToString(deterministic=True))


def weights_to_bytes(encoder: Encoder) -> bytes:
    """All weights and running statistics as safetensors."""
    state = {name: value.detach().cpu().contiguous() for name, value in encoder.state_dict().items()}
    return bytes(safetensors.torch.save(state))


def load_weights(encoder: Encoder, data: bytes) -> None:
    """Puts weights from `weights_to_bytes` into an encoder of the same plan.

    Raises:
        BundleError: no safetensors, or the weights of another plan; the encoder is then unchanged.
    """
    try:
        state = safetensors.torch.load(data)
    except SafetensorError as error:
        raise BundleError(f"encoder weights: no safetensors file ({error}); restore the bundle") from error
    want = {name: tuple(value.shape) for name, value in encoder.state_dict().items()}
    got = {name: tuple(value.shape) for name, value in state.items()}
    differing = sorted(name for name in want.keys() | got.keys() if want.get(name) != got.get(name))
    if differing:
        first = differing[0]
        raise BundleError(
            f"encoder weights: {len(differing)} tensors do not fit the configuration, the first is {first}: "
            f"got {got.get(first, 'none')}, want {want.get(first, 'none')}; take the bundle's configuration"
        )
    encoder.load_state_dict(state)
