"""The figures of the Siamese and triplet literature, measured anew beside what is known of them.

    python pipelines/literature.py --fashion-mnist DIR --omniglot DIR [--flame-spray DIR] [--out DIR]
        [--processes N] [--quick] [--set a.b=c] [--json]

Runs `kilnsense study` on configs/study_*.yaml where their data are given; those of rendered kilns need none.
Each leaves its page, tables and trials in a folder below --out, and goes on there when it is called again.
One row per setting: nearest samples under the distance that was trained for. For frames a second table holds
the mean over all settings of every judge on every region, every scale, and all of them; --json has each.
--quick shows that all is there and measures nothing. The long run on Omniglot is
`kilnsense study configs/study_omniglot_full.yaml`.

--set is for every study that is run, so it can name only what all of them have. A folder that was begun with
other settings is not gone on with: give another --out, or run `kilnsense study` on the one config.
"""

import argparse
import csv
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import mean

from rich.console import Console
from rich.table import Table

from kilnsense.cli.main import run

CONFIGS = Path(__file__).parents[1] / "configs"
STUDIES = {
    "study_fashion_mnist.yaml": "fashion_mnist",
    "study_omniglot.yaml": "omniglot",
    "study_flame_spray.yaml": "flame_spray",
    "study_flame_margins.yaml": "flame_spray",
    "study_rendered.yaml": "",
    "study_margins.yaml": "",
}
"""Config of a study: the option that names its data; empty: it has its own."""
QUICK = ("base.training.epochs=1", "base.training.batches_per_epoch=5", "seeds=[0]")
MEASURES = ("accuracy", "20-way", "5-way")
"""Of the nearest, for pictures and characters."""
OF_FRAMES = "balanced_accuracy"
"""Of every judge on all that a study of frames looks at."""
WHOLE = ("embedding", "branches")
"""All that was learned, which the nearest are looked for in."""

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
        found = list(csv.DictReader(file))
    wanted = [r for r in found if r["measure"] == OF_FRAMES or (is_whole(r) and r["measure"] in MEASURES)]
    return [row_of(folder.name, row) for row in wanted]


def is_whole(row: Mapping[str, object]) -> bool:
    """Whether it is of the nearest by all that was learned."""
    return row["judge"] == "nearest" and row["features"] in WHOLE


def row_of(name: str, row: dict[str, str]) -> dict[str, object]:
    """One result, and the figure that is known of it or None."""
    known = {reference[:3]: reference[3:] for reference in REFERENCES} if is_whole(row) else {}
    figure, source = known.get((name, row["name"], row["measure"]), (None, ""))
    measured, spread = float(row["mean"]), float(row["spread"]) if row["spread"] else None
    places = {"study": name, "setting": row["name"], "features": row["features"], "judge": row["judge"]}
    counted = {"measure": row["measure"], "seeds": int(row["n"])}
    return {
        **places,
        **counted,
        "measured": measured,
        "spread": spread,
        "reference": figure,
        "source": source,
    }


def settings_table(rows: list[dict[str, object]]) -> Table:
    """A line per setting and measure: the nearest by all that was learned."""
    table = Table("study", "setting", "measure", "measured", "reference", "of")
    for row in filter(is_whole, rows):
        measured = f"{row['measured']:.3f}" + ("" if row["spread"] is None else f" ±{row['spread']:.3f}")
        shown = "" if row["reference"] is None else f"{row['reference']:.3f}"
        table.add_row(
            *(str(row[key]) for key in ("study", "setting", "measure")), measured, shown, str(row["source"])
        )
    return table


def parts_table(name: str, rows: list[dict[str, object]]) -> Table | None:
    """A line per features and a column per judge, means over all settings; None where one of each is all."""
    cells: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row["study"] == name and row["measure"] == OF_FRAMES:
            cells.setdefault((str(row["features"]), str(row["judge"])), []).append(
                float(str(row["measured"]))
            )
    if len(cells) < 2:
        return None
    features, judges = (list(dict.fromkeys(cell[place] for cell in cells)) for place in (0, 1))
    settings = max(map(len, cells.values()))
    table = Table("looked at", *judges, title=f"{name}: {OF_FRAMES}, mean over {settings} settings")
    for part in features:
        found = (cells.get((part, judge)) for judge in judges)
        table.add_row(part, *(f"{mean(values):.3f}" if values else "" for values in found))
    return table


def main() -> None:
    """Reads the command line, runs the studies, prints one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for option in dict.fromkeys(filter(None, STUDIES.values())):
        parser.add_argument(f"--{option.replace('_', '-')}", type=Path, metavar="DIR")
    parser.add_argument("--out", type=Path, default=Path("runs/literature"))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--set", action="append", default=[], help="override one value of every study that is run"
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    names = [name for name, option in STUDIES.items() if not option or getattr(given, option)]
    rows = [row for name in names for row in study(name, given)]
    if given.json:
        sys.stdout.write(json.dumps(rows, allow_nan=False) + "\n")
        return
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(settings_table(rows))
    for name in names:
        if (table := parts_table(Path(name).stem, rows)) is not None:
            console.print(table)


if __name__ == "__main__":
    main()
