"""What went wrong in training without ending it: batches that taught nothing, branches that collapsed."""

from collections.abc import Iterable
from dataclasses import dataclass

from kilnsense.training.history import History


@dataclass(frozen=True)
class Trouble:
    """Of some networks together.

    Attributes:
        empty: batches of which the miner chose nothing.
        skipped: batches without a step, because the gradient was not finite.
        collapsed: branches that hardly tell samples apart in the epoch that was kept, in any of the networks.
    """

    empty: int = 0
    skipped: int = 0
    collapsed: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """For people; empty where nothing went wrong."""
        words = []
        if self.empty:
            words.append(f"batches without a pair or triplet: {self.empty}")
        if self.skipped:
            words.append(f"batches without a step: {self.skipped}")
        if self.collapsed:
            words.append(f"collapsed: {', '.join(self.collapsed)}")
        return "; ".join(words)


def trouble_in(histories: Iterable[History]) -> Trouble:
    """Sums over the epochs of all networks."""
    trained = [history for history in histories if history.epochs]
    epochs = [epoch for history in trained for epoch in history.epochs]
    return Trouble(
        empty=sum(epoch.empty for epoch in epochs),
        skipped=sum(epoch.skipped for epoch in epochs),
        collapsed=tuple(dict.fromkeys(name for history in trained for name in history.best.collapsed)),
    )
