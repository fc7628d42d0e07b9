"""The torch-free colour differences: the published pairs, and the same numbers as the torch ones."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from kilnsense.errors import ConfigError, InputError
from kilnsense.metric import colour
from kilnsense.metric.colour_numpy import COLOUR_DIFFERENCES, ciede2000, lab_to_srgb, palette_matrix
from kilnsense.metric.distances import DISTANCES

PAIRS = Path(__file__).parent / "data" / "ciede2000_sharma_2005.csv"
GREYS_AND_EDGES = np.array(
    [[0, 0, 0], [50, 0, 0], [100, 0, 0], [50, 40, 0], [50, -40, 0], [60, 0, -40], [60, 0, 40], [50, 2.5, -80]]
)


def labs(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.vstack([GREYS_AND_EDGES, rng.uniform([0, -90, -90], [100, 90, 90], (n, 3))])


def test_ciede2000_gives_the_34_published_values_both_ways() -> None:
    with PAIRS.open() as file:
        rows = np.array([[float(v) for v in row] for row in list(csv.reader(file))[1:]])
    for one, two in ((rows[:, :3], rows[:, 3:6]), (rows[:, 3:6], rows[:, :3])):
        np.testing.assert_allclose(ciede2000(one, two), rows[:, 6], atol=1e-4)


@pytest.mark.parametrize("name", COLOUR_DIFFERENCES)
def test_same_numbers_as_torch(name: str) -> None:
    x, y = labs(300, 0)[:, None], labs(100, 1)
    ours = COLOUR_DIFFERENCES[name](x, y)
    theirs = getattr(colour, name)(torch.from_numpy(x), torch.from_numpy(y)).numpy()
    assert ours.max() > 10
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_the_same_names_as_the_palette_distances() -> None:
    assert set(COLOUR_DIFFERENCES) == {n for n, build in DISTANCES.items() if build().takes == "palette"}


def test_lab_to_srgb_is_the_same_as_in_torch() -> None:
    x = labs(300, 0)
    np.testing.assert_allclose(lab_to_srgb(x), colour.lab_to_srgb(torch.from_numpy(x)).numpy(), atol=1e-12)


@pytest.mark.parametrize("name", COLOUR_DIFFERENCES)
@pytest.mark.parametrize("flat", [True, False])
def test_palette_matrix_equals_the_distance(name: str, flat: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform([10, -30, -30], [90, 30, 30], (300, 5, 3))
    y = rng.uniform([10, -30, -30], [90, 30, 30], (70, 5, 3))
    expected = DISTANCES[name]().matrix(torch.from_numpy(x), torch.from_numpy(y)).numpy()
    ours = palette_matrix(name, x.reshape(300, 15) if flat else x, y.reshape(70, 15) if flat else y)
    np.testing.assert_allclose(ours, expected, atol=1e-8)


def test_empty_sets_give_an_empty_matrix() -> None:
    assert palette_matrix("cie76", np.zeros((0, 2, 3)), np.zeros((4, 2, 3))).shape == (0, 4)
    assert palette_matrix("cie76", np.zeros((4, 6)), np.zeros((0, 6))).shape == (4, 0)


@pytest.mark.parametrize(
    ("x", "message"),
    [(np.zeros((4, 7)), "Lab values"), (np.zeros((4, 2, 4)), "Lab values"), (np.zeros((4, 9)), "in size")],
)
def test_what_is_no_palette_is_refused(x: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        palette_matrix("cie76", x, np.zeros((4, 6)))


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"got 'cie2000'.*ciede2000"):
        palette_matrix("cie2000", np.zeros((4, 6)), np.zeros((4, 6)))


def test_a_colour_needs_three_numbers() -> None:
    with pytest.raises(InputError, match="last axis of 3"):
        ciede2000(np.zeros((4, 2)), np.zeros(3))


def test_needs_no_torch() -> None:
    modules = "kilnsense.metric.colour_numpy, kilnsense.metric.samplers"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
