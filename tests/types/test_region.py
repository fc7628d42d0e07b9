import numpy as np
import pytest

from kilnsense.errors import InputError
from kilnsense.types import Region, Segmentation


def test_a_segmentation_has_a_centre_for_each_name() -> None:
    labels, centres = np.zeros((4, 6), np.int8), np.zeros((2, 3), np.float32)
    assert Segmentation(labels, centres, ("a", "b"), 0.0).names == ("a", "b")
    with pytest.raises(InputError, match=r"centres shape: got \(2, 3\), allowed: \(1, 3\)"):
        Segmentation(labels, centres, ("a",), 0.0)
    with pytest.raises(InputError, match=r"labels dtype: got int64, allowed: int8"):
        Segmentation(labels.astype(np.int64), centres, ("a", "b"), 0.0)
    with pytest.raises(InputError, match=r"centres: got NaN"):
        Segmentation(labels, np.full((2, 3), np.nan, np.float32), ("a", "b"), 0.0)


@pytest.mark.parametrize("area", [-0.1, 1.1, float("nan")])
def test_an_area_is_a_share(area: float) -> None:
    with pytest.raises(InputError, match=r"Region\.area: got"):
        Region("flame", True, area)
