"""The judged part of a picture."""

import pytest

from kilnsense.errors import ConfigError
from kilnsense.image.roi import roi_mask

LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))


def test_no_polygon_is_the_whole_picture() -> None:
    assert roi_mask(4, 6).all()


def test_a_polygon_in_shares_covers_its_part() -> None:
    mask = roi_mask(40, 60, roi=LEFT)
    assert abs(mask.mean() - 0.5) < 0.03
    assert mask[:, :29].all()
    assert not mask[:, 32:].any()


def test_excluded_polygons_are_cut_out() -> None:
    mask = roi_mask(40, 60, exclude=(LEFT,))
    assert not mask[:, :28].any()
    assert mask[:, 32:].all()


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(ConfigError, match="leave no pixel"):
        roi_mask(40, 60, roi=LEFT, exclude=(LEFT,))


def test_two_corners_are_no_polygon() -> None:
    with pytest.raises(ConfigError, match="got 2 corners"):
        roi_mask(40, 60, roi=((0.0, 0.0), (1.0, 1.0)))
