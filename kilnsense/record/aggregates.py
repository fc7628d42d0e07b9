"""Five minutes of a camera, gathered reading by reading and kept as sums.

Sums can be stored after every reading and gone on with after a restart; means are made when they are asked
for.
"""

import json
import math
from dataclasses import asdict, dataclass, field

from kilnsense.types import Aggregate, Reading

BUCKET_S = 300
"""Length of a bucket, seconds; buckets start at full multiples since 1970."""


@dataclass
class Sums:
    """What was gathered of one bucket.

    Attributes:
        words: word -> readings.
        confidence: (readings with a state, sum).
        probabilities: class -> (readings, sum).
        regions: name -> (readings in which it was present, sum of areas, sum of mean L*).
        bed_edge: (readings in which it was seen, sum).
    """

    words: dict[str, int] = field(default_factory=dict)
    confidence: list[float] = field(default_factory=lambda: [0, 0.0])
    probabilities: dict[str, list[float]] = field(default_factory=dict)
    regions: dict[str, list[float]] = field(default_factory=dict)
    bed_edge: list[float] = field(default_factory=lambda: [0, 0.0])

    def add(self, reading: Reading) -> None:
        """Takes one more reading in."""
        self.words[reading.word] = self.words.get(reading.word, 0) + 1
        if reading.state is not None:
            _add(self.confidence, reading.confidence)
            for name, probability in zip(reading.classes, reading.probabilities, strict=False):
                _add(self.probabilities.setdefault(name, [0, 0.0]), probability)
        for region in reading.regions:
            if region.present:
                sums = self.regions.setdefault(region.name, [0, 0.0, 0.0])
                _add(sums, region.area, region.mean_lab[0])
        if reading.bed_edge is not None:
            _add(self.bed_edge, reading.bed_edge)

    def to_text(self) -> str:
        """As JSON, to the last digit."""
        return json.dumps(asdict(self), separators=(",", ":"))

    def aggregate(self, start: float) -> Aggregate:
        """The means; `start` is the first second of the bucket."""
        readings = sum(self.words.values())
        return Aggregate(
            start=start,
            shares={word: count / readings for word, count in self.words.items()},
            probabilities=tuple(total / count for count, total in self.probabilities.values()),
            confidence=_mean(self.confidence),
            regions={name: (area / n, light / n) for name, (n, area, light) in self.regions.items()},
            bed_edge=_mean(self.bed_edge),
            readings=readings,
        )


def sums_of(text: str) -> Sums:
    """What `Sums.to_text` wrote."""
    return Sums(**json.loads(text))


def bucket_start(at: float) -> float:
    """The first second of the bucket that a moment lies in."""
    return float(math.floor(at / BUCKET_S) * BUCKET_S)


def _add(sums: list[float], *values: float) -> None:
    sums[0] += 1
    for place, value in enumerate(values, start=1):
        sums[place] += value


def _mean(sums: list[float]) -> float | None:
    return sums[1] / sums[0] if sums[0] else None
