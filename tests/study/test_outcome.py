"""What a trial leaves on disk comes back as it was; nonsense is refused by name."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from kilnsense.errors import InputError, SourceError
from kilnsense.study.outcome import Outcome, Points, Score, read_outcome, write_outcome
from kilnsense.training.history import Epoch, History

SCORE = Score("fused", "nearest", {"accuracy": 0.5})


def test_an_outcome_comes_back(tmp_path: Path) -> None:
    history = History(
        (Epoch(0, accuracy=0.3), Epoch(1, loss=math.nan, spread=(0.1, 0.2), collapsed=("scale:1.0",)))
    )
    points = Points(
        "test", np.array([[1.0, -2.5], [1e-7, 123456.0]], np.float32), np.array([1, 0]), "as they are"
    )
    outcome = Outcome((SCORE,), 0.25, (history,), (points,), ("NaN", "b"), 12.5, {"seconds": 3})
    file = tmp_path / "trials" / "a" / "outcome.json"
    write_outcome(file, outcome)
    got = read_outcome(file)
    assert (got.scores, got.validation, got.classes) == ((SCORE,), 0.25, ("NaN", "b"))
    assert (got.images_per_second, got.notes) == (12.5, {"seconds": 3})
    assert got.histories[0].epochs[0] == history.epochs[0]
    assert math.isnan(got.histories[0].epochs[1].loss)
    assert got.histories[0].epochs[1].collapsed == ("scale:1.0",)
    np.testing.assert_allclose(got.points[0].xy, points.xy, rtol=1e-4)
    assert got.points[0].labels.tolist() == [1, 0]
    assert (got.points[0].part, got.points[0].caption) == ("test", "as they are")
    json.loads(
        file.read_text(encoding="utf-8"), parse_constant=lambda word: pytest.fail(f"{word} is no JSON")
    )


def test_no_points_are_points(tmp_path: Path) -> None:
    empty = Points("train", np.zeros((0, 2)), np.zeros(0, int))
    write_outcome(tmp_path / "o.json", Outcome((SCORE,), 0.0, points=(empty,)))
    assert read_outcome(tmp_path / "o.json").points[0].xy.shape == (0, 2)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ('{"schema": "kilnsense.outcome/9"}', "want 'kilnsense.outcome/1'"),
        ('{"schema": "kilnsense.outcome/1"}', "'scores'"),
        ("[]", "delete it to run that trial anew"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "o.json").write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=f"outcome .*o.json.*{why}"):
        read_outcome(tmp_path / "o.json")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        read_outcome(tmp_path / "o.json")


def test_nonsense_is_refused() -> None:
    with pytest.raises(InputError, match="Score a, b, accuracy: got nan"):
        Score("a", "b", {"accuracy": math.nan})
    with pytest.raises(InputError, match="part 'validation', allowed: train, test"):
        Points("validation", np.zeros((1, 2)), np.zeros(1, int))
    with pytest.raises(InputError, match=r"xy \(2, 2\) and labels \(1,\)"):
        Points("test", np.zeros((2, 2)), np.zeros(1, int))
    with pytest.raises(InputError, match="not finite"):
        Points("test", np.full((1, 2), np.nan), np.zeros(1, int))
    with pytest.raises(InputError, match="validation: got inf"):
        Outcome((SCORE,), math.inf)
    with pytest.raises(InputError, match="want one or more"):
        Outcome((), 0.0)
    with pytest.raises(InputError, match="every features and judge once"):
        Outcome((SCORE, SCORE), 0.0)
    with pytest.raises(InputError, match="labels up to 1 for 1 classes"):
        Outcome((SCORE,), 0.0, points=(Points("test", np.zeros((1, 2)), np.ones(1, int)),), classes=("a",))
