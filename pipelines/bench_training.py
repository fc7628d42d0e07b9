"""How fast a network trains, with our random-hard mining and with the usual loop over anchors.

    python pipelines/bench_training.py --data DIR [--steps 60] [--repeats 5] [--json]

DIR holds the four IDX files of Fashion-MNIST. Network, batches, loss and the training loop itself are the
same, those of configs/study_fashion_mnist.yaml; only the miner differs. The loop comes in two forms: looking
distances up in a torch matrix for every pair, as published code does, and in numpy, which is faster. The
three take turns; figures are pictures per second of training, judging left out, and the ratios of medians.
"""

import argparse
import json
import statistics
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch
from anchor_loop import at_random, triplets
from torch import Tensor

from kilnsense.config import Config, load_study, overlay
from kilnsense.data.pictures import read_idx
from kilnsense.errors import KilnsenseError
from kilnsense.metric.counts import Counts
from kilnsense.metric.miners import MINERS, Mined
from kilnsense.metric.ranking import Relation
from kilnsense.study.grey import learn, show
from kilnsense.study.pictures import split_pictures
from kilnsense.training.threads import limited_threads

CONFIG = Path(__file__).parents[1] / "configs" / "study_fashion_mnist.yaml"
MINER = "random_hard"
LOOPS = {"loop, torch look-ups": False, "loop, numpy": True}
"""The peers, and whether their distances go to numpy first."""


def loop_over_anchors(
    distances: Tensor,
    relation: Relation,
    *,
    margin: float | Tensor,
    generator: torch.Generator,
    in_numpy: bool,
) -> Mined:
    """Random-hard triplets as published code finds them: each pair of a class one way round."""
    table = distances.numpy() if in_numpy else distances
    same = relation.positive.clone().fill_diagonal_(True)
    labels = same.int().argmax(1)  # the first of a class names it
    rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
    found = triplets(table, labels.numpy(), "all", at_random(rng), margin=float(margin))
    anchor, positive, negative = (torch.from_numpy(rows) for rows in found)
    hard = int((distances[anchor, negative] <= distances[anchor, positive]).sum())
    counts = Counts(semi_hard=len(anchor) - hard, hard=hard)
    return Mined(anchor, positive, negative, margin, valid=len(anchor), counts=counts)


def main() -> None:
    """Reads the command line, trains in turns, prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    try:
        speeds = measure(given)
    except KilnsenseError as error:
        sys.exit(f"error: {error}")
    medians = {name: statistics.median(found) for name, found in speeds.items()}
    ratios = {name: medians[MINER] / medians[name] for name in LOOPS}
    if given.json:
        sys.stdout.write(json.dumps({"images_per_second": speeds, "ratios": ratios}) + "\n")
        return
    for name, median in medians.items():
        low, high = min(speeds[name]), max(speeds[name])
        times = f"; {MINER} is {ratios[name]:.2f} times as fast" if name in ratios else ""
        sys.stdout.write(f"{name:<22}{median:6.0f} pictures a second ({low:.0f} to {high:.0f}){times}\n")


def measure(given: argparse.Namespace) -> dict[str, list[float]]:
    """Pictures per second of every repeat, by miner."""
    for name, in_numpy in LOOPS.items():
        MINERS[name] = lambda in_numpy=in_numpy: partial(loop_over_anchors, in_numpy=in_numpy)
    study = load_study(CONFIG, [f"base.data.root={given.data}"])
    (variant,) = (variant for variant in study.variants if variant.name == "triplet, random-hard")
    pictures = read_idx(str(given.data), "train", study.base.classes)
    once = {"training.epochs": 1, "training.batches_per_epoch": given.steps}
    base = overlay(study.base, {**variant.settings, **once}, origin="bench_training")
    shown = show(pictures, size=base.branches.size, head=base.branches.head, colours=base.branches.colours)
    split = split_pictures(pictures.labels, base)

    def speed(config: Config) -> float:
        learner = learn(config, shown, pictures.labels, split, checkpoints=None, progress=None)
        return learner.result.history.images_per_second

    speeds: dict[str, list[float]] = {MINER: [], **{name: [] for name in LOOPS}}
    with limited_threads(base.training.threads):
        for _ in range(given.repeats):
            for miner, found in speeds.items():
                found.append(speed(overlay(base, {"metric.miner": miner}, origin="bench_training")))
    return speeds


if __name__ == "__main__":
    main()
