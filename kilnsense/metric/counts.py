"""What kinds of triplets or pairs a batch holds: the figures that show whether it still teaches."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Counts:
    """Triplets and pairs by kind; those of several batches or branches are added up.

    They are those of the whole batch wherever the miner knows them all, so that they say how training goes
    and not what the miner is after; `Mined.counts` and `Pairs.counts` name the miners that do not.

    Attributes:
        easy, semi_hard, hard: triplets, as `ranking` defines them.
        genuine: pairs of one class.
        inside, beyond: impostors, pairs of two classes, nearer than the margin, and all others.
    """

    easy: int = 0
    semi_hard: int = 0
    hard: int = 0
    genuine: int = 0
    inside: int = 0
    beyond: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            easy=self.easy + other.easy,
            semi_hard=self.semi_hard + other.semi_hard,
            hard=self.hard + other.hard,
            genuine=self.genuine + other.genuine,
            inside=self.inside + other.inside,
            beyond=self.beyond + other.beyond,
        )

    @property
    def total(self) -> int:
        """How many triplets and pairs there are of any kind."""
        return self.easy + self.semi_hard + self.hard + self.genuine + self.inside + self.beyond

    @property
    def violating(self) -> int:
        """How many triplets are hard or semi-hard."""
        return self.semi_hard + self.hard
