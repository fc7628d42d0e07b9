"""What is said of one frame, and the row of a table that says it."""

from dataclasses import dataclass

from kilnsense.errors import FAILURE_REASONS
from kilnsense.types.checks import expect

VERDICT_REASONS = ("accepted", "low_confidence", "unfamiliar", "bad_image")
"""Why a verdict names a state or does not."""


@dataclass(frozen=True)
class Verdict:
    """What is said of one frame.

    Attributes:
        state: a class name, or None where no state may be named.
        confidence: calibrated probability of the most probable class, 0..1 (0 where nothing was scored).
        reason: one of `VERDICT_REASONS`.
        best: the most probable class, also where it was not accepted; "" where nothing was scored.
        probabilities: per class in the order of the config; empty where nothing was scored.
        unfamiliarity: see `Scores`; 0 where nothing was scored.
        quality: flags of the picture.
    """

    state: str | None
    confidence: float
    reason: str
    best: str = ""
    probabilities: tuple[float, ...] = ()
    unfamiliarity: float = 0.0
    quality: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        expect(
            self.reason in VERDICT_REASONS, "Verdict.reason", repr(self.reason), ", ".join(VERDICT_REASONS)
        )
        agrees = (self.state is not None) == (self.reason == "accepted")
        expect(agrees, "Verdict.state", f"{self.state!r} with {self.reason!r}", "a state only when accepted")

    @property
    def margin(self) -> float:
        """Probability of the best class minus that of the second best; 0 where nothing was scored."""
        ranked = sorted(self.probabilities, reverse=True)
        return ranked[0] - ranked[1] if len(ranked) > 1 else 0.0


@dataclass(frozen=True)
class Record:
    """One row of a result table: one input and what became of it.

    Attributes:
        path: path relative to the source's root, POSIX separators.
        sha256: hex digest of the file, "" where it could not be read.
        width, height: size of the picture in the file, 0 where unknown.
        status: ``ok`` (a state was accepted), ``review`` (looked at, no state) or ``bad`` (not a picture).
        reason: `VERDICT_REASONS` for ok and review, `FAILURE_REASONS` for bad.
        verdict: None for bad.
        captured_at: as in `Frame`.
        model_id: identity of the bundle.
        message: one sentence for people, "" where all is well.
    """

    path: str
    sha256: str
    width: int
    height: int
    status: str
    reason: str
    verdict: Verdict | None
    captured_at: str
    model_id: str
    message: str = ""

    def __post_init__(self) -> None:
        expect(self.status in ("ok", "review", "bad"), "Record.status", repr(self.status), "ok, review, bad")
        known = FAILURE_REASONS if self.status == "bad" else VERDICT_REASONS
        expect(self.reason in known, "Record.reason", repr(self.reason), ", ".join(known))
        expect(
            (self.verdict is None) == (self.status == "bad"), "Record.verdict", self.verdict, "none when bad"
        )
