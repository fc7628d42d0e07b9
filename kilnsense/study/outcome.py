"""What came of one trial: its scores, how it learned, and where its samples lie; as one JSON file."""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import InputError, SourceError
from kilnsense.record.publish import publish
from kilnsense.training.history import History

_SCHEMA = "kilnsense.outcome/1"
_PARTS = ("train", "test")
_DIGITS = 5  # of a coordinate in the file: a picture shows no more


@dataclass(frozen=True)
class Score:
    """Test scores of one way to judge the same trained network.

    Attributes:
        features: what was judged: ``fused``, the name of a branch, ``descriptors``.
        judge: how: ``nearest`` or a name of CLASSIFIERS.
        values: measure -> score, higher is better, such as ``{"accuracy": 0.9}`` or ``{"20-way": 0.85}``.
    """

    features: str
    judge: str
    values: dict[str, float]

    def __post_init__(self) -> None:
        for measure, value in self.values.items():
            if not math.isfinite(value):
                raise InputError(
                    f"Score {self.features}, {self.judge}, {measure}: got {value}, want a number"
                )


@dataclass(frozen=True, eq=False)
class Points:
    """Samples in the plane, to look at.

    Attributes:
        part: ``train`` or ``test``.
        xy: (N, 2) float.
        labels: (N,) int, places in `Outcome.classes`.
        caption: how they came into the plane, such as ``embeddings as they are``.
    """

    part: str
    xy: NDArray[np.floating[Any]]
    labels: NDArray[np.integer[Any]]
    caption: str = ""

    def __post_init__(self) -> None:
        if self.part not in _PARTS:
            raise InputError(f"Points: got part {self.part!r}, allowed: {', '.join(_PARTS)}")
        if self.xy.shape != (len(self.labels), 2) or self.labels.ndim != 1:
            raise InputError(
                f"Points: got xy {self.xy.shape} and labels {self.labels.shape}, want (N, 2) and (N,)"
            )
        if not np.isfinite(self.xy).all():
            raise InputError("Points: got coordinates that are not finite; leave those samples out")


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of one trial.

    Attributes:
        scores: on the test data, one per features and judge.
        validation: higher is better; of data that are neither trained on nor reported in `scores`. A search
            looks at this number alone.
        histories: of every network that was trained.
        points: embeddings to look at; few thousand at most.
        classes: the names that the labels of `points` stand for.
        images_per_second: trained, per second of wall time of the epochs; 0 where nothing was trained.
        notes: other figures for the table, such as ``{"seconds": 12.0}``.
    """

    scores: tuple[Score, ...]
    validation: float
    histories: tuple[History, ...] = ()
    points: tuple[Points, ...] = ()
    classes: tuple[str, ...] = ()
    images_per_second: float = 0.0
    notes: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in {
            "validation": self.validation,
            "images_per_second": self.images_per_second,
            **self.notes,
        }.items():
            if not math.isfinite(value):
                raise InputError(f"Outcome {name}: got {value}, want a number")
        kinds = [(score.features, score.judge) for score in self.scores]
        if not kinds or len(set(kinds)) != len(kinds):
            raise InputError(f"Outcome scores: got {kinds}, want one or more, every features and judge once")
        for points in self.points:
            if len(points.labels) and not 0 <= points.labels.min() <= points.labels.max() < len(self.classes):
                raise InputError(
                    f"Outcome points: got labels up to {points.labels.max()} for {len(self.classes)} classes"
                )


def write_outcome(path: Path, outcome: Outcome) -> None:
    """Writes one JSON file as a whole; coordinates of points with five digits. Raises StorageError."""
    values = {
        "schema": _SCHEMA,
        "validation": float(outcome.validation),
        "scores": [asdict(score) for score in outcome.scores],
        "images_per_second": float(outcome.images_per_second),
        "notes": outcome.notes,
        "classes": list(outcome.classes),
        # A loss that was never finite is a word in here: strict JSON knows no NaN.
        "histories": [json.loads(history.to_json(), parse_constant=str) for history in outcome.histories],
        "points": [_plain_points(points) for points in outcome.points],
    }
    publish(path, [json.dumps(values, allow_nan=False, default=float) + "\n"])


def read_outcome(path: Path) -> Outcome:
    """The inverse of `write_outcome`.

    Raises:
        SourceError: the file is missing, damaged, or of another version.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["schema"] != _SCHEMA:
            raise InputError(f"its schema is {values['schema']!r}, want {_SCHEMA!r}")
        return Outcome(
            scores=tuple(Score(**score) for score in values["scores"]),
            validation=values["validation"],
            histories=tuple(History.from_json(json.dumps(_numbers(rows))) for rows in values["histories"]),
            points=tuple(_read_points(points) for points in values["points"]),
            classes=tuple(values["classes"]),
            images_per_second=values["images_per_second"],
            notes=values["notes"],
        )
    except (OSError, ValueError, TypeError, KeyError, InputError) as error:
        raise SourceError(
            f"outcome {path}: cannot be read ({error}); delete it to run that trial anew"
        ) from error


def _plain_points(points: Points) -> dict[str, Any]:
    return {
        "part": points.part,
        "caption": points.caption,
        "labels": points.labels.tolist(),
        "xy": [[float(f"{value:.{_DIGITS}g}") for value in row] for row in points.xy.tolist()],
    }


def _read_points(values: dict[str, Any]) -> Points:
    return Points(
        part=values["part"],
        xy=np.array(values["xy"], np.float64).reshape(-1, 2),
        labels=np.array(values["labels"], np.int64),
        caption=values["caption"],
    )


def _numbers(value: Any) -> Any:
    """The same JSON values with the words for numbers that are not finite as numbers again."""
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return float(value) if value in ("NaN", "Infinity", "-Infinity") else value
