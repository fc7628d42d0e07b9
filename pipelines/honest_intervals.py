"""Does `kilnsense compare` tell the truth? Simulated comparisons in which the truth is known.

    python pipelines/honest_intervals.py [--comparisons 500] [--groups 12 18 31] [--json]

Simulated camera runs (synthetic numbers, no pictures): each has its own offset, so that frames of a run
repeat each other; half of the runs change their state on the way. Two repeats of five grouped folds, the
measures, intervals and tests of the command. Three questions:

- seeds: the same mlp, two seeds. How often are the two called different? (aim: at most 5 %, give or take 2)
- twins: the same classifier on two sets of columns of equal worth. As above, and harder: the two differ in
  every run, only not on average.
- coverage: how often does the 95 % interval of macro-F1 hold the score that the very models of the folds
  reach on a thousand other runs? (aim: 93 to 97 %) And the mean of that score over all data sets?
- power: a classifier beside one with half the signal. How often are they told apart? (no aim)
"""

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kilnsense.classify.compare import corrected_test, fold_values
from kilnsense.classify.intervals import interval
from kilnsense.classify.measures import MEASURES, cost_table, macro_f1
from kilnsense.classify.models import build_classifier, class_probabilities
from kilnsense.classify.tally import Tally, count, stack
from kilnsense.data.splits import grouped_folds

CLASSES = ("under", "normal", "over")
FRAMES, COLUMNS, FOLDS, REPEATS, OTHERS = 8, 6, 5, 2, 900
SHARE = 1 / (FOLDS - 1)
MEASURE, COSTS = MEASURES["macro_f1"], cost_table((), len(CLASSES))
Rows = NDArray[np.float64]


def runs(groups: int, rng: np.random.Generator, signal: float = 1.6) -> tuple[Rows, NDArray[np.int64], Rows]:
    """(rows, labels, group of each row); two sets of columns of equal worth stand side by side."""
    start = np.arange(groups) % 3
    later = np.where(np.arange(groups) // 3 % 2, start, np.clip(start + rng.choice([-1, 1], groups), 0, 2))
    change = rng.integers(1, FRAMES, groups)
    labels = np.where(np.arange(FRAMES) < change[:, None], start[:, None], later[:, None])
    rows = rng.normal(0, 1, (groups, 1, 2 * COLUMNS)) + rng.normal(0, 0.7, (groups, FRAMES, 2 * COLUMNS))
    for column in (0, COLUMNS):
        rows[..., column] += signal * labels
        rows[..., column + 1] += 0.5 * signal * labels
    return rows.reshape(-1, 2 * COLUMNS), labels.ravel(), np.repeat(np.arange(groups), FRAMES)


def judge(
    kind: str,
    seed: int,
    rows: Rows,
    labels: NDArray[np.int64],
    groups: Rows,
    chance: int,
    others: Rows | None,
) -> tuple[Tally, Tally, list[Rows]]:
    """Tallies by group and by fold, and what each fold's model says of other runs."""
    rng, by_group, by_fold, elsewhere = np.random.default_rng(chance), [], [], []
    for _ in range(REPEATS):
        table, fold = np.zeros((len(rows), 3)), np.zeros(len(rows), np.intp)
        texts = [str(label) for label in labels], [str(group) for group in groups]
        for number, (train, test) in enumerate(grouped_folds(*texts, folds=FOLDS, rng=rng)):
            model = build_classifier(kind, {}, seed=seed).fit(rows[train], labels[train])
            table[test] = class_probabilities(model, rows[test], classes=3)
            fold[test] = number
            if others is not None:
                elsewhere.append(class_probabilities(model, others, classes=3))
        named = np.ones(len(rows), bool)
        by_group.append(count(labels, table, named, groups, places=int(groups.max()) + 1))
        by_fold.append(count(labels, table, named, fold, places=FOLDS))
    return stack(by_group), stack(by_fold), elsewhere


def different(one: Tally, other: Tally) -> bool:
    """Whether the corrected test tells the two apart."""
    ahead = fold_values(one, MEASURE, COSTS) - fold_values(other, MEASURE, COSTS)
    return corrected_test(ahead.ravel(), test_share=SHARE)[0] < 0.05


def simulate(groups: int, kind: str, number: int) -> dict[str, float]:
    """One data set: what was called different in it, and what its interval held."""
    rng = np.random.default_rng([groups, number])
    rows, labels, group = runs(groups, rng)
    far, truth, _ = runs(OTHERS, np.random.default_rng([groups, 7_000_000]))
    half = slice(0, COLUMNS)
    on = partial(judge, labels=labels, groups=group, chance=number, others=None)
    first, folds, said = judge(kind, 0, rows[:, half], labels, group, number, far[:, half])
    twin = on(kind, 0, rows[:, COLUMNS:])[1]
    seeds = [on("mlp", seed, rows[:, half])[1] for seed in (1, 2)]
    weak = rows[:, half] - 0.8 * np.outer(labels, [1, 0.5, 0, 0, 0, 0])
    whole = np.zeros((len(said), 3, 3))
    for table, counts in zip(said, whole, strict=True):
        np.add.at(counts, (truth, table.argmax(axis=1)), 1)
    found = interval(first, MEASURE, COSTS, test_share=SHARE, rng=np.random.default_rng(number))
    return {
        "seeds": float(different(*seeds)),
        "twins": float(different(folds, twin)),
        "power": float(different(folds, on(kind, 0, weak)[1])),
        "low": found.low,
        "high": found.high,
        "score": found.value,
        "true": float(macro_f1(whole).mean()),
    }


def summary(groups: int, kind: str, found: list[dict[str, float]]) -> dict[str, float | int | str]:
    """Shares over all simulated data sets."""
    column = {name: np.array([one[name] for one in found]) for name in found[0]}
    held = (column["low"] <= column["true"]) & (column["true"] <= column["high"])
    mean = float(column["true"].mean())
    return {
        "groups": groups,
        "classifier": kind,
        "comparisons": len(found),
        **{f"{name}_different": float(column[name].mean()) for name in ("seeds", "twins", "power")},
        "coverage": float(held.mean()),
        "coverage_of_mean": float(((column["low"] <= mean) & (mean <= column["high"])).mean()),
        "width": float((column["high"] - column["low"]).mean()),
        "score": float(column["score"].mean()),
        "true_score": mean,
    }


def main() -> None:
    """Reads the command line, simulates, prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--comparisons", type=int, default=500)
    parser.add_argument("--groups", type=int, nargs="+", default=[12, 18, 31])
    parser.add_argument("--classifiers", nargs="+", default=["svm", "knn", "lda"])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before the processes start
    with ProcessPoolExecutor(given.processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        for line in lines(given, pool):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


def lines(given: argparse.Namespace, pool: ProcessPoolExecutor) -> Iterator[str]:
    """One line for each size and classifier."""
    for groups in given.groups:
        for kind in given.classifiers:
            found = list(pool.map(partial(simulate, groups, kind), range(given.comparisons), chunksize=4))
            row = summary(groups, kind, found)
            yield (
                json.dumps(row)
                if given.json
                else "  ".join(
                    f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}"
                    for name, value in row.items()
                )
            )


if __name__ == "__main__":
    main()
