"""The exported encoder without torch, and models that must not be opened."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from kilnsense.errors import BundleError, InputError
from kilnsense.features import embed
from kilnsense.features.embed import open_onnx
from kilnsense.nets.branches import EncoderPlan, build_encoder
from kilnsense.nets.encode import encode
from kilnsense.nets.export import to_onnx
from kilnsense.types import Views

NAMES = ("region:flame", "scale:1.0")


def views(count: int, *, names: tuple[str, ...] = NAMES, height: int = 16) -> Views:
    rng = np.random.default_rng(count)
    present = np.ones((count, len(names)), np.bool_)
    present[:1, 0] = False
    return Views(
        names,
        rng.integers(0, 256, (count, 1, height, 32, 3), dtype=np.uint8),
        rng.random((count, len(names), height, 32)).astype(np.float32) * present[..., None, None],
        np.zeros((count, len(names), 0, 3), np.float32),
        present,
    )


@pytest.fixture(scope="module")
def model() -> bytes:
    encoder = build_encoder(EncoderPlan(NAMES, dimensions=4), generator=torch.Generator().manual_seed(0))
    return to_onnx(encoder, views(1))


def test_embeddings_agree_with_torch_and_absent_views_are_zeros(model: bytes) -> None:
    encoder = build_encoder(EncoderPlan(NAMES, dimensions=4), generator=torch.Generator().manual_seed(0))
    embed_views = open_onnx(model, names=NAMES)
    for count in (0, 1, 9, 17):  # across the internal batches
        got, want = embed_views(views(count)), encode(encoder, views(count))
        np.testing.assert_allclose(got.values, want.values, atol=1e-4)
        assert not got.values[:1, 0].any()
    assert np.ptp(got.values) > 0.5


def test_no_torch_is_needed(model: bytes, tmp_path: Path) -> None:
    path = tmp_path / "encoder.onnx"
    path.write_bytes(model)
    code = f"""
import sys
sys.modules["torch"] = None
import pathlib
import numpy as np
from kilnsense.features.embed import open_onnx
from kilnsense.types import Views
shape = (2, 2, 16, 32)
views = Views({NAMES!r}, np.zeros((2, 1, 16, 32, 3), np.uint8), np.ones(shape, np.float32),
              np.zeros((2, 2, 0, 3), np.float32), np.ones((2, 2), np.bool_))
result = open_onnx(pathlib.Path({str(path)!r}).read_bytes(), names={NAMES!r})(views)
assert np.allclose(np.linalg.norm(result.values, axis=2), 1, atol=1e-5)
assert "timm" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_data_outside_the_file_are_refused() -> None:
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1])
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../../secret")
    graph = helper.make_graph([], "g", [], [], [weight])
    with pytest.raises(BundleError, match="refers to data outside the file"):
        open_onnx(helper.make_model(graph).SerializeToString(), names=NAMES)


@pytest.mark.parametrize("cut", [0, 7, 1000])
def test_a_damaged_model_is_refused(model: bytes, cut: int) -> None:
    with pytest.raises(BundleError, match=r"encoder\.onnx"):
        open_onnx(model[:cut], names=NAMES)


def test_a_model_that_is_no_encoder_is_refused() -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    other = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(other)
    with pytest.raises(BundleError, match="want pixels, masks, palettes for 2 views"):
        open_onnx(other.SerializeToString(), names=NAMES)


def test_an_encoder_of_other_views_is_refused(model: bytes) -> None:
    with pytest.raises(BundleError, match="for 3 views"):
        open_onnx(model, names=(*NAMES, "scale:0.5"))
    with pytest.raises(InputError, match=r"want region:flame, scale:1\.0"):
        open_onnx(model, names=NAMES)(views(1, names=("scale:0.5", "scale:1.0")))


def test_pictures_of_another_size_are_refused(model: bytes) -> None:
    with pytest.raises(InputError, match=r"pixels: got frames of shape \(1, 24, 32, 3\)"):
        open_onnx(model, names=NAMES)(views(1, height=24))


def test_a_model_beyond_the_cap_is_refused(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "MAX_BYTES", 100)
    with pytest.raises(BundleError, match="allowed: up to 100"):
        open_onnx(model, names=NAMES)
