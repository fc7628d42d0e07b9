"""Regions keep their names, and degenerate frames do no harm."""

import numpy as np
import pytest
from numpy.typing import NDArray

from kilnsense.config import SegmentConfig
from kilnsense.errors import BundleError, ConfigError, InputError
from kilnsense.image.colour import linear_to_srgb, srgb_to_lab, srgb_to_linear
from kilnsense.segment.codebook import Codebook, codebook_arrays, codebook_from_arrays, learn_codebook
from kilnsense.segment.regions import regions, segment
from kilnsense.types import Frame, Segmentation

CONFIG = SegmentConfig(names=("coal", "wall", "material", "flame"))
COLOURS = np.array([[25, 18, 15], [110, 60, 25], [190, 115, 50], [252, 235, 160]], np.float64)
BLOCKS = {
    0: (slice(0, 30), slice(0, 30)),
    2: (slice(50, 90), slice(0, 60)),
    3: (slice(10, 40), slice(70, 110)),
}


def truth(without: int | None = None) -> NDArray[np.int8]:
    """A wall with a plume, a bed and a flame, (90, 120)."""
    labels = np.ones((90, 120), np.int8)
    for slot, place in BLOCKS.items():
        if slot != without:
            labels[place] = slot
    return labels


def scene(seed: int = 0, *, stops: float = 0.0, without: int | None = None, cast: float = 0.0) -> Frame:
    """The scene under an exposure and with a colour cast (share of red moved to blue)."""
    rng = np.random.default_rng(seed)
    painted = COLOURS[truth(without)] + rng.normal(0, 3, (90, 120, 3))
    light = srgb_to_linear(np.clip(painted, 0, 255) / 255) * 2.0**stops
    light = light * np.array([1 - cast, 1, 1 + cast], np.float32)
    return Frame(np.rint(255 * linear_to_srgb(light)).astype(np.uint8))


def book(config: SegmentConfig = CONFIG) -> Codebook:
    return learn_codebook([scene(seed) for seed in range(4)], config, rng=np.random.default_rng(0))


def wrong(segmentation: Segmentation, expected: NDArray[np.int8]) -> float:
    return float((segmentation.labels != expected).mean())


def test_the_codebook_is_the_colours_darkest_first() -> None:
    codebook = book()
    np.testing.assert_allclose(codebook.centres, srgb_to_lab(COLOURS / 255), atol=1.0)
    assert (np.diff(codebook.centres[:, 0]) > 0).all()


@pytest.mark.parametrize("stops", [-2.0, -1.0, -0.5, 0.0, 0.5, 0.8])
@pytest.mark.parametrize("cast", [0.0, 0.25])
def test_names_survive_exposure_and_cast(stops: float, cast: float) -> None:
    frame = scene(9, stops=stops, cast=cast)
    assert wrong(segment(frame, book(), CONFIG), truth()) < 0.01


@pytest.mark.parametrize("missing", [0, 2, 3])
@pytest.mark.parametrize("stops", [-0.5, 0.0, 0.5])
def test_a_region_that_is_not_there_is_absent(missing: int, stops: float) -> None:
    """The flame may be out; the wall must not be split to make up for it."""
    frame = scene(5, stops=stops, without=missing)
    segmentation = segment(frame, book(), CONFIG)
    found = regions(frame, segmentation, min_area=CONFIG.min_area)
    assert [region.present for region in found] == [slot != missing for slot in range(4)]
    assert found[missing].area == 0
    assert wrong(segmentation, truth(missing)) < 0.01


@pytest.mark.parametrize("options", [{}, {"space": "weighted_rgb"}, {"position_weight": 10.0}])
def test_options_find_the_same_scene(options: dict[str, object]) -> None:
    config = SegmentConfig(names=CONFIG.names, **options)
    assert wrong(segment(scene(7, stops=0.3), book(config), config), truth()) < 0.01


def test_position_parts_what_colour_cannot() -> None:
    """Two blocks of one colour, one above the other."""
    pixels = np.full((80, 60, 3), 120, np.uint8)
    config = SegmentConfig(names=("upper", "lower"), position_weight=60.0)
    codebook = learn_codebook([Frame(pixels)], config, rng=np.random.default_rng(0))
    labels = segment(Frame(pixels), codebook, config).labels
    assert labels[5, 5] != labels[75, 5]
    assert codebook.heights.max() - codebook.heights.min() > 0.3


def test_same_input_same_answer() -> None:
    frame, codebook = scene(3, stops=-0.4), book()
    one, two = segment(frame, codebook, CONFIG), segment(frame, book(), CONFIG)
    np.testing.assert_array_equal(one.labels, two.labels)
    np.testing.assert_array_equal(one.centres, two.centres)
    np.testing.assert_array_equal(codebook.centres, book().centres)


def test_inertia_and_centres_are_those_of_the_pixels() -> None:
    frame = scene(4)
    segmentation = segment(frame, book(), CONFIG)
    lab = srgb_to_lab(frame.pixels)
    gaps = lab - segmentation.centres[segmentation.labels]
    assert segmentation.inertia == pytest.approx(float((gaps**2).sum(axis=2).mean()), rel=0.01)
    assert segmentation.inertia > 1


def test_a_warm_start_finds_the_same_scene() -> None:
    codebook = book()
    before = segment(scene(1), codebook, CONFIG)
    assert wrong(segment(scene(2, stops=0.4), codebook, CONFIG, previous=before), truth()) < 0.01


@pytest.mark.parametrize("options", [{}, {"position_weight": 10.0}])
def test_what_flickers_about_a_border_keeps_its_name_on_video(options: dict[str, object]) -> None:
    """Mottled middle tones change sides from frame to frame when each frame stands alone."""
    config = SegmentConfig(names=CONFIG.names, **options)

    def mottled(seed: int) -> Frame:
        middle = COLOURS[1:3].mean(axis=0) + np.random.default_rng(seed).normal(0, 14, (20, 40, 1))
        pixels = scene(seed).pixels.copy()
        pixels[5:25, 75:115] = np.clip(middle, 0, 255)
        return Frame(pixels)

    codebook, first, second = book(config), mottled(1), mottled(2)
    before = segment(first, codebook, config)
    alone, held = segment(second, codebook, config), segment(second, codebook, config, previous=before)
    block = (slice(5, 25), slice(75, 115))
    assert (alone.labels[block] != before.labels[block]).mean() > 0.3
    assert (held.labels[block] != before.labels[block]).mean() < 0.1


def test_a_region_that_moves_is_followed_on_video() -> None:
    codebook = book()
    before = segment(scene(1, without=3), codebook, CONFIG)
    assert wrong(segment(scene(2), codebook, CONFIG, previous=before), truth()) < 0.01


def test_the_frame_before_must_be_of_the_same_camera() -> None:
    before = segment(scene(1), book(), CONFIG)
    small = Frame(np.ascontiguousarray(scene(2).pixels[:60]))
    with pytest.raises(InputError, match="pass the frame before of the same camera"):
        segment(small, book(), CONFIG, previous=before)


def test_masked_pixels_are_labelled_minus_one_and_do_not_count() -> None:
    frame, mask = scene(2), np.ones((90, 120), bool)
    mask[BLOCKS[3]] = False
    segmentation = segment(frame, book(), CONFIG, mask=mask)
    assert (segmentation.labels[~mask] == -1).all()
    assert (segmentation.labels[mask] >= 0).all()
    assert not regions(frame, segmentation, min_area=0.002)[3].present


def test_numbers_of_a_region() -> None:
    frame = scene(2)
    material = regions(frame, segment(frame, book(), CONFIG), min_area=0.002)[2]
    assert material.area == pytest.approx(40 * 60 / (90 * 120), rel=0.01)
    assert material.box == pytest.approx((0, 50 / 90, 0.5, 1.0), abs=0.02)
    assert material.centroid == pytest.approx((0.25, 70 / 90), abs=0.01)
    inside = srgb_to_lab(frame.pixels)[BLOCKS[2]].reshape(-1, 3)
    assert material.mean_lab == pytest.approx(tuple(inside.mean(axis=0)), abs=0.05)
    assert material.spread_lab == pytest.approx(tuple(inside.std(axis=0)), abs=0.2)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((20, 30, 3), np.uint8),
        np.full((20, 30, 3), 255, np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        np.repeat(np.array([[[10, 0, 0], [250, 250, 200]]], np.uint8), 4, axis=0),
    ],
)
def test_degenerate_frames(pixels: NDArray[np.uint8]) -> None:
    """Black, white, one pixel, fewer colours than regions: also as the only frame to learn from."""
    frame = Frame(pixels)
    for codebook in (book(), learn_codebook([frame], CONFIG, rng=np.random.default_rng(0))):
        segmentation = segment(frame, codebook, CONFIG)
        found = regions(frame, segmentation, min_area=0.002)
        assert sum(region.area for region in found) == pytest.approx(1.0)
        assert sum(region.present for region in found) <= len(np.unique(pixels.reshape(-1, 3), axis=0))


def test_a_codebook_goes_through_arrays_and_back() -> None:
    codebook = book()
    again = codebook_from_arrays(codebook_arrays(codebook), CONFIG.names)
    np.testing.assert_array_equal(again.centres, codebook.centres)
    assert again.names == codebook.names


def test_unfit_arrays_are_a_broken_bundle() -> None:
    arrays = codebook_arrays(book())
    with pytest.raises(BundleError, match=r"codebook\.centres"):
        codebook_from_arrays({"codebook.heights": arrays["codebook.heights"]}, CONFIG.names)
    with pytest.raises(BundleError, match=r"allowed: \(2, 3\)"):
        codebook_from_arrays(arrays, ("a", "b"))


def test_what_cannot_be_segmented() -> None:
    frame, codebook = scene(), book()
    with pytest.raises(InputError, match="no pixel to judge"):
        segment(frame, codebook, CONFIG, mask=np.zeros((90, 120), bool))
    with pytest.raises(InputError, match=r"mask shape: got \(4, 4\)"):
        segment(frame, codebook, CONFIG, mask=np.ones((4, 4), bool))
    with pytest.raises(InputError, match="got no frames"):
        learn_codebook([], CONFIG, rng=np.random.default_rng(0))
    with pytest.raises(ConfigError, match=r"segment\.space"):
        segment(frame, codebook, CONFIG.model_copy(update={"space": "hsv"}))
