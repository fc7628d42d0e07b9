"""The loop over anchors as a miner: it finds triplets of the right kind, in both forms the same ones."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch

from kilnsense.metric.distances import squared_euclidean
from kilnsense.metric.ranking import relate

PIPELINES = Path(__file__).parents[2] / "pipelines"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(PIPELINES))
    return importlib.import_module("bench_training")


def test_the_loop_mines_random_hard_triplets_each_pair_once(bench: ModuleType) -> None:
    labels = torch.tensor([2, 0, 1, 0, 2, 1, 0, 2])
    x = torch.rand(8, 2, generator=torch.Generator().manual_seed(1))
    distances = squared_euclidean().matrix(x, x)
    found = [
        bench.loop_over_anchors(
            distances, relate(labels), margin=1.0, generator=torch.Generator().manual_seed(3), in_numpy=form
        )
        for form in bench.LOOPS.values()
    ]
    for mined in found:
        assert mined.chosen == len(mined.anchor) > 0
        assert (labels[mined.anchor] == labels[mined.positive]).all()
        assert (labels[mined.anchor] != labels[mined.negative]).all()
        gap = distances[mined.anchor, mined.positive] - distances[mined.anchor, mined.negative]
        assert (gap + mined.margin > 0).all()
        pairs = {frozenset(pair) for pair in zip(mined.anchor.tolist(), mined.positive.tolist(), strict=True)}
        assert len(pairs) == mined.chosen
        assert int((gap >= 0).sum()) == mined.counts.hard
    assert torch.equal(found[0].negative, found[1].negative)
