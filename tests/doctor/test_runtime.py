"""ONNX Runtime: the tiny model is what it is said to be, and a runtime that fails or errs is found."""

import onnx
import pytest
from onnx import TensorProto, helper

from kilnsense.doctor.runtime import TINY_MODEL, check_runtime


def product(kind: str) -> bytes:
    """An ONNX model of one node of x and x."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 2]) for name in "xy")
    graph = helper.make_graph([helper.make_node(kind, ["x", "x"], ["y"])], "tiny", [x], [y])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def test_the_tiny_model_is_made_as_its_text_says() -> None:
    assert product("MatMul") == TINY_MODEL


def test_the_runtime_of_this_computer_computes() -> None:
    finding = check_runtime()
    assert finding.state == "ok"
    assert finding.found.endswith("runs a tiny model")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (product("Add"), "computes wrongly: [[2.0, 4.0], [6.0, 8.0]]"),
        (b"no model", "cannot run a tiny model ("),
        (TINY_MODEL.replace(b"MatMul", b"MatMux"), "cannot run a tiny model ("),
    ],
)
def test_a_runtime_that_fails_or_errs_is_found(model: bytes, words: str) -> None:
    finding = check_runtime(model)
    assert finding.state == "fail"
    assert words in finding.found
    assert finding.fix == "pip install --force-reinstall onnxruntime"
