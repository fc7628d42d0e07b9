"""What is computed and kept at once stays bounded, however many triplets and colours there are."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from kilnsense.metric import distances, every
from kilnsense.metric.colour import srgb_to_lab
from kilnsense.metric.distances import Distance, ciede2000, euclidean
from kilnsense.metric.losses import LOSSES
from kilnsense.metric.miners import MINERS, Mined
from kilnsense.metric.pair_miners import PAIR_MINERS
from kilnsense.metric.ranking import relate

N, TOKENS = 60, 5


def palettes() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return srgb_to_lab(torch.rand(N, TOKENS, 3, generator=generator)).requires_grad_(), torch.arange(N) % 6


def watched(seen: list[int]) -> Distance:
    """CIEDE2000 that notes how many colour differences it computes at once."""
    plain = ciede2000()

    def table(x: Tensor, y: Tensor) -> Tensor:
        seen.append(len(x) * len(y) * x.shape[1])
        return plain.table(x, y)

    def between(x: Tensor, y: Tensor) -> Tensor:
        seen.append(x[..., 0].numel())
        return plain.between(x, y)

    return replace(plain, table=table, between=between)


@pytest.mark.parametrize(
    ("loss", "miner"),
    [("triplet", "all"), ("triplet_soft", "all"), ("triplet", "semi_hard"), ("energy", "all")],
)
def test_colour_differences_are_computed_a_few_at_a_time(
    loss: str, miner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distances, "_BLOCK", 2000)
    monkeypatch.setattr(distances, "_KEPT", 1000)
    seen: list[int] = []
    distance, of, (x, labels) = watched(seen), LOSSES[loss](), palettes()
    table = MINERS if of.over == "triplets" else PAIR_MINERS
    mined = table[miner]()(
        distance.matrix(x, x),
        relate(labels),
        margin=of.default_margin(distance),
        generator=torch.Generator().manual_seed(0),
    )
    kept = 0

    def pack(tensor: Tensor) -> Tensor:
        nonlocal kept
        kept += tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        value = of.value(x, mined, distance, {})
    value.backward()
    assert max(seen) <= 2000
    assert sum(seen) >= N * (N - 1) / 2 * TOKENS
    # 53 floats for each of 8850 differences would be 1.9 MB; what is kept are indices and distances.
    assert kept < 500_000


def test_all_triplets_are_gone_through_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(every, "BLOCK", 600)
    x, labels = torch.randn(N, 4, generator=torch.Generator().manual_seed(0)), torch.arange(N) % 6
    distance = euclidean()
    for kind in ("all", "hard", "semi_hard"):
        mined: Mined = MINERS["all"](kind=kind)(
            distance.matrix(x, x), relate(labels), margin=0.5, generator=torch.Generator()
        )
        assert mined.every is not None
        sizes = [(block.chosen.numel(), int(block.chosen.sum())) for block in every.blocks(mined.every)]
        assert max(size for size, _ in sizes) <= 600
        assert sum(chosen for _, chosen in sizes) == mined.chosen > 1000
