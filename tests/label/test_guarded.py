"""Workers that hang, crash, or eat memory: the input is named, everything else has its row."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from kilnsense.errors import BundleError
from kilnsense.label import guarded
from kilnsense.label.guarded import Guarded, Orders
from kilnsense.label.portion import Job
from kilnsense.record.store import Row


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("fake_way").way


@pytest.fixture
def orders(tiny_bundle: Path, tmp_path: Path) -> Orders:
    return Orders(tiny_bundle, tmp_path, seconds=2.0, megabytes=300)


def run(orders: Orders, way: Any, *portions: list[str], processes: int = 1) -> dict[int, list[Row]]:
    """Rows by portion; the inputs are numbered through."""
    jobs, number = [], 0
    for place, paths in enumerate(portions):
        jobs.append(Job(place, tuple((number + at, path) for at, path in enumerate(paths)), {}))
        number += len(paths)
    found: dict[int, list[Row]] = {}

    def written(place: int, rows: list[Row]) -> None:
        assert place not in found
        found[place] = rows

    with Guarded(orders, processes=processes, way=way) as workers:
        workers.run(iter(jobs), written)
        left = [worker.process.pid for worker in workers._workers]
    for pid in left:
        assert pid is not None
        assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text(
            encoding="utf-8"
        )
    return found


def told(rows: list[Row]) -> list[str]:
    return [row.reason for row in rows]


@pytest.mark.parametrize(
    ("name", "reason"), [("hang", "too_slow"), ("crash", "crashed"), ("wrong", "crashed"), ("eat", "crashed")]
)
def test_the_input_that_ends_a_worker_is_named_and_the_others_are_judged(
    name: str, reason: str, orders: Orders, way: Any
) -> None:
    found = run(orders, way, ["a.png", f"{name}.png", "b.png"], ["c.png"])
    assert told(found[0]) == ["accepted", reason, "accepted"]
    assert [row.cells[0] for row in found[0]] == ["a.png", f"{name}.png", "b.png"]
    assert told(found[1]) == ["accepted"]


def test_several_in_one_portion_are_named_each(orders: Orders, way: Any) -> None:
    found = run(orders, way, ["crash1.png", "a.png", "crash2.png", "wrong.png"])
    assert told(found[0]) == ["crashed", "accepted", "crashed", "crashed"]


def test_what_kills_while_a_batch_is_judged_is_looked_for_one_by_one(
    orders: Orders, way: Any, tmp_path: Path
) -> None:
    found = run(orders, way, ["a.png", "judged.png", "b.png"])
    assert told(found[0]) == ["accepted", "crashed", "accepted"]
    read = [line.split()[1] for line in (tmp_path / "notes.txt").read_text(encoding="utf-8").splitlines()]
    # All of them, then one by one up to the culprit, then all but the culprit.
    assert read == ["a.png", "judged.png", "b.png", "a.png", "judged.png", "a.png", "b.png"]


def test_two_workers_share_the_portions(orders: Orders, way: Any, tmp_path: Path) -> None:
    found = run(orders, way, *([f"{number}.png"] for number in range(12)), processes=2)
    assert sorted(found) == list(range(12))
    assert all(told(rows) == ["accepted"] for rows in found.values())


def test_a_fault_of_the_program_and_of_the_bundle_are_no_rows(
    orders: Orders, way: Any, tmp_path: Path
) -> None:
    with pytest.raises(RuntimeError, match="ValueError: a fault of the program"):
        run(orders, way, ["fault.png"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(Exception, match=r"holds no bundle\.json") as caught:
        run(Orders(tmp_path / "empty", tmp_path), way, ["a.png"])
    assert caught.type.exit_code == BundleError.exit_code


def test_a_worker_that_dies_without_a_culprit_gives_the_portion_up_in_the_end(
    orders: Orders, way: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies only when both are judged together: alone each is good."""
    monkeypatch.setattr(guarded, "TRIES", 1)
    found = run(orders, importlib.import_module("fake_way").together, ["both.png", "both.png"])
    assert told(found[0]) == ["crashed", "crashed"]
