"""What happened in training, epoch by epoch."""

import json
from dataclasses import asdict, dataclass

from kilnsense.errors import InputError


@dataclass(frozen=True)
class Epoch:
    """One epoch; epoch 0 is the network before any training.

    Attributes:
        number: 0 and up.
        loss: mean training loss over the batches; 0 in epoch 0.
        rate: learning rate of the head at the end of the epoch.
        accuracy: mean over the branches of the nearest-neighbour balanced accuracy on the validation samples.
        validation_loss: mean hinge over all validation triplets, whatever is trained for; mean over the
            branches.
        spread: per branch the mean distance of two validation embeddings.
        collapsed: branches that tell samples too little apart, see `Validation`.
        easy, semi_hard, hard: triplets of the batches by kind, over branches and batches: all valid ones,
            whichever the miner chose, so that they show how the easy ones take over. Where the miner ranks
            nothing (`Mined.counts` names these miners), the chosen ones.
        genuine, inside, beyond: pairs of the batches by kind, counted alike: of one class; impostors inside
            the margin; impostors at or beyond it.
        empty: batches of which the miner chose nothing.
        skipped: batches without a step, because the gradient was not finite.
        margin: at the end of the epoch, in units of the distance.
        seconds: wall time, judging included.
        images: samples shown to the network in training.
        train_seconds: wall time without judging.
    """

    number: int
    loss: float = 0.0
    rate: float = 0.0
    accuracy: float = 0.0
    validation_loss: float = 0.0
    spread: tuple[float, ...] = ()
    collapsed: tuple[str, ...] = ()
    easy: int = 0
    semi_hard: int = 0
    hard: int = 0
    genuine: int = 0
    inside: int = 0
    beyond: int = 0
    empty: int = 0
    skipped: int = 0
    margin: float = 0.0
    seconds: float = 0.0
    images: int = 0
    train_seconds: float = 0.0

    def better_than(self, other: "Epoch | None") -> bool:
        """Higher accuracy; where that is equal, which few samples often make it, lower validation loss."""
        if other is None or abs(self.accuracy - other.accuracy) > 1e-9:
            return other is None or self.accuracy > other.accuracy
        return self.validation_loss < other.validation_loss - 1e-9


@dataclass(frozen=True)
class History:
    """All epochs of a run so far, in order, from epoch 0."""

    epochs: tuple[Epoch, ...] = ()

    def with_epoch(self, epoch: Epoch) -> "History":
        """A history with one more epoch."""
        return History((*self.epochs, epoch))

    @property
    def best(self) -> Epoch:
        """The first epoch that no other beats. Raises InputError where there is none."""
        best: Epoch | None = None
        for epoch in self.epochs:
            if epoch.better_than(best):
                best = epoch
        if best is None:
            raise InputError("history: holds no epoch; train first")
        return best

    @property
    def images_per_second(self) -> float:
        """Samples shown to the network per second of training, without judging; 0 before any training."""
        seconds = sum(epoch.train_seconds for epoch in self.epochs)
        return sum(epoch.images for epoch in self.epochs) / seconds if seconds > 0 else 0.0

    def to_json(self) -> str:
        """A JSON list with one object per epoch."""
        return json.dumps([asdict(epoch) for epoch in self.epochs])

    @classmethod
    def from_json(cls, text: str) -> "History":
        """The inverse of `to_json`. Raises InputError where the text is none."""
        try:
            rows = json.loads(text)
            return cls(
                tuple(
                    Epoch(**{**row, "spread": tuple(row["spread"]), "collapsed": tuple(row["collapsed"])})
                    for row in rows
                )
            )
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"history: got text that is no history ({error}); train again") from error
