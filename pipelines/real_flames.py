"""How well the flames of a real spray burner are read: whole models beside baselines, on unseen clips.

    python pipelines/real_flames.py --data DIR [--test FOLDER ...] [--label mixture stability] [--json]

DIR and every FOLDER hold `frames/` and `manifest.csv` (columns path, group and the labels). Without --test,
DIR is split by clip into folds, again and again; answers are pooled over the folds of a repeat, and the
spread is that of the repeats. With --test, models are trained on all of DIR and judged on each FOLDER.
balanced_accuracy and macro_f1 are over all frames, abstentions or not.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from score_table import options, show

from kilnsense.config import Config, check_config, load_config
from kilnsense.data.folders import read_samples
from kilnsense.data.labelled import Labelled, read_labelled
from kilnsense.errors import InputError, KilnsenseError
from kilnsense.training.unseen import COMPARED, Split, fold_splits, judge_splits, pool_folds, table_rows

LABELS = {"mixture": ("lean", "mid", "rich"), "stability": ("unstable", "uncertain", "stable")}
CONFIG = Path(__file__).parents[1] / "configs" / "flame_spray.yaml"


def read(config: Config, folder: Path, *, test: bool = False) -> Labelled:
    """All frames of a folder; a test may lack a class, and its clips are others than those of training."""
    values = config.model_dump()
    values["data"]["root"] = str(folder)
    config = check_config(values, origin=str(folder))
    data, failures = read_labelled(read_samples(config.data, config.classes, every_class=not test), config)
    for failure in failures:
        sys.stderr.write(f"left out {failure.source}: {failure.message}\n")
    return replace(data, groups=np.char.add(f"{folder}/", data.groups)) if test else data


def check_new(train: Labelled, test: Labelled, folder: Path) -> None:
    """Raises InputError where a test frame is one of training, byte by byte."""
    known = {frame.sha256: frame.source for frame in train.frames}
    for frame in test.frames:
        if frame.sha256 in known:
            raise InputError(f"{folder}: {frame.source} is training frame {known[frame.sha256]}; take others")


def measure_label(label: str, given: argparse.Namespace) -> list[dict[str, object]]:
    """The rows of one label."""
    values = load_config(given.config, given.set).model_dump()
    values["data"]["label_column"], values["classes"] = label, LABELS[label]
    values["seed"] = given.seed
    config = check_config(values, origin=f"--label {label}")
    data = read(config, given.data)
    tests = {str(folder): read(config, folder, test=True) for folder in given.test}
    for folder, test in tests.items():
        check_new(data, test, Path(folder))
    return answer(label, Split(config, data, tests, given.classifiers), given, name="unseen clips")


def answer(label: str, whole: Split, given: argparse.Namespace, *, name: str) -> list[dict[str, object]]:
    """The rows of one whole set: in folds where it names no tests."""
    if whole.tests:
        (answers,) = judge_splits([whole], processes=1)
        repeats = [answers]
    else:
        splits = fold_splits(whole, folds=given.folds, repeats=given.repeats, name=name)
        parts = list(judge_splits(splits, processes=given.processes))
        each = [parts[start : start + given.folds] for start in range(0, len(parts), given.folds)]
        repeats = [[pool_folds(same) for same in zip(*folds, strict=True)] for folds in each]
    return table_rows(label, repeats, classes=len(whole.config.classes))


def main() -> None:
    """Reads the command line, measures, prints."""
    parser = options(__doc__, repeats=1)
    parser.add_argument("--test", type=Path, nargs="*", default=[])
    parser.add_argument("--label", nargs="+", choices=LABELS, default=list(LABELS))
    parser.add_argument("--classifiers", nargs="+", default=list(COMPARED))
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    try:
        rows = [row for label in given.label for row in measure_label(label, given)]
    except KilnsenseError as error:
        sys.exit(f"error: {error}")
    names = ("label", "test", "classifier", "features", "baseline")
    show(rows, title=f"{given.data}", as_json=given.json, names=names)


if __name__ == "__main__":
    main()
