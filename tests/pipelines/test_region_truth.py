"""The measures of the segmentation benchmark mean what they say."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

NAMES = ("coal", "wall", "material", "flame")
SLOT_OF_REGION = np.array([1, 0, 2, 3, -1], np.int8)  # wall, coal, material, flame; nothing


@pytest.fixture
def region_truth(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, imported as a script beside it would."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "pipelines")
    monkeypatch.delitem(sys.modules, "region_truth", raising=False)
    return importlib.import_module("region_truth")


def truth() -> NDArray[np.int8]:
    """Four regions of 200 pixels and a rim that is none."""
    regions = np.full((20, 42), -1, np.int8)
    for region in range(4):
        regions[:, 10 * region : 10 * region + 10] = region
    return regions


def perfect() -> NDArray[np.int8]:
    return SLOT_OF_REGION[truth()]


def test_right_names_score_one(region_truth: ModuleType) -> None:
    found = region_truth.judge([perfect()] * 5, [truth()] * 5, NAMES)
    assert len(found) == 1 + 4 * 4
    assert all(np.mean(values) == 1.0 for values in found.values())


def test_names_that_change_places_are_found(region_truth: ModuleType) -> None:
    """Material and flame are swapped in one frame of five; wall and coal are not touched."""
    swapped = np.array([0, 1, 3, 2, -1], np.int8)[perfect()]
    found = region_truth.judge([*[perfect()] * 4, swapped], [truth()] * 5, NAMES)
    means = {key: np.mean(values) for key, values in found.items()}
    for name in ("material", "flame"):
        assert means[f"identity_{name}"] == means[f"same_name_{name}"] == means[f"iou_{name}"] == 0.8
    assert means["identity_wall"] == means["iou_coal"] == 1.0
    assert means["kept"] == pytest.approx((3 * 4 + 2) / 16)


def test_a_split_region_is_not_a_renamed_one(region_truth: ModuleType) -> None:
    """The wall is shared between two labels, mostly by the one, in one frame by the other."""
    more, less = perfect(), perfect()
    more[:4, :10] = 2
    less[:15, :10] = 2
    found = region_truth.judge([more, more, more, less], [truth()] * 4, NAMES)
    assert np.mean(found["identity_wall"]) == 1.0
    assert np.mean(found["same_name_wall"]) == 0.75
    assert np.mean(found["iou_wall"]) == pytest.approx((3 * 0.8 + 0.25) / 4)


def test_a_wrong_name_that_fits_shows_in_the_best_overlap_only(region_truth: ModuleType) -> None:
    swapped = np.array([0, 1, 3, 2, -1], np.int8)[perfect()]
    found = region_truth.judge([swapped] * 3, [truth()] * 3, NAMES)
    assert np.mean(found["iou_flame"]) == 0.0
    assert np.mean(found["iou_best_flame"]) == np.mean(found["identity_flame"]) == 1.0


def test_regions_too_small_to_see_do_not_count(region_truth: ModuleType) -> None:
    small = truth()
    small[:, 10:20] = 0
    small[0, 10] = 1
    found = region_truth.judge([perfect()] * 2, [small] * 2, NAMES)
    assert "identity_coal" not in found
    assert len(found["identity_wall"]) == 2
