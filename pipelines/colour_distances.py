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

import numpy as np
from real_flames import CONFIG, LABELS, read
from score_table import options, show

from kilnsense.assemble import build_objective, make_distance, make_encoder, make_fuser
from kilnsense.config import Config, check_config, load_config
from kilnsense.data.labelled import Labelled
from kilnsense.data.splits import grouped_folds
from kilnsense.errors import KilnsenseError
from kilnsense.features.fuse import to_features
from kilnsense.nets.encode import encode
from kilnsense.recogniser import judged_mask, look, view
from kilnsense.seeds import generator
from kilnsense.segment.codebook import learn_codebook
from kilnsense.study.branches import Compared, nearest_by_branches
from kilnsense.training.fit import Examples, fit_encoder
from kilnsense.training.unseen import Answers, pool_folds, table_rows
from kilnsense.types import Views

WAYS = (
    ("vector", "euclidean", 20.0),
    ("vector", "cosine", 20.0),
    ("palette", "cie76", 0.0),
    *(("palette", name, 20.0) for name in ("cie76", "cie94", "ciede2000", "hyab", "redmean")),
)
"""Head, distance, residual; the palette that learns nothing is judged by cie76."""
NEIGHBOURS = 9
Fold = tuple[np.ndarray, np.ndarray]
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


def judge_way(
    way: tuple[str, str, float], config: Config, data: Labelled, views: Views, fold: Fold, *, seed: int
) -> list[Answers]:
    """Trains one way on a fold; what the nearest frames and a support vector machine then say of its test."""
    own, (train, test) = variant(config, *way), fold
    encoder = make_encoder(own, part=f"network.{seed}")
    examples = Examples(lambda rows, _: rows_of(views, rows), data.labels, data.groups, train, train[:0])
    fit_encoder(encoder, examples, build_objective(own.metric), config=own.training, seed=seed)
    found = encode(encoder, views)
    features = to_features(found, None)
    svm = make_fuser(own, features, evidence=None).fit(features.values[train], data.labels[train])
    compared = Compared(found, (make_distance(own),) * len(found.names))
    by_distance = nearest_by_branches(compared, data.labels, train, test, neighbours=NEIGHBOURS)
    said = {f"{NEIGHBOURS} nearest by the distance": by_distance, "svm": svm.predict(features.values[test])}
    name = f"{way[0]}, {way[1]}" + (", residual 0" if way[2] == 0 else "")
    truth, named = data.labels[test], np.full(len(test), "accepted")
    return [
        Answers(judge, name, False, "unseen clips", truth, answer, named) for judge, answer in said.items()
    ]


def measure_label(label: str, given: argparse.Namespace) -> list[dict[str, object]]:
    """The rows of one label."""
    values = load_config(CONFIG, given.set).model_dump()
    values["data"]["label_column"], values["classes"] = label, LABELS[label]
    config = variant(check_config(values, origin=f"--label {label}"), "palette", "cie76", 0.0)
    data = read(config, given.data)
    rng = generator(config.seed, "codebook")
    codebook = learn_codebook(data.frames, config.segment, mask_of=lambda f: judged_mask(f, config), rng=rng)
    sights = [look(frame, codebook, config) for frame in data.frames]
    views = view(data.frames, [sight.segmentation for sight in sights], config)
    repeats = []
    for repeat in range(given.seed, given.seed + given.repeats):
        chance = generator(repeat, "unseen.folds")
        folds = grouped_folds(data.names.tolist(), data.groups.tolist(), folds=given.folds, rng=chance)
        parts = [
            [said for way in WAYS for said in judge_way(way, config, data, views, fold, seed=repeat)]
            for fold in folds
        ]
        repeats.append([pool_folds(same) for same in zip(*parts, strict=True)])
    return table_rows(label, repeats, classes=len(config.classes))


def main() -> None:
    """Reads the command line, measures, prints."""
    parser = options(__doc__, repeats=2)
    parser.add_argument("--label", nargs="+", choices=LABELS, default=list(LABELS))
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
