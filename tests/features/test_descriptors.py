"""Descriptors: every column means what its name says, and nothing odd makes them NaN."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kilnsense.errors import InputError
from kilnsense.features.descriptors import (
    RECIPE,
    describe,
    descriptor_blocks,
    descriptor_names,
    select_blocks,
    split_blocks,
    thumbnail,
)
from kilnsense.image.colour import linear_to_srgb, srgb_to_lab, srgb_to_linear
from kilnsense.types import Frame, Region, Segmentation

NAMES = ("wall", "material", "flame")


def scene(*, gain: float = 1.0, height: int = 90, width: int = 180) -> NDArray[np.uint8]:
    """A dark wall, a red bed in the lower third, a bright yellow flame of 60 x 20 pixels upper left."""
    light = np.full((height, width, 3), (0.02, 0.02, 0.03))
    light[2 * height // 3 :] = (0.16, 0.05, 0.02)
    light[height // 6 : height // 6 + 20, 20:80] = (0.40, 0.30, 0.10)
    ripple = 1.0 + 0.05 * np.sin(np.arange(width) * 0.7)[None, :, None]
    return np.round(255 * linear_to_srgb(light * ripple * gain)).astype(np.uint8)


def labels_of(height: int = 90, width: int = 180) -> NDArray[np.int8]:
    labels = np.zeros((height, width), dtype=np.int8)
    labels[2 * height // 3 :] = 1
    labels[height // 6 : height // 6 + 20, 20:80] = 2
    return labels


def described(
    pixels: NDArray[np.uint8], labels: NDArray[np.int8], *, absent: tuple[str, ...] = (), mask=None
) -> dict[str, float]:
    lab = srgb_to_lab(pixels)
    centres = np.array(
        [lab[labels == i].mean(axis=0) if (labels == i).any() else (50, 0, 0) for i in range(3)], np.float32
    )
    share = [float((labels == i).mean()) for i in range(3)]
    regions = [
        Region(name, present=name not in absent and share[i] > 0, area=share[i])
        for i, name in enumerate(NAMES)
    ]
    segmentation = Segmentation(labels, centres, NAMES, 0.0)
    values = describe(Frame(pixels, source="scene.png"), segmentation, regions, mask=mask)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    return dict(zip(descriptor_names(NAMES), values.tolist(), strict=True))


def test_names_are_unique_and_the_blocks_tile_them():
    names, blocks = descriptor_names(NAMES), descriptor_blocks(NAMES)
    assert len(set(names)) == len(names) == blocks[-1][2]
    assert [start for _, start, _ in blocks] == [0, *(stop for _, _, stop in blocks[:-1])]
    for block, start, stop in blocks:
        assert all(name.startswith(f"{block}.") for name in names[start:stop])


def test_regions_are_where_and_what_they_are():
    pixels, labels = scene(), labels_of()
    found = described(pixels, labels)
    lab = srgb_to_lab(pixels)
    assert found["region.flame.present"] == 1.0
    assert found["region.flame.root_area"] == pytest.approx(np.sqrt(60 * 20 / (90 * 180)), abs=1e-6)
    assert found["region.flame.L"] == pytest.approx(lab[labels == 2][:, 0].mean(), abs=1e-3)
    assert found["region.material.a.spread"] == pytest.approx(lab[labels == 1][:, 1].std(), abs=1e-3)
    assert found["region.flame.x"] == pytest.approx(50 / 180, abs=1e-6)
    assert found["region.flame.y"] == pytest.approx(25 / 90, abs=1e-6)
    assert found["region.material.x"] == pytest.approx(0.5, abs=1e-6)
    assert found["region.material.y"] == pytest.approx(75 / 90, abs=1e-6)
    assert found["extent.flame.right"] - found["extent.flame.left"] == pytest.approx(58 / 180, abs=0.01)
    assert found["extent.material.top"] == pytest.approx(60.5 / 90, abs=0.01)


def test_relations_compare_neighbouring_regions():
    found = described(scene(), labels_of())
    difference = found["region.flame.L"] - found["region.material.L"]
    assert found["relation.flame-material.L"] == pytest.approx(difference, abs=1e-3)
    assert found["relation.flame.ln_red_green"] == pytest.approx(np.log(0.402 / 0.302), abs=0.02)
    assert found["relation.material.ln_red_blue"] == pytest.approx(np.log(0.162 / 0.022), abs=0.05)


def test_ratios_and_shape_hardly_move_with_exposure_but_lightness_does():
    plain, brighter = described(scene(), labels_of()), described(scene(gain=1.5), labels_of())
    for name in plain:
        if name.startswith(("ratio.ln_red_green.p", "shape.")):
            assert brighter[name] == pytest.approx(plain[name], abs=0.06), name
    assert brighter["region.flame.L"] > plain["region.flame.L"] + 5
    assert brighter["tone.L.p95"] > plain["tone.L.p95"] + 5


def test_shape_finds_the_box_of_the_flame():
    found = described(scene(), labels_of())
    assert found["shape.0.65.width"] == pytest.approx(60 / 180)
    assert found["shape.0.65.height"] == pytest.approx(20 / 90)
    assert found["shape.0.65.x"] == pytest.approx(50 / 180, abs=1e-6)
    assert found["shape.0.65.elongation"] == pytest.approx(np.log(1 / 3), abs=0.02)
    assert found["shape.0.65.solidity"] == pytest.approx(1.0, abs=0.1)
    assert found["shape.0.65.angle"] == pytest.approx(0.0, abs=0.02)


def test_haze_lifts_haze_and_lowers_contrast():
    light = srgb_to_linear(scene())
    hazed = np.round(255 * linear_to_srgb(0.5 * light + 0.5 * 0.3)).astype(np.uint8)
    clear, veiled = described(scene(), labels_of()), described(hazed, labels_of())
    assert clear["tone.haze"] < 0.15
    assert veiled["tone.haze"] > 0.4


def test_texture_tells_noise_from_smooth():
    rng = np.random.default_rng(0)
    noisy = np.clip(scene() + rng.normal(0, 12, (90, 180, 3)), 0, 255).astype(np.uint8)
    smooth, rough = described(scene(), labels_of()), described(noisy, labels_of())
    assert rough["texture.L.sigma1.mean"] > 3 * smooth["texture.L.sigma1.mean"]
    assert rough["texture.L.sigma8.mean"] < 2 * smooth["texture.L.sigma8.mean"]


def test_an_absent_region_keeps_its_columns_with_neutral_values():
    labels = labels_of()
    labels[labels == 2] = 0
    found = described(scene(), labels)
    assert found["region.flame.present"] == 0.0
    assert (found["region.flame.L"], found["region.flame.x"], found["region.flame.root_area"]) == (50, 0.5, 0)
    assert found["relation.flame.ln_red_green"] == 0.0
    assert described(scene(), labels_of(), absent=("flame",))["region.flame.present"] == 0.0


def test_pixels_outside_the_mask_do_not_count():
    mask = np.ones((90, 180), dtype=bool)
    mask[:12, 150:] = False
    stained = scene()
    stained[:12, 150:] = 255
    plain, found = described(scene(), labels_of(), mask=mask), described(stained, labels_of(), mask=mask)
    for name, value in plain.items():
        assert found[name] == pytest.approx(value, abs=1e-4), name
    assert described(stained, labels_of())["tone.L.p99"] > plain["tone.L.p99"]


def test_large_pictures_are_described_like_small_ones():
    large = np.repeat(np.repeat(scene(), 4, axis=0), 4, axis=1)
    large_labels = np.repeat(np.repeat(labels_of(), 4, axis=0), 4, axis=1)
    small, big = described(scene(), labels_of()), described(large, large_labels)
    assert max(abs(small[name] - big[name]) for name in small) < 1e-3


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 90, 255]))
def test_odd_pictures_give_finite_numbers(height, width, seed, level):
    rng = np.random.default_rng(seed)
    flat = np.full((height, width, 3), level, dtype=np.uint8)
    noise = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    labels = rng.integers(-1, 3, (height, width)).astype(np.int8)
    labels[0, 0] = 0
    for pixels in (flat, noise):
        described(pixels, labels)
        described(pixels, np.where(labels >= 0, np.int8(2), np.int8(-1)))


def test_thumbnail_is_the_picture_in_small_without_what_is_not_judged():
    pixels = np.zeros((64, 128, 3), dtype=np.uint8)
    pixels[:32, :64] = (255, 102, 0)
    mask = np.ones((64, 128), dtype=bool)
    small = thumbnail(Frame(pixels), mask, side=4).reshape(4, 4, 3)
    np.testing.assert_allclose(small[0, 0], [1.0, 0.4, 0.0])
    assert (small[2:] == 0).all()
    mask[:32, :64] = False
    assert (thumbnail(Frame(pixels), mask, side=4) == 0).all()


def test_blocks_can_be_chosen_by_name():
    count = descriptor_blocks(NAMES)[-1][2]
    rows = np.arange(2 * count, dtype=np.float32).reshape(2, count)
    chosen, blocks = select_blocks(rows, NAMES, ("shape", "region"))
    assert blocks == (("shape", 0, 44), ("region", 44, 80))
    np.testing.assert_array_equal(chosen[:, 44:], rows[:, :36])
    assert select_blocks(rows, NAMES)[1][-1][0] == RECIPE[-1]
    assert split_blocks(rows, NAMES, ("tone",))["tone"].shape == (2, 15)
    with pytest.raises(InputError, match="got block 'shapes', allowed: region"):
        select_blocks(rows, NAMES, ("shapes",))
    with pytest.raises(InputError, match=r"got shape \(2, 3\)"):
        split_blocks(rows[:, :3], NAMES)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"got mask \(90, 100\), allowed: \(90, 180\) as the picture"):
        described(scene(), labels_of(), mask=np.ones((90, 100), dtype=bool))
    with pytest.raises(InputError, match="leaves no pixel to judge"):
        described(scene(), labels_of(), mask=np.zeros((90, 180), dtype=bool))
    segmentation = Segmentation(labels_of(), np.zeros((3, 3), np.float32), NAMES, 0.0)
    regions = [Region(name, present=True, area=0.1) for name in reversed(NAMES)]
    with pytest.raises(InputError, match="in this order"):
        describe(Frame(scene()), segmentation, regions)
