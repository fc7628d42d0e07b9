"""The benchmark of mining and losses measures what it says, and notices a wrong number."""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

PIPELINES = Path(__file__).parents[2] / "pipelines"
KEYS = ["n", "dim", "loss", "mining", "ours_ms", "pml_ms", "loop_ms", "speedup_pml", "speedup_loop"]
SIZE = (40, 3)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module, imported as a script beside it would."""
    monkeypatch.syspath_prepend(PIPELINES)
    for name in ("bench_metric", "anchor_loop", "pml_peers", "spent"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("bench_metric")


def test_it_prints_one_row_per_case_and_size(bench: ModuleType) -> None:
    command = [sys.executable, str(PIPELINES / "bench_metric.py"), "--json", "--repeats", "1"]
    command += ["--sizes", "30", "--dims", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [(row["loss"], row["mining"]) for row in rows] == [(c.loss, c.mining) for c in bench.CASES]
    for row in rows:
        assert list(row) == [*KEYS, "ours_mb", "pml_mb"]
        assert (row["n"], row["dim"]) == (30, 2)
        assert row["ours_ms"] > 0
        for peer in ("pml", "loop"):
            if row[f"{peer}_ms"] is None:
                assert row[f"speedup_{peer}"] is None
            else:
                assert row[f"speedup_{peer}"] == pytest.approx(row[f"{peer}_ms"] / row["ours_ms"])
    assert {row["mining"] for row in rows if row["pml_ms"]} >= {"all", "all:semi_hard", "batch_hard"}


def test_all_kinds_of_triplets_and_pairs_occur(bench: ModuleType) -> None:
    for dim in (2, 64, 256):
        x, labels = bench.sample(64, dim)
        counts = bench.chooser(bench.Case("triplet", "all"))(x, labels).counts
        assert min(counts.easy, counts.semi_hard, counts.hard) > 100
        counts = bench.chooser(bench.Case("contrastive", "all"))(x, labels).counts
        assert min(counts.genuine, counts.inside, counts.beyond) > 50


@pytest.mark.parametrize("place", range(14))
def test_all_peers_agree(bench: ModuleType, place: int) -> None:
    bench.check(bench.CASES[place], SIZE, {})
    assert len(bench.CASES) == 14


@pytest.mark.parametrize("place", range(14))
def test_a_wrong_loss_is_noticed(bench: ModuleType, monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    case = bench.CASES[place]
    right = bench.built_loss(case)

    def wrong(embeddings: Tensor, *rest: object) -> Tensor:
        """The right value, with a slope that is off by a millionth."""
        value = right.value(embeddings, *rest)
        return value + 1e-6 * (value - value.detach())

    monkeypatch.setattr(bench, "built_loss", lambda _: replace(right, value=wrong))
    with pytest.raises(
        bench.DisagreementError, match=r"differ by .* of it, gradients by 1.0e-06 of the larg"
    ):
        bench.check(case, SIZE, {})


def test_a_pick_that_is_no_candidate_is_noticed(bench: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    right = bench.chooser

    def wrong(case: object) -> Callable[[Tensor, Tensor], object]:
        def choose(x: Tensor, labels: Tensor) -> object:
            mined = right(case)(x, labels)
            return replace(mined, negative=mined.anchor)

        return choose

    monkeypatch.setattr(bench, "chooser", wrong)
    with pytest.raises(bench.DisagreementError, match=r"sample \d+ is no candidate"):
        bench.check(bench.Case("triplet", "random_hard"), SIZE, {})


def test_beyond_the_exact_sizes_the_timed_run_is_compared(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "EXACT_UP_TO", 0)
    case, slope = bench.Case("triplet", "all"), torch.ones(SIZE)
    good, bad = (0.5, slope), (0.5, slope * 1.01)
    bench.check(case, SIZE, {"ours": good, "pml": good})
    with pytest.raises(bench.DisagreementError, match=r"gradients by 1.0e-02 of .* allowed: 1e-03"):
        bench.check(case, SIZE, {"ours": bad, "pml": good})


def test_the_verdict_quotes_the_worst_row(bench: ModuleType) -> None:
    base = dict.fromkeys(bench.COLUMNS) | {"loss": "triplet", "dim": 2}
    rows = [
        base | {"n": 256, "mining": "all", "speedup_pml": 12.0},
        base | {"n": 256, "mining": "all:semi_hard", "speedup_pml": 9.0},
        base | {"n": 256, "mining": "batch_hard", "speedup_pml": 1.5},
        base | {"n": 1024, "mining": "all", "speedup_pml": 60.0, "ours_mb": 100.0, "pml_mb": 700.0},
    ]
    never, small, large, memory = bench.verdicts(rows)
    assert "met (worst 1.5 x: triplet batch_hard" in never
    assert "MISSED (worst 9.0 x: triplet all:semi_hard, N = 256, d = 2)" in small
    assert "met (worst 60.0 x" in large
    assert "met (worst 7.0 x" in memory
    assert bench.verdicts([])[0].endswith("not measured")


def test_the_peak_is_that_of_the_pass(bench: ModuleType) -> None:
    def greedy(x: Tensor, labels: Tensor) -> Tensor:
        """200 MB for whole batches, more than a heap has left over, and next to nothing for the warm-up."""
        ballast = torch.ones(25_000_000 if len(x) > 40 else 1, dtype=torch.float64)
        return x.sum() + 0 * ballast.sum()

    found = bench.peak_mb(greedy, *bench.sample(50, 2))
    if found is None:
        pytest.skip("this system does not tell its peak memory")
    assert 190 < found < 220


def test_the_loop_picks_by_definition(bench: ModuleType) -> None:
    loop = bench.anchor_loop
    place = np.array([0.0, 1.0, 0.5, 1.2, 3.0])
    distances, labels = np.abs(place[:, None] - place), np.array([0, 0, 1, 1, 1])
    found = {
        kind: loop.triplets(distances, labels, kind, loop.every, margin=0.6, both_ways=True).T.tolist()
        for kind in loop.WANTED
    }
    # From anchor 0 to its positive at 1: negatives at 0.5 (hard), 1.2 (semi-hard), 3 (easy).
    assert [0, 1, 2] in found["hard"]
    assert [0, 1, 3] in found["semi_hard"]
    assert not any(row[:2] == [0, 1] and row[2] == 4 for row in found["all"])
    assert sorted(found["all"]) == sorted(found["hard"] + found["semi_hard"])
    once = loop.triplets(distances, labels, "all", loop.hardest, margin=0.6).T.tolist()
    assert [0, 1, 2] in once
    assert all(anchor < positive for anchor, positive, _ in once)
    genuine, impostors = loop.hard_negative_pairs(distances, labels)
    assert genuine.T.tolist() == [[0, 1], [2, 3], [2, 4], [3, 4]]
    assert sorted(impostors.T.tolist()) == [[0, 2], [0, 3], [1, 2], [1, 3]]
