"""The figures of the Siamese and triplet literature, measured anew beside what is known of them.

    python pipelines/literature.py --fashion-mnist DIR --omniglot DIR [--flame-spray DIR] [--out DIR]
        [--processes N] [--quick] [--set a.b=c] [--json]

Runs `kilnsense study` on configs/study_*.yaml where their data are given; those of rendered kilns need none.
Each leaves its page, tables and trials in a folder below --out, and goes on there when it is called again.
One row per setting: nearest samples under the distance that was trained for. --quick shows that all is there
and measures nothing. The long run on Omniglot is `kilnsense study configs/study_omniglot_full.yaml`.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from kilnsense.cli.main import run

CONFIGS = Path(__file__).parents[1] / "configs"
STUDIES = {
    "study_fashion_mnist.yaml": "fashion_mnist",
    "study_omniglot.yaml": "omniglot",
    "study_flame_spray.yaml": "flame_spray",
    "study_rendered.yaml": "",
    "study_margins.yaml": "",
}
"""Config of a study: the option that names its data; empty: it has its own."""
QUICK = ("base.training.epochs=1", "base.training.batches_per_epoch=5", "seeds=[0]")
MEASURES = ("accuracy", "20-way", "5-way", "balanced_accuracy")

PER_ANCHOR = "siamese-triplet 0c719f9, 240,000 pictures, mean of two seeds"
PML = "pytorch-metric-learning 2.9, 240,000 pictures"
LONGER = "such a net and loss with rotated characters, 128,000 pictures, mean of two seeds"
REFERENCES = (
    ("study_fashion_mnist", "softmax", "accuracy", 0.857, PER_ANCHOR),
    ("study_fashion_mnist", "contrastive, drawn pairs", "accuracy", 0.829, PER_ANCHOR),
    ("study_fashion_mnist", "triplet, drawn triplets", "accuracy", 0.785, PER_ANCHOR),
    ("study_fashion_mnist", "ratio, drawn triplets", "accuracy", 0.790, "Hoffer and Ailon 2015, anew"),
    ("study_fashion_mnist", "contrastive, hard negatives", "accuracy", 0.897, PER_ANCHOR),
    ("study_fashion_mnist", "triplet, random-hard", "accuracy", 0.890, PER_ANCHOR),
    ("study_fashion_mnist", "triplet, semi-hard", "accuracy", 0.877, PML),
    ("study_fashion_mnist", "triplet, all semi-hard, 64-D of unit length", "accuracy", 0.909, PML),
    ("study_omniglot", "triplet, L2, dimensions 64", "20-way", 0.893, LONGER),
    ("study_omniglot", "triplet, L2, dimensions 64", "5-way", 0.963, LONGER),
    ("study_omniglot", "contrastive, L2, dimensions 64", "20-way", 0.881, "Siamese net, Vinyals et al. 2016"),
    ("study_omniglot", "contrastive, L2, dimensions 64", "5-way", 0.973, "Siamese net, Vinyals et al. 2016"),
)
"""Study, setting, measure, figure and where it is from; trained to the end where no budget is named."""


def study(name: str, given: argparse.Namespace) -> list[dict[str, object]]:
    """Runs a study, or goes on with it, and gives its rows."""
    folder, data = given.out / Path(name).stem, getattr(given, STUDIES[name], None)
    settings = [*(QUICK if given.quick else ()), *([f"base.data.root={data}"] if data else []), *given.set]
    place = ["--resume" if folder.exists() else "--out", str(folder), "--processes", str(given.processes)]
    if code := run(["study", str(CONFIGS / name), *place, *(f"--set={text}" for text in settings)]):
        sys.exit(code)
    with (folder / "study.csv").open(encoding="utf-8", newline="") as file:
        found = [row for row in csv.DictReader(file) if row["judge"] == "nearest"]
    wanted = [r for r in found if r["features"] in ("embedding", "branches") and r["measure"] in MEASURES]
    return [row_of(folder.name, row) for row in wanted]


def row_of(name: str, row: dict[str, str]) -> dict[str, object]:
    """One line of the table: a result, and the figure that is known of it or None."""
    known = {reference[:3]: reference[3:] for reference in REFERENCES}
    figure, source = known.get((name, row["name"], row["measure"]), (None, ""))
    mean, spread = float(row["mean"]), float(row["spread"]) if row["spread"] else None
    places = {"study": name, "setting": row["name"], "measure": row["measure"], "seeds": int(row["n"])}
    return {**places, "measured": mean, "spread": spread, "reference": figure, "source": source}


def main() -> None:
    """Reads the command line, runs the studies, prints one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for option in filter(None, STUDIES.values()):
        parser.add_argument(f"--{option.replace('_', '-')}", type=Path, metavar="DIR")
    parser.add_argument("--out", type=Path, default=Path("runs/literature"))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--set", action="append", default=[], help="override one value of all studies")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    names = [name for name, option in STUDIES.items() if not option or getattr(given, option)]
    rows = [row for name in names for row in study(name, given)]
    if given.json:
        sys.stdout.write(json.dumps(rows, allow_nan=False) + "\n")
        return
    table = Table("study", "setting", "measure", "measured", "reference", "of")
    for row in rows:
        measured = f"{row['measured']:.3f}" + ("" if row["spread"] is None else f" ±{row['spread']:.3f}")
        shown = "" if row["reference"] is None else f"{row['reference']:.3f}"
        table.add_row(
            *(str(row[key]) for key in ("study", "setting", "measure")), measured, shown, str(row["source"])
        )
    Console(width=None if sys.stdout.isatty() else 200).print(table)


if __name__ == "__main__":
    main()
