"""The plain pipelines beside which labelling is measured."""

import importlib
from pathlib import Path

import cv2
import numpy as np
import pytest

PIPELINES = Path(__file__).parents[2] / "pipelines"


def test_a_plain_pipeline_orders_its_crops_by_lightness_not_by_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(PIPELINES))
    peer, found = importlib.import_module("label_peers").Peer(), []
    for order in ((220, 20, 150, 80), (80, 150, 220, 20)):
        stripes = np.repeat(np.array(order, np.uint8), 24)[:, None, None]
        path = tmp_path / "stripes.png"
        cv2.imwrite(str(path), np.broadcast_to(stripes, (96, 120, 3)).copy())
        found.append(peer(path, every_pixel=True).reshape(5, -1))
    first, second = found
    assert not np.allclose(first[0], second[0], atol=1e-4)
    np.testing.assert_allclose(first[1:], second[1:], atol=1e-4)
    assert not np.allclose(first[1], first[4], atol=1e-4)
