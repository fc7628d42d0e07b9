"""How fast mining and loss are, beside pytorch-metric-learning and the literature's loop over anchors.

    python pipelines/bench_metric.py [--sizes 64 256 1024] [--dims 2 64 256] [--repeats 20] [--json]

Each row is one loss with one way of mining on one batch of N embeddings of 10 overlapping classes under plain
L2: distances, mining, loss and its gradient, one thread, best process CPU time of the repeats, all peers in
turn. The megabytes are what one run adds to the resident memory at its peak, in a fresh fork of the process
(null where the system does not tell). The library and pytorch-metric-learning do the same triplets; the loop
is timed as published, with each pair of a class one way round, which is half of them. A peer is null where it
has no such thing, or where it would take minutes or gigabytes.

In the same run loss and gradient of every peer must agree with the library's, the loop's on all triplets;
random picks are checked to be among the loop's candidates. Up to N = 256 that is done in float64, where no
rounding moves a triplet across a border, to 1e-9 of the loss and of the gradient's largest entry; above, with
pytorch-metric-learning's float32 run, to 1e-3 (its few triplets on the border decide that).
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import anchor_loop
import numpy as np
import torch
from pml_peers import PEERS
from rich.console import Console
from rich.table import Table
from spent import Job, Result, peak_mb, step, timed
from torch import Tensor

from kilnsense.metric.distances import euclidean
from kilnsense.metric.losses import LOSSES, Chosen, Loss
from kilnsense.metric.miners import MINERS, Mined
from kilnsense.metric.pair_miners import PAIR_MINERS
from kilnsense.metric.ranking import relate

CLASSES = 10
BOUND = 2.0
"""Q of the energy loss."""
EXACT_UP_TO = 256
TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-3}
COLUMNS = (
    "n", "dim", "loss", "mining", "ours_ms", "pml_ms", "loop_ms", "speedup_pml", "speedup_loop", "ours_mb",
    "pml_mb",
)  # fmt: skip
AT_RANDOM = ("random_hard", "semi_hard:random")
AIMED = ("all", "all:semi_hard")
"""Minings of the triplet loss that the aims speak of."""

Row = dict[str, float | int | str | None]


class DisagreementError(Exception):
    """Two that should compute the same number do not."""


@dataclass(frozen=True)
class Case:
    """One loss with one way of mining; a miner's option stands after a colon."""

    loss: str
    mining: str


CASES = (
    Case("triplet", "all"),
    Case("triplet", "all:semi_hard"),
    Case("triplet", "all:hard"),
    Case("triplet", "batch_hard"),
    Case("triplet", "hardest"),
    Case("triplet", "random_hard"),
    Case("triplet", "semi_hard:nearest"),
    Case("triplet", "semi_hard:random"),
    Case("triplet_soft", "all"),
    Case("triplet_soft", "batch_hard"),
    Case("ratio", "semi_hard:nearest"),
    Case("contrastive", "all"),
    Case("contrastive", "hard_negative"),
    Case("energy", "all"),
)


def sample(n: int, dim: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Embeddings (n, dim) about 1 to 2 apart and labels (n,); easy, semi-hard and hard triplets occur."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % CLASSES
    # Distances concentrate as dimensions grow, so the classes move together.
    centres = 1.5 / dim**0.25 * rng.standard_normal((CLASSES, dim))
    x = (centres[labels] + rng.standard_normal((n, dim))) / np.sqrt(2 * dim)
    return torch.tensor(x, dtype=dtype), torch.tensor(labels)


def built_loss(case: Case) -> Loss:
    """The library's loss of a case."""
    return LOSSES[case.loss](**({"bound": BOUND} if case.loss == "energy" else {}))


def chooser(case: Case) -> Callable[[Tensor, Tensor], Chosen]:
    """The library's mining from embeddings (N, d) and labels (N,); a new one makes the same picks."""
    distance, loss = euclidean(), built_loss(case)
    name, _, option = case.mining.partition(":")
    options = {{"all": "kind", "semi_hard": "pick"}[name]: option} if option else {}
    miner = (MINERS if loss.over == "triplets" else PAIR_MINERS)[name](**options)
    margin, drawing = loss.default_margin(distance), torch.Generator().manual_seed(0)

    def choose(x: Tensor, labels: Tensor) -> Chosen:
        fixed = x.detach()
        return miner(distance.matrix(fixed, fixed), relate(labels), margin=margin, generator=drawing)

    return choose


def ours(case: Case) -> Job:
    """The library's mining and loss."""
    loss, distance, choose = built_loss(case), euclidean(), chooser(case)
    return lambda x, labels: loss.value(x, choose(x, labels), distance, {})


def pml(case: Case, n: int) -> Job | None:
    """The same from pytorch-metric-learning."""
    if (case.loss, case.mining) not in PEERS or (case == Case("triplet_soft", "all") and n > EXACT_UP_TO):
        return None
    return PEERS[case.loss, case.mining](built_loss(case).default_margin(euclidean()))


def loop(
    case: Case, size: tuple[int, int], *, given: Mined | None = None, both_ways: bool = False
) -> Job | None:
    """The same by a loop over anchors for a batch of (N, d); `given` is what it has to pick."""
    margin = built_loss(case).default_margin(euclidean())
    if case.loss in anchor_loop.PAIR_CURVES:
        hard, scale = case.mining == "hard_negative", BOUND if case.loss == "energy" else margin
        return anchor_loop.pair_job(case.loss, hard=hard, scale=scale)
    rng = np.random.default_rng(0)
    ways = {
        "all": ("all", anchor_loop.every),
        "all:semi_hard": ("semi_hard", anchor_loop.every),
        "all:hard": ("hard", anchor_loop.every),
        "hardest": ("all", anchor_loop.hardest),
        "random_hard": ("all", anchor_loop.at_random(rng)),
        "semi_hard:nearest": ("semi_hard", anchor_loop.hardest),
        "semi_hard:random": ("semi_hard", anchor_loop.at_random(rng)),
    }
    listed = size[0] ** 3 * size[1] if case.mining.startswith("all") else 0
    if case.loss not in anchor_loop.TRIPLET_CURVES or case.mining not in ways or listed > 1.2e9:
        return None
    wanted, pick = ways[case.mining]
    if given is not None:
        pick = dictated(given)
    return anchor_loop.triplet_job(case.loss, wanted, pick, margin=margin, both_ways=both_ways)


def dictated(mined: Mined) -> anchor_loop.Pick:
    """Picks the negatives that the library picked, and raises where one is no candidate."""
    ends = (mined.anchor.tolist(), mined.positive.tolist())
    negative_of = dict(zip(zip(*ends, strict=True), mined.negative.tolist(), strict=True))

    def pick(pair: tuple[int, int], negatives: np.ndarray, losses: np.ndarray) -> np.ndarray:  # noqa: ARG001
        negative = negative_of.get((int(pair[0]), int(pair[1])), -1)
        if negative not in negatives:
            raise DisagreementError(f"anchor and positive {pair}: sample {negative} is no candidate")
        return np.array([negative])

    return pick


def check(case: Case, size: tuple[int, int], run: Mapping[str, Result]) -> None:
    """Raises DisagreementError unless loss and gradient of the peers are the library's.

    `run` holds the results of the timed run, which stand in for float64 where that would take minutes.
    """
    x, labels = sample(*size, torch.float64)
    own, mined = step(ours(case), x, labels), chooser(case)(x, labels)
    if size[0] > EXACT_UP_TO and "pml" in run:
        compare(f"{case}, {size}, pytorch-metric-learning", run["ours"], run["pml"])
    elif (peer := pml(case, size[0])) is not None:
        compare(f"{case}, {size}, pytorch-metric-learning", own, step(peer, x, labels))
    picked = mined if isinstance(mined, Mined) and case.mining in AT_RANDOM else None
    looped = loop(case, size, given=picked, both_ways=True)
    if looped is not None:
        compare(f"{case}, {size}, loop over anchors", own, step(looped, x, labels))


def compare(what: str, own: Result, other: Result) -> None:
    """Raises DisagreementError unless two losses and gradients agree."""
    tolerance = TOLERANCES[own[1].dtype]
    loss = abs(own[0] - other[0]) / abs(other[0])
    gradient = float((own[1] - other[1]).abs().max() / other[1].abs().max())
    if not (loss <= tolerance and gradient <= tolerance):
        raise DisagreementError(
            f"{what}: losses {own[0]:.9g} and {other[0]:.9g} differ by {loss:.1e} of it, gradients by "
            f"{gradient:.1e} of the largest entry; allowed: {tolerance:.0e}"
        )


def measured(
    case: Case, size: tuple[int, int], repeats: int, memory: tuple[float | None, float | None]
) -> Row:
    """Times a case, checks it, and puts all into a row; `memory` is that of the library and of its peer."""
    jobs = {"ours": ours(case), "pml": pml(case, size[0]), "loop": loop(case, size)}
    found = timed({name: job for name, job in jobs.items() if job is not None}, *sample(*size), repeats)
    check(case, size, {name: result for name, (_, result) in found.items()})
    spent = {name: found[name][0] if name in found else None for name in jobs}
    speedup = {name: None if ms is None else ms / spent["ours"] for name, ms in spent.items()}
    values = (
        *size, case.loss, case.mining, *spent.values(), speedup["pml"], speedup["loop"], *memory,
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def memory_of(case: Case, size: tuple[int, int]) -> tuple[float | None, float | None]:
    """Megabytes of the library and of pytorch-metric-learning."""
    peer = pml(case, size[0])
    return peak_mb(ours(case), *sample(*size)), None if peer is None else peak_mb(peer, *sample(*size))


def verdicts(rows: Sequence[Row]) -> list[str]:
    """For each aim whether the rows meet it, and the worst of them."""
    rated = [row for row in rows if row["speedup_pml"] is not None]
    aimed = [row for row in rated if row["loss"] == "triplet" and row["mining"] in AIMED]
    small, large = ([row for row in aimed if row["n"] == n] for n in (256, 1024))
    shares = [row | {"share": row["pml_mb"] / row["ours_mb"]} for row in large if row["pml_mb"] is not None]
    return [
        _verdict("never slower than pytorch-metric-learning", rated, "speedup_pml", 1),
        _verdict("10 x for semi-hard and all triplets at N = 256", small, "speedup_pml", 10),
        _verdict("40 x at N = 1024", large, "speedup_pml", 40),
        _verdict("with a sixth of its memory", shares, "share", 6),
    ]


def _verdict(aim: str, rows: Sequence[Row], key: str, least: float) -> str:
    if not rows:
        return f"{aim}: not measured"
    worst = min(rows, key=lambda row: row[key])
    name = f"{worst['loss']} {worst['mining']}, N = {worst['n']}, d = {worst['dim']}"
    return f"{aim}: {'met' if worst[key] >= least else 'MISSED'} (worst {worst[key]:.1f} x: {name})"


def show(rows: Sequence[Row]) -> None:
    """Prints a table and what it says of the aims."""
    table = Table(title="Mining and loss, forward and backward", title_justify="left")
    for name in COLUMNS:
        table.add_column(name.replace("_", " "), justify="left" if name in ("loss", "mining") else "right")
    for row in rows:
        cells = (row[name] for name in COLUMNS)
        table.add_row(*("-" if v is None else f"{v:.1f}" if isinstance(v, float) else str(v) for v in cells))
    Console(width=None if sys.stdout.isatty() else 130).print(table)
    print("; ".join(verdicts(rows)))


def main() -> None:
    """Runs the benchmark and prints it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 256, 1024], help="N, 20 and above")
    parser.add_argument("--dims", type=int, nargs="+", default=[2, 64, 256])
    parser.add_argument("--repeats", type=int, default=20, help="at most; fewer where a run takes long")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    todo = [(case, (n, dim)) for n in options.sizes for dim in options.dims for case in CASES]
    # All memory first: the forks are to start from a process that has not computed anything.
    memory = [memory_of(case, size) for case, size in todo]
    try:
        rows = [measured(*job, options.repeats, mb) for job, mb in zip(todo, memory, strict=True)]
    except DisagreementError as error:
        sys.exit(f"bench_metric: {error}")
    if options.json:
        print(json.dumps(rows, allow_nan=False))
    else:
        show(rows)


if __name__ == "__main__":
    main()
