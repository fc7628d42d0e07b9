"""Flat pooling, hidden layers and dropout: against slow loops, and with chance from one's own seed alone."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from kilnsense.errors import ConfigError
from kilnsense.features.embed import open_onnx
from kilnsense.nets.branches import Encoder, EncoderPlan, build_encoder
from kilnsense.nets.encode import encode
from kilnsense.nets.export import load_weights, to_onnx, weights_to_bytes
from kilnsense.nets.layers import seed_dropout
from kilnsense.types import Views

MakeViews = Callable[..., Views]
PLAN = EncoderPlan(
    ("region:flame", "scale:0.5"), pool="flat", crop=32, hidden=(7, 5), dimensions=4, colours=3, residual=9.0
)


def build(plan: EncoderPlan, *, seed: int = 0) -> Encoder:
    encoder = build_encoder(plan, generator=torch.Generator().manual_seed(seed))
    if plan.head == "palette":  # it starts at zero
        torch.nn.init.normal_(encoder.head.linear.weight, generator=torch.Generator().manual_seed(seed))
    return encoder


def tensors(views: Views) -> list[torch.Tensor]:
    return [torch.from_numpy(a) for a in (views.pixels, views.masks, views.palettes)]


def layers_by_hand(encoder: Encoder, row: np.ndarray, v: int) -> np.ndarray:
    for layer, slope in zip(encoder.head.hidden.maps, encoder.head.hidden.slopes, strict=True):
        row = row @ layer.weight[v].numpy() + layer.bias[v, 0].numpy()
        row = np.where(row >= 0, row, slope[v].item() * row)
    return row @ encoder.head.linear.weight[v].numpy() + encoder.head.linear.bias[v, 0].numpy()


@pytest.mark.parametrize("sharing", ["shared", "separate"])
@pytest.mark.parametrize("normalise", [True, False])
@torch.no_grad()
def test_a_flat_branch_is_that_of_a_loop(random_views: MakeViews, sharing: str, normalise: bool) -> None:
    views = random_views(3, mode="crop", views=2)
    encoder = build(replace(PLAN, sharing=sharing, normalise=normalise)).eval()
    for slope in encoder.head.hidden.slopes:
        slope.copy_(torch.tensor([0.1, 0.6]))
    got = encoder(*tensors(views)).numpy()
    for n in range(3):
        for v in range(2):
            trunk = encoder.trunks[v if sharing == "separate" else 0]
            features = trunk(torch.from_numpy(views.pixels[n, v])[None])[0].numpy()
            shares = views.masks[n, v].reshape(4, 8, 4, 8).mean(axis=(1, 3))
            want = layers_by_hand(encoder, (features * shares).reshape(-1), v)
            if normalise:
                want /= np.linalg.norm(want)
            np.testing.assert_allclose(got[n, v], want, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_palette_is_shifted_by_what_its_hidden_layers_say(random_views: MakeViews) -> None:
    views = random_views(2, mode="crop", views=2)
    encoder = build(replace(PLAN, head="palette")).eval()
    got = encoder(*tensors(views)).numpy()[1, 1].reshape(3, 3)
    features = encoder.trunks[0](torch.from_numpy(views.pixels[1, 1])[None])[0].numpy()
    shares = views.masks[1, 1].reshape(4, 8, 4, 8).mean(axis=(1, 3))
    step = np.tanh(layers_by_hand(encoder, (features * shares).reshape(-1), 1)).reshape(3, 3)
    own = views.palettes[1, 1]
    low, high = encoder.head.low.numpy(), encoder.head.high.numpy()
    room = np.minimum(9.0, np.where(step >= 0, high - own, own - low))
    np.testing.assert_allclose(got, own + room * step, atol=1e-4)


def test_hidden_layers_of_a_branch_are_its_own(random_views: MakeViews) -> None:
    encoder = build(replace(PLAN, sharing="separate"))
    encoder(*tensors(random_views(4, mode="crop", views=2)))[:, 1].sum().backward()
    for parameter in encoder.head.parameters():
        assert parameter.grad is not None
        assert [bool(parameter.grad[v].abs().sum() > 0) for v in (0, 1)] == [False, True]


@pytest.mark.parametrize("head", ["vector", "palette"])
@pytest.mark.parametrize("trunk", ["conv2", "conv4"])
@pytest.mark.parametrize("pool", ["flat", "moments"])
def test_onnx_says_what_torch_says(random_views: MakeViews, pool: str, trunk: str, head: str) -> None:
    encoder = build(replace(PLAN, pool=pool, trunk=trunk, head=head, dropout=0.5))
    with torch.no_grad():  # running statistics other than 0 and 1
        encoder(*tensors(random_views(8, mode="crop", views=2)))
    embed = open_onnx(to_onnx(encoder, random_views(1, mode="crop", views=2)), names=encoder.views)
    views = random_views(5, mode="crop", views=2)
    want = encode(encoder, views).values
    assert np.ptp(want[-1]) > 0.1
    np.testing.assert_allclose(embed(views).values, want, atol=1e-4)


@pytest.mark.parametrize(("trunk", "cells"), [("conv2", 16), ("conv4", 9), ("small", 16)])
def test_a_trunk_knows_its_cells_and_builds_from_the_generator_alone(trunk: str, cells: int) -> None:
    plan, before = replace(PLAN, trunk=trunk, crop=28), torch.random.get_rng_state()
    one, same, other = build(plan), build(plan), build(plan, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert one.head.hidden.maps[0].weight.shape == (2, one.trunks[0].channels * cells, 7)
    assert one.training
    fresh = torch.cat([value.flatten() for value in one.state_dict().values()])
    assert torch.equal(fresh, torch.cat([value.flatten() for value in same.state_dict().values()]))
    moved = [not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True)]
    assert sum(moved) >= 7


@pytest.mark.parametrize("trunk", ["conv2", "conv4"])
def test_stages_of_a_trunk_hold_all_of_its_parameters(trunk: str) -> None:
    built = build(replace(PLAN, trunk=trunk)).trunks[0]
    groups = built.groups()
    assert len(groups) == int(trunk[-1])
    assert {id(p) for group in groups for p in group} == {id(p) for p in built.parameters()}


def test_conv4_pools_as_long_as_two_cells_are_left() -> None:
    trunk = build(replace(PLAN, trunk="conv4")).trunks[0]
    shapes = [trunk(torch.zeros(2, size, size, 3)).shape[2:] for size in (16, 28, 64, 105)]
    assert [tuple(shape) for shape in shapes] == [(2, 2), (3, 3), (4, 4), (6, 6)]


def test_dropout_follows_its_seed_and_leaves_the_global_chance_alone(random_views: MakeViews) -> None:
    encoder = build(replace(PLAN, dropout=0.4, trunk="conv2"))
    inputs, before = tensors(random_views(4, mode="crop", views=2)), torch.random.get_rng_state()

    def outputs(seed: int) -> list[torch.Tensor]:
        seed_dropout(encoder, seed)
        return [encoder(*inputs).detach() for _ in range(2)]

    first, again, other = outputs(1), outputs(1), outputs(2)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(torch.stack(first), torch.stack(again))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], other[0])
    encoder.eval()
    assert torch.equal(*outputs(3))


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    dropouts = build(replace(PLAN, dropout=0.25)).head.hidden.dropouts
    assert len(dropouts) == 3  # before each of two hidden maps and the last
    got = dropouts[1].train()(torch.ones(400, 2, 50))
    torch.testing.assert_close(got.unique(), torch.tensor([0.0, 4 / 3]))
    assert float((got == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert not torch.equal(got[:200], got[200:])


def test_dropouts_of_one_seed_differ_from_each_other() -> None:
    encoder = build(replace(PLAN, dropout=0.5))
    seed_dropout(encoder, 0)
    first, second = (dropout(torch.ones(50, 2, 7)) for dropout in list(encoder.head.hidden.dropouts)[:2])
    assert not torch.equal(first, second)


def test_weights_of_a_head_without_hidden_layers_keep_their_names() -> None:
    encoder = build(EncoderPlan(("a", "b")))
    assert [name for name, _ in encoder.head.named_parameters()] == ["linear.weight", "linear.bias"]
    deep = build(replace(PLAN, trunk="conv2", normalise=False))
    other = build(replace(PLAN, trunk="conv2", normalise=False), seed=3)
    load_weights(other, weights_to_bytes(deep))
    assert all(torch.equal(a, b) for a, b in zip(deep.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop": 0}, r"branches.pool 'flat': needs crops.*set branches.mode: crop, or branches.pool: mom"),
        ({"pool": "flatt"}, "branches.pool: got 'flatt', allowed: flat, moments; did you mean 'flat'"),
        ({"head": "palette", "normalise": False}, "branches.normalise: got false, but a palette head"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_encoder(replace(PLAN, **changes), generator=torch.Generator())  # type: ignore[arg-type]
