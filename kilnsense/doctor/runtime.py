"""ONNX Runtime: whether it computes on this computer."""

import numpy as np
import onnxruntime

from kilnsense.doctor.findings import Finding

TINY_MODEL = bytes.fromhex(
    "08083a430a110a01780a017812017922064d61744d756c120474696e795a130a0178120e0a0c0801"
    "12080a0208020a02080262130a0179120e0a0c080112080a0208020a02080242040a00100d"
)
"""An ONNX model of one product, y = x @ x of 2 x 2 float32, so that none has to be built here.

Made once with `onnx.helper`: a graph "tiny" of one node MatMul(x, x) -> y, IR version 8, opset 13.
`tests/doctor/test_runtime.py` makes it again and compares.
"""


def check_runtime(model: bytes = TINY_MODEL) -> Finding:
    """Whether ONNX Runtime computes here."""
    fix = "pip install --force-reinstall onnxruntime"
    try:
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        (found,) = session.run(["y"], {"x": np.array([[1, 2], [3, 4]], np.float32)})
    except Exception as error:  # noqa: BLE001 - whatever the runtime raises is what is to be found
        reason = " ".join(str(error).split())[:200]
        return Finding("onnxruntime", "fail", f"cannot run a tiny model ({reason})", fix)
    if found.tolist() != [[7, 10], [15, 22]]:
        return Finding("onnxruntime", "fail", f"computes wrongly: {found.tolist()}", fix)
    return Finding("onnxruntime", "ok", f"{onnxruntime.__version__} runs a tiny model")
