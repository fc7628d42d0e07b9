"""What a model says of frames that it should not trust itself on: parts of the real clips left out.

    python pipelines/drift.py --data DIR [--classifiers svm lda] [--set training.enabled=false] [--json]

DIR as for real_flames.py, clips named in the order of the day. Each line trains on the other clips:
brightest mid (the four brightest clips of the middle class), late (the last third of the day, from the first
two thirds), late lean (the clips of the first class in the last third) and every class left out, which no
answer can get right. What counts is accepted_wrong, the share of frames with a wrong state named.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from real_flames import CONFIG, LABELS, read
from score_table import show

from kilnsense.config import check_config, load_config
from kilnsense.data.labelled import Labelled
from kilnsense.errors import KilnsenseError
from kilnsense.image.colour import luminance
from kilnsense.training.unseen import Split, judge_splits, table_rows

LABEL = "mixture"


def cases(data: Labelled) -> Iterator[tuple[str, np.ndarray]]:
    """Name and (N,) True for the frames that are left out and judged."""
    clips = sorted(set(data.groups.tolist()))
    bright = np.array([float(luminance(frame.pixels).mean()) for frame in data.frames])
    late = np.isin(data.groups, clips[2 * len(clips) // 3 :])
    middle = [clip for clip in clips if data.labels[data.groups == clip][0] == 1]
    brightest = sorted(middle, key=lambda clip: -bright[data.groups == clip].mean())[:4]
    yield "brightest mid", np.isin(data.groups, brightest)
    yield "late", late
    yield "late lean", late & (data.labels == 0)
    for index, name in enumerate(data.classes):
        yield f"{name} left out", data.labels == index


def main() -> None:
    """Reads the command line, measures, prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--classifiers", nargs="+", default=["svm", "lda"])
    parser.add_argument("--set", action="append", default=[], help="override one value: a.b=c")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    try:
        values = load_config(CONFIG, given.set).model_dump()
        values["data"]["label_column"], values["classes"] = LABEL, LABELS[LABEL]
        config = check_config(values, origin=LABEL)
        data = read(config, given.data)
        splits = []
        for name, out in cases(data):
            if not out.any():
                continue
            train, test = data.subset(np.flatnonzero(~out)), data.subset(np.flatnonzero(out))
            splits.append(Split(config, train, {name: test}, given.classifiers, baselines=False))
        rows = []
        for answers in judge_splits(splits, processes=given.processes):
            rows += table_rows(LABEL, [answers], classes=len(config.classes))
    except KilnsenseError as error:
        sys.exit(f"error: {error}")
    names = ("label", "test", "frames", "classifier", "features")
    show(rows, title=f"{given.data}", as_json=given.json, names=names)


if __name__ == "__main__":
    main()
