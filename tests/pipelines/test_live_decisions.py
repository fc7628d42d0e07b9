"""The script that measures decisions over time, on a tiny job; and its measures on days made by hand."""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

PIPELINES = Path(__file__).parents[2] / "pipelines"
TINY = (
    "--days", "1", "--hours", "0.05", "--every", "20", "--runs", "6", "--frames", "8",
    "--set", "training.enabled=false", "--set", "decide.folds=2", "--set", "classifier.kind=lda",
)  # fmt: skip


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(PIPELINES))
    return importlib.import_module("live_decisions")


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(PIPELINES))
    return importlib.import_module("live_score")


def day(text: str, scores: ModuleType) -> list[Any]:
    """One frame every ten seconds; capital letters: sure, small ones: between two states."""
    names = {"u": "under", "n": "normal", "o": "over"}
    return [
        scores.Row(10.0 * number, 1400.0, names[letter.lower()], letter.isupper(), True, "accepted", 0.0, ())
        for number, letter in enumerate(text)
    ]


def words(text: str) -> list[str | None]:
    return [{"u": "under", "n": "normal", "o": "over", ".": None}[letter] for letter in text]


def test_every_way_is_measured_and_answers_are_kept(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def call(*more: str) -> list[dict[str, Any]]:
        monkeypatch.setattr(sys, "argv", ["live_decisions", "--work", str(tmp_path), *TINY, "--json", *more])
        script.main()
        rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
        return rows

    rows = call()
    assert [row["way"] for row in rows] == ["single frames", "mean", "mean, limits", "filter"] * 4
    assert {(row["days"], row["flips"]) for row in rows} == {
        (kind, flips) for kind in ("known", "unseen") for flips in (0.0, 0.2)
    }
    assert all(0 <= row["unknown"] <= 1 and row["hours"] == pytest.approx(0.05, abs=0.01) for row in rows)
    kept = sorted((tmp_path / "rows").iterdir())
    assert len(kept) == 2
    before = [file.stat().st_mtime_ns for file in kept]
    assert call() == rows
    assert [file.stat().st_mtime_ns for file in kept] == before
    costs = [row["cost"] for row in call("--tune")]
    assert costs == sorted(costs)
    assert len(costs) == len(script.DWELLS) * len(script.MEMORIES) * len(script.LIMITS)


def test_a_change_is_found_where_its_word_stands(scores: ModuleType) -> None:
    rows = day("U" * 60 + "n" * 10 + "N" * 60, scores)
    (change,) = scores.true_changes(rows)
    assert (change.left_s, change.begins_s, change.until_s, change.state) == (590, 700, 1290, "normal")
    late = words("u" * 80 + "n" + "u" + "n" * 48)
    assert scores.found_after(rows, late, change) == 820 - 700
    early = words("u" * 65 + "n" * 65)
    assert scores.found_after(rows, early, change) == 0
    assert scores.found_after(rows, words("u" * 130), change) is None
    found = scores.score([rows, rows], [late, words("u" * 130)])
    assert (found.delays, found.missed) == ((120.0,), 1)
    assert found.blind == 0
    assert found.wrong == pytest.approx((10 + 1 + 60) / 240)


def test_short_states_are_no_changes(scores: ModuleType) -> None:
    assert scores.true_changes(day("U" * 60 + "n" * 5 + "N" * 20 + "n" * 5 + "U" * 60, scores)) == []


def test_false_changes_are_turns_to_what_surely_is_not(scores: ModuleType) -> None:
    rows = day("U" * 20 + "n" * 10, scores)
    assert scores.false_changes(rows, words("u" * 30)) == 0
    assert scores.false_changes(rows, words("u" * 5 + "o" + "." * 4 + "o" * 5 + "u" * 15)) == 1
    assert scores.false_changes(rows, words("u" * 25 + "n" * 5)) == 0
    assert scores.false_changes(rows, words("u." * 15)) == 0


def test_a_mean_fades_with_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PIPELINES))
    ways = importlib.import_module("live_ways")
    under = (0.9, 0.2, 0.9, 0.1, 0.1, 0.1)
    rows = [
        ways.Row(10.0 * n, 1400.0, "under", True, True, "accepted", 0.0, (p, 1 - p))
        for n, p in enumerate(under)
    ]
    slow = []  # the share of "under" when every frame before weighs exp(-age / memory), the first the rest
    for now in range(len(under)):
        fresh = [np.exp(-0.5 * (now - n)) * (1 - np.exp(-0.5)) for n in range(1, now + 1)]
        slow.append((1 - sum(fresh)) * under[0] + float(np.dot(fresh, under[1 : now + 1])))
    classes, config = ("under", "over"), ways.DecisionConfig(memory_s=20.0, enter=0.8, leave=0.6)
    best = ["under" if share > 0.5 else "over" for share in slow]
    assert ways.means(rows, classes, config, limits=False) == best
    assert best[2:4] == ["under", "over"]
    held = ["under" if share >= 0.6 else None for share in slow]
    assert ways.means(rows, classes, config, limits=True) == held
