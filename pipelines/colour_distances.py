"""What colour differences bring: palettes under a colour difference against vectors under plain Euclid.

    python pipelines/colour_distances.py --data DIR [--label mixture stability] [--repeats 2] [--json]

DIR as for real_flames.py. All distances train the same network on the same frames in the same folds by clip,
without augmentation; only the head (palette or vector, of the same width) and the distance differ. Each is
judged twice: by the nearest training frames under its own distance (mean over branches), and by a support
vector machine on the embeddings. `residual 0` is the palette as it is, with nothing learned.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from real_flames import CONFIG, LABELS, read
from score_table import show

from kilnsense.assemble import make_distance, make_encoder, make_fuser
from kilnsense.config import Config, check_config, load_config
from kilnsense.data.splits import grouped_folds
from kilnsense.errors import KilnsenseError
from kilnsense.features.fuse import to_features
from kilnsense.metric.distances import Distance
from kilnsense.nets.encode import encode
from kilnsense.recogniser import look, view
from kilnsense.seeds import generator
from kilnsense.segment.codebook import learn_codebook
from kilnsense.training.fit import Examples, fit_encoder
from kilnsense.training.objective import build_objective, shaped
from kilnsense.training.unseen import Answers, pool_folds, table_rows
from kilnsense.types import Embeddings, Views

COLOUR_DIFFERENCES = ("cie76", "cie94", "ciede2000", "hyab", "redmean")
WAYS = (
    ("vector", "euclidean", 20.0),
    ("vector", "cosine", 20.0),
    ("palette", "cie76", 0.0),
    *(("palette", name, 20.0) for name in COLOUR_DIFFERENCES),
)
"""Head, distance, residual; the palette that learns nothing is judged by cie76."""
NEIGHBOURS = 9
VIEWS = ["region:veil", "region:body", "region:core", "scale:1.0"]
SAME = {"views": VIEWS, "colours": 4, "dimensions": 12, "size": 48}


def variant(config: Config, head: str, distance: str, residual: float) -> Config:
    """The config with another head and distance."""
    values = config.model_dump()
    values["branches"] |= {**SAME, "head": head, "residual": residual}
    values["metric"]["distance"] = distance
    values["fusion"] = {"kind": "concat", "descriptors": False}
    return check_config(values, origin=f"{head}, {distance}")


def rows_of(views: Views, rows: np.ndarray) -> Views:
    """Some frames' views."""
    parts = {name: getattr(views, name)[rows] for name in ("pixels", "masks", "palettes", "present")}
    return replace(views, **parts)


def nearest(
    distance: Distance, found: Embeddings, labels: np.ndarray, train: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """Class of each test row by its nearest training rows; absent branches do not count."""
    total, count = np.zeros((len(test), len(train))), np.zeros((len(test), len(train)))
    for branch in range(len(found.names)):
        x = shaped(torch.from_numpy(found.values[:, branch]), distance)
        both = np.outer(found.present[test, branch], found.present[train, branch])
        total += np.where(both, distance.matrix(x[test], x[train]).numpy(), 0.0)
        count += both
    mean = np.where(count > 0, total / np.maximum(count, 1), np.inf)
    order = np.argsort(mean, axis=1)[:, :NEIGHBOURS]
    weight = 1.0 / np.maximum(np.take_along_axis(mean, order, axis=1), 1e-9)
    weight = weight / np.bincount(labels[train])[labels[train][order]]  # equal priors
    votes = [(weight * (labels[train][order] == c)).sum(axis=1) for c in range(labels.max() + 1)]
    return np.argmax(votes, axis=0).astype(np.int64)


def measure_label(label: str, given: argparse.Namespace) -> list[dict[str, object]]:
    """The rows of one label."""
    values = load_config(CONFIG, given.set).model_dump()
    values["data"]["label_column"], values["classes"] = label, LABELS[label]
    config = variant(check_config(values, origin=f"--label {label}"), "palette", "cie76", 0.0)
    data = read(config, given.data)
    codebook = learn_codebook(data.frames, config.segment, rng=generator(config.seed, "codebook"))
    sights = [look(frame, codebook, config) for frame in data.frames]
    views = view(data.frames, [sight.segmentation for sight in sights], config)
    named, repeats = np.full(len(data), "accepted"), []
    for repeat in range(given.seed, given.seed + given.repeats):
        chance = generator(repeat, "unseen.folds")
        folds = grouped_folds(data.names.tolist(), data.groups.tolist(), folds=given.folds, rng=chance)
        parts: list[list[Answers]] = []
        for train, test in folds:
            parts.append([])
            for way in WAYS:
                own = variant(config, *way)
                distance, encoder = make_distance(own), make_encoder(own, part=f"network.{repeat}")
                examples = Examples(
                    lambda rows, _: rows_of(views, rows), data.labels, data.groups, train, train[:0]
                )
                fit_encoder(encoder, examples, build_objective(own.metric), config=own.training, seed=repeat)
                found = encode(encoder, views)
                features = to_features(found, None)
                svm = make_fuser(own, features, evidence=None).fit(features.values[train], data.labels[train])
                said = {
                    f"{NEIGHBOURS} nearest by the distance": nearest(
                        distance, found, data.labels, train, test
                    ),
                    "svm": svm.predict(features.values[test]),
                }
                name = f"{way[0]}, {way[1]}" + (", residual 0" if way[2] == 0 else "")
                truth, plain = data.labels[test], named[test]
                parts[-1] += [
                    Answers(judge, name, False, "unseen clips", truth, predicted, plain)
                    for judge, predicted in said.items()
                ]
        repeats.append([pool_folds(same) for same in zip(*parts, strict=True)])
    return table_rows(label, repeats, classes=len(config.classes))


def main() -> None:
    """Reads the command line, measures, prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--label", nargs="+", choices=LABELS, default=list(LABELS))
    parser.add_argument("--set", action="append", default=[], help="override one value: a.b=c")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    try:
        rows = [row for label in given.label for row in measure_label(label, given)]
    except KilnsenseError as error:
        sys.exit(f"error: {error}")
    keys = ("label", "features", "classifier", "test", "frames", "repeats")
    scores = ("balanced_accuracy", "macro_f1", "balanced_accuracy_spread", "macro_f1_spread")
    rows = [{key: row[key] for key in (*keys, *scores)} for row in rows]
    show(rows, title=f"{given.data}", as_json=given.json, names=("label", "features", "classifier"))


if __name__ == "__main__":
    main()
