"""The exported encoder says what the torch encoder says."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch

from kilnsense.errors import BundleError, InputError
from kilnsense.features.embed import open_onnx
from kilnsense.nets.branches import Encoder, EncoderPlan, build_encoder
from kilnsense.nets.encode import encode
from kilnsense.nets.export import load_weights, to_onnx, weights_to_bytes
from kilnsense.types import Views

MakeViews = Callable[..., Views]


def build(views: Views, *, head: str = "vector", sharing: str = "shared", seed: int = 1) -> Encoder:
    """An encoder whose every weight is at work: a palette head starts at zero."""
    generator = torch.Generator().manual_seed(seed)
    plan = EncoderPlan(views.names, head=head, sharing=sharing, dimensions=8, colours=views.palettes.shape[2])
    encoder = build_encoder(plan, generator=generator)
    torch.nn.init.normal_(encoder.head.linear.weight, std=0.3, generator=generator)
    with torch.no_grad():  # running statistics other than 0 and 1
        encoder(*(torch.from_numpy(a) for a in (views.pixels, views.masks, views.palettes)))
    return encoder


@pytest.mark.parametrize("sharing", ["shared", "separate"])
@pytest.mark.parametrize("head", ["vector", "palette"])
@pytest.mark.parametrize("mode", ["pooled", "crop"])
def test_onnx_agrees_with_torch_at_every_batch_size(
    random_views: MakeViews, mode: str, head: str, sharing: str
) -> None:
    encoder = build(random_views(4, mode=mode, views=2), head=head, sharing=sharing)
    embed = open_onnx(to_onnx(encoder, random_views(1, mode=mode, views=2)), names=encoder.views)
    for count in (1, 5):
        views = random_views(count, mode=mode, views=2)
        want, got = encode(encoder, views), embed(views)
        assert np.ptp(want.values[-1]) > 0.1  # not trivially equal
        np.testing.assert_allclose(got.values, want.values, atol=1e-4)
        np.testing.assert_array_equal(got.present, views.present)


def test_onnx_is_one_file_without_paths(random_views: MakeViews) -> None:
    encoder = build(random_views(2))
    model = onnx.load_from_string(to_onnx(encoder, random_views(1)))
    assert all(t.data_location == onnx.TensorProto.DEFAULT for t in model.graph.initializer)
    assert b"kilnsense" not in model.SerializeToString()
    assert encoder.training  # left as it was


def test_export_needs_a_frame(random_views: MakeViews) -> None:
    with pytest.raises(InputError, match="got no frame"):
        to_onnx(build(random_views(2)), random_views(0))


def test_weights_survive_the_round_trip(random_views: MakeViews) -> None:
    views = random_views(3)
    one, other = build(views), build(views, seed=2)
    before = encode(other, views).values
    load_weights(other, weights_to_bytes(one))
    np.testing.assert_array_equal(encode(one, views).values, encode(other, views).values)
    assert not np.allclose(before, encode(other, views).values)


def test_weights_of_another_plan_are_refused(random_views: MakeViews) -> None:
    views = random_views(2)
    with pytest.raises(BundleError, match=r"do not fit the configuration.*first is trunks\.1"):
        load_weights(build(views), weights_to_bytes(build(views, sharing="separate")))
    with pytest.raises(BundleError, match="no safetensors"):
        load_weights(build(views), b"nonsense")
