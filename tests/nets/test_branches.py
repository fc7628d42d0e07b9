"""The encoder against slow loops; which weights a loss reaches."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from kilnsense.errors import ConfigError, InputError
from kilnsense.nets.branches import Encoder, EncoderPlan, build_encoder, shrink_masks
from kilnsense.nets.encode import encode
from kilnsense.types import Views

MakeViews = Callable[..., Views]
CASES = [(mode, sharing) for mode in ("pooled", "crop") for sharing in ("shared", "separate")]


def build(views: Views, *, sharing: str = "shared", head: str = "vector", seed: int = 0) -> Encoder:
    plan = EncoderPlan(views.names, sharing=sharing, head=head, dimensions=6, colours=views.palettes.shape[2])
    return build_encoder(plan, generator=torch.Generator().manual_seed(seed))


def tensors(views: Views) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.from_numpy(views.pixels), torch.from_numpy(views.masks), torch.from_numpy(views.palettes)


@pytest.mark.parametrize(("mode", "sharing"), CASES)
def test_every_embedding_is_that_of_a_loop_over_frames_and_views(
    random_views: MakeViews, mode: str, sharing: str
) -> None:
    views = random_views(3, mode=mode)
    encoder = build(views, sharing=sharing).eval()
    with torch.no_grad():
        got = encoder(*tensors(views))
        for n in range(3):
            for v in range(3):
                trunk = encoder.trunks[v if sharing == "separate" else 0]
                picture = views.pixels[n, v if mode == "crop" else 0]
                features = trunk(torch.from_numpy(picture)[None])[0].double().numpy()
                channels, height, width = features.shape
                blocks = views.masks[n, v].reshape(height, 8, width, 8).mean(axis=(1, 3)).astype(float)
                weights = blocks / max(blocks.sum(), 1e-6)
                mean = (features * weights).sum(axis=(1, 2))
                variance = ((features - mean[:, None, None]) ** 2 * weights).sum(axis=(1, 2))
                if not blocks.any():
                    variance = np.zeros(channels)
                pooled = np.concatenate([mean, np.sqrt(variance + 1e-5)])
                row = pooled @ encoder.head.linear.weight[v].double().numpy()
                want = row / np.linalg.norm(row)
                np.testing.assert_allclose(got[n, v].numpy(), want, atol=2e-4)
    assert got.shape == (3, 3, 6)


def test_masks_shrink_by_area_also_where_that_does_not_divide() -> None:
    masks = torch.rand(2, 3, 10, 7, generator=torch.Generator().manual_seed(0))
    got = shrink_masks(masks, 4, 3)
    fine = masks.repeat_interleave(4, 2).repeat_interleave(3, 3)  # 40 x 21, which both grids divide
    want = fine.reshape(2, 3, 4, 10, 3, 7).mean(dim=(3, 5))
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize("head", ["vector", "palette"])
@pytest.mark.parametrize(("mode", "sharing"), CASES)
def test_a_branch_moves_its_own_weights_and_no_others(
    random_views: MakeViews, mode: str, sharing: str, head: str
) -> None:
    views = random_views(4, mode=mode)
    encoder = build(views, sharing=sharing, head=head)
    torch.nn.init.normal_(encoder.head.linear.weight, std=0.1)
    out = encoder(*tensors(views))
    direction = torch.randn(out.shape[2], generator=torch.Generator().manual_seed(1))
    (out[:, 1] @ direction).sum().backward()
    gradient = encoder.head.linear.weight.grad
    assert gradient is not None
    assert [bool(gradient[v].abs().sum() > 0) for v in range(3)] == [False, True, False]
    for v, trunk in enumerate(encoder.trunks):
        reached = [
            p.grad is not None and bool(p.grad.abs().sum() > 0) for p in trunk.parameters() if p.ndim > 1
        ]
        assert all(reached) if sharing == "shared" or v == 1 else not any(reached)


def test_an_untrained_palette_is_the_views_own(random_views: MakeViews) -> None:
    views = random_views(3)
    got = encode(build(views, head="palette"), views)
    np.testing.assert_array_equal(got.values, views.palettes.reshape(3, 3, -1) * views.present[..., None])


def test_a_shifted_palette_stays_within_reach_and_in_the_box(random_views: MakeViews) -> None:
    views = random_views(6)
    views.palettes[3:] = np.where(views.palettes[3:] > 0, [99.5, 98, 94], [0.5, -86, -107])
    encoder = build(views, head="palette")
    torch.nn.init.normal_(encoder.head.linear.weight, std=50.0)
    moved = encode(encoder, views).values.reshape(6, 3, -1, 3)[1:]
    shift = np.abs(moved - views.palettes[1:])
    assert shift.max() <= 20 + 1e-4
    assert shift.max() > 15
    for channel, (low, high) in enumerate(((0, 100), (-87, 99), (-108, 95))):
        assert moved[..., channel].min() >= low - 1e-4
        assert moved[..., channel].max() <= high + 1e-4


@pytest.mark.parametrize("head", ["vector", "palette"])
def test_absent_views_are_zeros_and_change_nothing_else(random_views: MakeViews, head: str) -> None:
    views = random_views(3)
    encoder = build(views, head=head)
    got = encode(encoder, views)
    assert not got.values[0, 0].any()
    assert got.values[0, 1].any()
    alone = Views(
        *(getattr(views, f)[1:] if f != "names" else views.names for f in views.__dataclass_fields__)
    )
    np.testing.assert_allclose(encode(encoder, alone).values, got.values[1:], atol=1e-5)


def test_encode_does_not_depend_on_batches_and_leaves_the_mode(random_views: MakeViews) -> None:
    views = random_views(7)
    encoder = build(views).train()
    whole = encode(encoder, views).values
    np.testing.assert_allclose(encode(encoder, views, batch_size=3).values, whole, atol=1e-5)
    assert encoder.training
    assert len(encode(encoder, random_views(0))) == 0


def test_vectors_have_unit_length(random_views: MakeViews) -> None:
    views = random_views(4)
    lengths = np.linalg.norm(encode(build(views), views).values, axis=2)
    np.testing.assert_allclose(lengths, views.present.astype(float), atol=1e-5)


def test_weights_follow_the_generator_alone(random_views: MakeViews) -> None:
    views = random_views(1)
    before = torch.random.get_rng_state()
    one, same, other = build(views), build(views), build(views, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, same.state_dict()[name])
    assert not torch.equal(one.head.linear.weight, other.head.linear.weight)
    assert not torch.equal(one.trunks[0].body[0][0].weight, other.trunks[0].body[0][0].weight)


def test_the_small_trunk_is_small(random_views: MakeViews) -> None:
    trunk = build(random_views(1)).trunks[0]
    assert 50_000 < sum(p.numel() for p in trunk.parameters()) < 150_000


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (
            EncoderPlan(
                (),
            ),
            "branches.views: got none",
        ),
        (EncoderPlan(("a",), sharing="both"), "branches.sharing: got 'both'"),
        (EncoderPlan(("a",), head="vektor"), "branches.head: got 'vektor'.*did you mean 'vector'"),
        (EncoderPlan(("a",), trunk="smal"), "branches.trunk: got 'smal'.*did you mean 'small'"),
        (EncoderPlan(("a",), pretrained=True), "has no pretrained weights"),
    ],
)
def test_a_wrong_plan_is_refused(plan: EncoderPlan, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_encoder(plan, generator=torch.Generator())


def test_views_of_another_encoder_are_refused(random_views: MakeViews) -> None:
    views = random_views(1)
    encoder = build_encoder(EncoderPlan(("scale:1.0",)), generator=torch.Generator())
    with pytest.raises(InputError, match=r"it was built for scale:1\.0"):
        encode(encoder, views)
