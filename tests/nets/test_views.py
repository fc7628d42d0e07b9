"""What the branches see, on frames whose regions are known."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from kilnsense.errors import InputError
from kilnsense.nets.views import NEUTRAL, Palette, ViewPlan, make_views, pooled_shape
from kilnsense.types import Frame, Segmentation, Views

REGIONS = ("dark", "bright", "gone")
COLOURS = {0: (40, 20, 10), 1: (250, 200, 90)}


def scene(height: int = 60, width: int = 90, *, roi_top: int = 0) -> tuple[Frame, Segmentation]:
    """A bright box, rows 20..40 and columns 30..60 of a 60 x 90 frame, on dark; nothing judged above
    roi_top."""
    labels = np.zeros((height, width), np.int8)
    labels[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = 1
    pixels = np.array([COLOURS[0], COLOURS[1]], np.uint8)[labels]
    labels[:roi_top] = -1
    pixels[:roi_top] = 255
    return Frame(pixels), Segmentation(labels, np.zeros((3, 3), np.float32), REGIONS, 0.0)


def mean_palette(pixels: NDArray[np.uint8], colours: int) -> NDArray[np.float32]:
    """The mean RGB, as often as asked for: enough to see which pixels came."""
    assert pixels.dtype == np.uint8
    return np.tile(pixels.mean(axis=0), (colours, 1)).astype(np.float32)


def look(
    *pairs: tuple[Frame, Segmentation],
    names: tuple[str, ...],
    mode: str = "pooled",
    palette: Palette = mean_palette,
    **changes: object,
) -> Views:
    options = {"size": 32, "colours": 2, "min_area": 0.01} | changes
    frames, segmentations = zip(*pairs, strict=True)
    plan = ViewPlan(names=names, mode=mode, **options)  # type: ignore[arg-type]
    return make_views(frames, segmentations, plan, palette=palette)


def test_pooled_shape_depends_on_the_size_alone() -> None:
    assert [pooled_shape(size) for size in (32, 96, 100)] == [(32, 48), (96, 144), (100, 160)]


def test_pooled_masks_are_the_share_of_each_pixel() -> None:
    views = look(scene(64, 96), names=("region:bright", "region:dark", "region:gone"))
    assert views.pixels.shape == (1, 1, 32, 48, 3)
    labels = scene(64, 96)[1].labels
    for v, slot in enumerate((1, 0)):
        want = (labels == slot).reshape(32, 2, 48, 2).mean(axis=(1, 3))
        np.testing.assert_allclose(views.masks[0, v], want, atol=1e-6)
    np.testing.assert_array_equal(views.present, [[True, True, False]])


def test_a_picture_that_grows_keeps_its_regions_in_place() -> None:
    views = look(scene(24, 36), names=("region:bright",), size=96)
    y, x = np.mgrid[:96, :144]
    mask = views.masks[0, 0]
    assert (mask * y).sum() / mask.sum() == pytest.approx(47.5, abs=1)
    assert (mask * x).sum() / mask.sum() == pytest.approx(71.5, abs=1)
    assert mask.mean() == pytest.approx(1 / 9, abs=0.02)


@pytest.mark.parametrize("mode", ["pooled", "crop"])
def test_frames_of_any_aspect_share_a_batch(mode: str) -> None:
    views = look(
        scene(60, 90), scene(90, 60), scene(33, 200), names=("scale:1.0", "region:bright"), mode=mode
    )
    assert len(views) == 3
    assert views.present.all()


@pytest.mark.parametrize(("fraction", "share"), [("0.25", 1 / 16), ("0.5", 1 / 4), ("1.0", 1.0)])
def test_a_scale_is_a_window_in_the_centre_of_the_region_of_interest(fraction: str, share: float) -> None:
    views = look(scene(64, 96), names=(f"scale:{fraction}",))
    assert views.masks[0, 0].mean() == pytest.approx(share, rel=1e-3)
    np.testing.assert_allclose(views.masks[0, 0], views.masks[0, 0][::-1, ::-1])


def test_pixels_that_are_not_judged_are_never_seen() -> None:
    frame, segmentation = scene(64, 96, roi_top=16)
    segmentation.labels[40:50, 10:20] = -1  # a burnt-in clock inside the region of interest
    frame.pixels[40:50, 10:20] = 255
    for mode in ("pooled", "crop"):
        views = look((frame, segmentation), names=("scale:1.0",), mode=mode)
        shown = set(map(tuple, views.pixels.reshape(-1, 3).tolist()))
        assert (255, 255, 255) not in shown
        assert (NEUTRAL, NEUTRAL, NEUTRAL) in shown
        assert views.palettes.max() < 251


def test_crop_shows_the_region_and_nothing_else() -> None:
    views = look(scene(), names=("region:bright", "region:dark"), mode="crop")
    assert views.pixels.shape == (1, 2, 32, 32, 3)
    bright = views.pixels[0, 0][views.masks[0, 0] > 0.99]
    np.testing.assert_array_equal(bright, np.broadcast_to(COLOURS[1], bright.shape))
    outside = views.pixels[0, 0][views.masks[0, 0] == 0]
    np.testing.assert_array_equal(outside, np.full(outside.shape, NEUTRAL))
    rows, columns = np.nonzero(views.masks[0, 0] > 0)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (21, 32)  # 20 x 30 pixels, aspect kept
    assert rows.min() == 5  # in the middle of the square
    middle = views.pixels[0, 1][14:18, 14:18]  # the hole where the bright box is
    np.testing.assert_array_equal(middle, np.full_like(middle, NEUTRAL))


@pytest.mark.parametrize("mode", ["pooled", "crop"])
def test_an_absent_region_is_neutral_and_empty(mode: str) -> None:
    names = ("region:gone", "region:bright")
    views = look(scene(), names=names, mode=mode)
    np.testing.assert_array_equal(views.present, [[False, True]])
    assert not views.masks[0, 0].any()
    assert not views.palettes[0, 0].any()
    if mode == "crop":
        assert (views.pixels[0, 0] == NEUTRAL).all()
    small = look(scene(), names=names, mode=mode, min_area=0.2)  # the box has a share of 1 / 9
    assert not small.present.any()


def test_a_frame_that_is_not_judged_at_all_is_absent() -> None:
    views = look(scene(roi_top=60), scene(), names=("scale:1.0", "region:dark"))
    np.testing.assert_array_equal(views.present, [[False, False], [True, True]])
    assert (views.pixels[0] == NEUTRAL).all()


@pytest.mark.parametrize("mode", ["pooled", "crop"])
def test_palettes_are_made_of_the_views_own_pixels(mode: str) -> None:
    views = look(scene(300, 450), names=("region:bright", "region:dark"), mode=mode)
    np.testing.assert_allclose(views.palettes[0], [[COLOURS[1]] * 2, [COLOURS[0]] * 2])


def test_no_colours_means_no_call() -> None:
    def never(pixels: NDArray[np.uint8], colours: int) -> NDArray[np.float32]:
        raise AssertionError

    assert look(scene(), names=("scale:1.0",), colours=0, palette=never).palettes.shape == (1, 1, 0, 3)


def test_inputs_are_not_written_to() -> None:
    frame, segmentation = scene(roi_top=10)
    before = frame.pixels.copy(), segmentation.labels.copy()
    for mode in ("pooled", "crop"):
        look((frame, segmentation), names=("region:dark", "scale:0.5"), mode=mode)
    np.testing.assert_array_equal(frame.pixels, before[0])
    np.testing.assert_array_equal(segmentation.labels, before[1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ("region:flam",)}, "got 'region:flam', allowed: region:dark"),
        ({"names": ("scale:2",)}, "got 'scale:2', allowed: a fraction"),
        ({"names": ("scale:half",)}, "got 'scale:half', allowed: a fraction"),
        ({"names": ("scale:1.0",), "mode": "cropped"}, "mode: got 'cropped', allowed: crop, pooled"),
    ],
)
def test_wrong_views_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        look(scene(), **changes)  # type: ignore[arg-type]


def test_a_label_map_of_another_frame_is_refused() -> None:
    with pytest.raises(InputError, match=r"label map of shape \(60, 90\)"):
        look((scene(30, 30)[0], scene()[1]), names=("scale:1.0",))


def test_views_need_no_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import kilnsense.nets.views"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
