"""The vote of the nearest, against a loop and an independent library."""

from collections import Counter

import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from kilnsense.errors import ConfigError, InputError
from kilnsense.metric import neighbours
from kilnsense.metric.distances import DISTANCES
from kilnsense.metric.neighbours import nearest, nearest_others

EUCLID = DISTANCES["euclidean"]()


def clouds(n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 4, (n,), generator=generator) * 10
    return torch.randn(n, 3, generator=generator) + labels[:, None] / 10, labels


def vote(distances: list[float], labels: list[int], k: int) -> int:
    near = [label for _, label in sorted(zip(distances, labels, strict=True))[:k]]
    votes = Counter(near)
    return next(label for label in near if votes[label] == max(votes.values()))


@pytest.mark.parametrize("block", [1, 1 << 23])
@pytest.mark.parametrize("k", [1, 2, 5, 8, 1000])
def test_the_vote_equals_a_loop(k: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_BLOCK", block)
    (asked, _), (known, labels) = clouds(30, 1), clouds(50)
    got = nearest(EUCLID, asked, known, labels, neighbours=k)
    table = EUCLID.matrix(asked, known).tolist()
    assert got.tolist() == [vote(row, labels.tolist(), k) for row in table]
    table = EUCLID.matrix(known, known).tolist()
    others = [[j for j in range(50) if j != i] for i in range(50)]
    expected = [vote([table[i][j] for j in o], labels[o].tolist(), k) for i, o in enumerate(others)]
    assert nearest_others(EUCLID, known, labels, neighbours=k).tolist() == expected


def test_the_nearest_one_equals_an_independent_library() -> None:
    (asked, _), (known, labels) = clouds(200, 1), clouds(300)
    peer = KNeighborsClassifier(1).fit(known.numpy(), labels.numpy())
    got = nearest(EUCLID, asked, known, labels, neighbours=1)
    assert got.tolist() == peer.predict(asked.numpy()).tolist()


def test_a_tie_goes_to_the_nearer_class() -> None:
    known, labels = torch.tensor([[3.0], [1.0], [2.0], [4.0]]), torch.tensor([7, 3, 7, 3])
    assert nearest(EUCLID, torch.tensor([[0.0]]), known, labels, neighbours=4).tolist() == [3]
    assert nearest(EUCLID, torch.tensor([[0.0]]), known, labels, neighbours=3).tolist() == [7]
    assert nearest(EUCLID, torch.tensor([[5.0]]), known, labels, neighbours=2).tolist() == [3]


def test_colours_are_compared_by_their_difference() -> None:
    known = torch.tensor([[[20.0, 0, 0]], [[80.0, 0, 0]]])
    asked = torch.tensor([[[70.0, 5, 5]], [[10.0, 5, 5]]])
    got = nearest(DISTANCES["ciede2000"](), asked, known, torch.tensor([0, 1]), neighbours=1)
    assert got.tolist() == [1, 0]


def test_bad_arguments_are_named() -> None:
    x, labels = clouds(5)
    with pytest.raises(ConfigError, match="neighbours: got 0, allowed: 1 and above"):
        nearest(EUCLID, x, x, labels, neighbours=0)
    with pytest.raises(InputError, match="got 0 known embeddings"):
        nearest(EUCLID, x, x[:0], labels[:0], neighbours=1)
    with pytest.raises(InputError, match=r"got 5 known embeddings and labels of shape \(4,\)"):
        nearest(EUCLID, x, x, labels[:4], neighbours=1)
    with pytest.raises(InputError, match="allowed: 2 or more"):
        nearest_others(EUCLID, x[:1], labels[:1], neighbours=1)
    assert nearest(EUCLID, x[:0], x, labels, neighbours=3).shape == (0,)
