"""A study of the fake task, and that task where other processes find it too."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kilnsense.config import StudyConfig
from kilnsense.study.workers import Task


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Task:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    task: Task = importlib.import_module("fake_task").prepare
    return task


@pytest.fixture
def make_study(tmp_path: Path) -> Callable[..., StudyConfig]:
    """Two seeds, three epochs, a grid of two margins; the notebook is `tmp_path` / book."""
    book = tmp_path / "book"
    book.mkdir()

    def make(**values: Any) -> StudyConfig:
        base = {"data": {"root": str(book)}, "training": {"epochs": 3}}
        defaults = {"task": "pictures", "name": "fake", "base": base, "grid": {"metric.margin": [0.1, 0.5]}}
        return StudyConfig.model_validate({**defaults, **values})

    return make
