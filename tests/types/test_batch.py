import numpy as np
import pytest

from kilnsense.errors import InputError
from kilnsense.types import Embeddings, Features, Scores, Views


def views(pictures: int = 1, masks: tuple[int, ...] = (2, 3, 8, 8), bad: bool = False) -> Views:
    palettes = np.full((2, 3, 5, 3), np.nan if bad else 0.0, np.float32)
    pixels = np.zeros((2, pictures, 8, 8, 3), np.uint8)
    return Views(("a", "b", "c"), pixels, np.zeros(masks, np.float32), palettes, np.ones((2, 3), np.bool_))


def test_views_are_one_picture_per_frame_or_per_view() -> None:
    assert len(views(1)) == len(views(3)) == 2
    with pytest.raises(InputError, match=r"pictures per frame: got 2, allowed: 1 or 3"):
        views(2)
    with pytest.raises(InputError, match=r"Views\.masks shape: got \(2, 3, 8, 9\), allowed: \(2, 3, 8, 8\)"):
        views(masks=(2, 3, 8, 9))
    with pytest.raises(InputError, match=r"Views\.palettes: got NaN"):
        views(bad=True)


def test_embeddings_have_a_row_per_branch() -> None:
    values, present = np.zeros((4, 2, 8), np.float32), np.ones((4, 2), np.bool_)
    assert len(Embeddings(("a", "b"), values, present)) == 4
    with pytest.raises(InputError, match=r"Embeddings\.values shape"):
        Embeddings(("a",), values, present)
    with pytest.raises(InputError, match=r"Embeddings\.present shape: got \(4, 1\), allowed: \(4, 2\)"):
        Embeddings(("a", "b"), values, present[:, :1])


def test_blocks_of_features_are_found_by_name() -> None:
    values = np.arange(10, dtype=np.float32).reshape(2, 5)
    features = Features(values, (("one", 0, 2), ("two", 2, 5)))
    assert features.block("two").tolist() == [[2, 3, 4], [7, 8, 9]]
    assert features.rows(np.array([1])).values.tolist() == [[5, 6, 7, 8, 9]]
    with pytest.raises(InputError, match="no block 'three', there are: one, two"):
        features.block("three")


@pytest.mark.parametrize(
    "blocks", [(("one", 0, 2),), (("one", 0, 2), ("two", 3, 5)), (("one", 0, 3), ("two", 2, 5)), ()]
)
def test_blocks_tile_the_columns(blocks: tuple[tuple[str, int, int], ...]) -> None:
    with pytest.raises(InputError, match=r"Features\.blocks: got .*tile 0\.\.5"):
        Features(np.zeros((2, 5), np.float32), blocks)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0.5, 0.4]], "row sums: got .*allowed: 1"),
        ([[1.5, -0.5]], "negative values"),
        ([[np.nan, 1.0]], "row sums"),
        ([[0.2, 0.3, 0.5]], "probabilities shape"),
    ],
)
def test_scores_are_probabilities(rows: list[list[float]], message: str) -> None:
    assert Scores(("a", "b"), np.array([[0.25, 0.75]]), np.zeros(1)).classes == ("a", "b")
    with pytest.raises(InputError, match=message):
        Scores(("a", "b"), np.array(rows), np.zeros(1))
