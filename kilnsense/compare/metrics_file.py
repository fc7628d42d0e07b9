"""metrics.json: all figures of a comparison, checked against their schema before they are written."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from kilnsense import __version__
from kilnsense.classify.compare import Difference
from kilnsense.compare.run import Outcome
from kilnsense.compare.slices import Slice
from kilnsense.compare.summary import Standing, Summary
from kilnsense.compare.suspects import Suspect, Twins
from kilnsense.compare.verdict import beside_baselines, cautions, verdict
from kilnsense.data.labelled import Labelled

SCHEMA = "kilnsense.compare/1"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Estimate(_Part):
    """A score with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


class Entrant(_Part):
    """One classifier or baseline."""

    name: str
    baseline: bool
    tier: int = Field(ge=1)
    scores: dict[str, Estimate]
    classes: dict[str, dict[str, Estimate]]
    confusion: list[list[float]] = Field(description="row: label, column: said; mean over the repeats")
    fit_seconds: float
    predict_ms: float = Field(description="per frame, from embeddings to the verdict")
    bytes: float
    options: list[str]


class Pair(_Part):
    """A test of two entrants; `first` is the better one by the estimate."""

    first: str
    second: str
    lead: float
    low: float
    high: float
    p: float = Field(ge=0, le=1)
    p_holm: float = Field(ge=0, le=1)


class Part(_Part):
    """A slice of the frames."""

    kind: Literal["group", "quality"]
    name: str
    frames: int
    labels: str
    right: dict[str, float]


class Doubt(_Part):
    """A suspicious label."""

    path: str
    label: str
    group: str
    confidence: float
    better: str


class Alike(_Part):
    """Two frames of different groups that look the same."""

    first: str
    second: str
    delta_e: float


class LeakFigures(_Part):
    """Macro F1 of the nearest neighbour in the folds, and in folds of single frames."""

    grouped: float
    random: float


class Left(_Part):
    """A file that was not judged."""

    path: str
    reason: str
    message: str


class Metrics(_Part):
    """All of it."""

    schema_: str = Field(SCHEMA, alias="schema")
    version: str
    name: str
    verdict: str
    beside_baselines: str
    cautions: list[str]
    metric: str
    bundle: str
    frozen: bool
    known_frames: int = Field(description="of the frames, how many a kept network was trained on")
    tuned: bool
    classes: list[str]
    frames: int
    groups: int
    grouping: str
    folds: int
    repeats: int
    seed: int
    test_share: float = Field(description="n_test / n_train of a fold, in the corrected test")
    data_fingerprint: str
    entrants: list[Entrant]
    pairs: list[Pair]
    with_baselines: list[Pair]
    between_baselines: list[Pair]
    leak: LeakFigures
    slices: list[Part]
    suspicious_labels: list[Doubt]
    same_picture: list[Alike]
    merged_groups: list[str]
    left_out: list[Left]
    left_out_counts: dict[str, int]


def make_metrics(
    outcome: Outcome,
    summary: Summary,
    found: Sequence[Slice],
    suspects: Sequence[Suspect],
    twins: Sequence[Twins],
) -> Metrics:
    """The figures of a comparison, checked. Raises pydantic's ValidationError for a fault of the program."""
    settings, compared = outcome.settings, outcome.compared
    data = compared.data
    return Metrics(
        schema=SCHEMA,
        version=__version__,
        name=settings.name,
        verdict=verdict(summary),
        beside_baselines=beside_baselines(outcome, summary),
        cautions=cautions(outcome, summary),
        metric=summary.metric,
        bundle=settings.bundle,
        frozen=settings.frozen,
        known_frames=outcome.known,
        tuned=settings.tune,
        classes=list(data.classes),
        frames=len(data),
        groups=len(set(data.groups.tolist())),
        grouping=compared.grouping.words,
        folds=settings.folds,
        repeats=settings.repeats,
        seed=settings.base.seed,
        test_share=summary.test_share,
        data_fingerprint=compared.fingerprint,
        entrants=[_entrant(one) for one in summary.standings],
        pairs=[_pair(one) for one in summary.pairs],
        with_baselines=[_pair(one) for one in summary.beaten],
        between_baselines=[_pair(one) for one in summary.plain],
        leak=LeakFigures(grouped=outcome.leak.grouped, random=outcome.leak.random),
        slices=[_part(one) for one in found],
        suspicious_labels=[_doubt(data, one) for one in suspects],
        same_picture=[_alike(data, one) for one in twins],
        merged_groups=list(compared.merged),
        left_out=[Left(**asdict(one)) for one in compared.left_out],
        left_out_counts=dict(Counter(one.reason for one in compared.left_out)),
    )


def _entrant(one: Standing) -> Entrant:
    return Entrant(
        name=one.name,
        baseline=one.baseline,
        tier=one.tier,
        scores={name: Estimate(**asdict(score)) for name, score in one.scores.items()},
        classes={
            label: {name: Estimate(**asdict(score)) for name, score in parts.items()}
            for label, parts in one.classes.items()
        },
        confusion=one.confusion.tolist(),
        fit_seconds=one.fit_seconds,
        predict_ms=one.predict_ms,
        bytes=one.size,
        options=list(one.options),
    )


def _part(one: Slice) -> Part:
    kind: Literal["group", "quality"] = "group" if one.kind == "group" else "quality"
    return Part(kind=kind, name=one.name, frames=one.frames, labels=one.labels, right=one.right)


def _doubt(data: Labelled, one: Suspect) -> Doubt:
    return Doubt(
        path=data.frames[one.row].source,
        label=str(data.names[one.row]),
        group=str(data.groups[one.row]),
        confidence=one.confidence,
        better=data.classes[one.better],
    )


def _alike(data: Labelled, one: Twins) -> Alike:
    first, second = (data.frames[row].source for row in (one.first, one.second))
    return Alike(first=first, second=second, delta_e=one.difference)


def _pair(one: Difference) -> Pair:
    return Pair(**asdict(one))
