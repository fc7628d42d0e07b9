"""How well the roast of coffee beans is read from photographs, as they are and on a flat background.

    python pipelines/coffee_roast.py --data DIR [--background original flat] [--repeats 1] [--json]

DIR holds one folder per class (green, light, medium, dark). Each photograph is a group of its own; folds,
repeats and measures as in real_flames.py. Flat: the bean, found by its distance in Lab from the colour of
the picture's border, stays; all else becomes one grey, in training and in test alike.
"""

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from real_flames import answer
from score_table import options, show

from kilnsense.config import check_config, load_config
from kilnsense.data.folders import read_samples
from kilnsense.data.labelled import Labelled, read_labelled
from kilnsense.errors import KilnsenseError
from kilnsense.image.colour import srgb_to_lab
from kilnsense.training.unseen import COMPARED, Split
from kilnsense.types import Frame

GREY = 128
CONFIG = Path(__file__).parents[1] / "configs" / "coffee_roast.yaml"


def flat(frame: Frame) -> Frame:
    """The frame with one grey around its largest thing of another colour than the border."""
    lab = srgb_to_lab(frame.pixels)
    edge = max(2, min(lab.shape[:2]) // 20)
    border = np.concatenate(
        [part.reshape(-1, 3) for part in (lab[:edge], lab[-edge:], lab[:, :edge], lab[:, -edge:])]
    )
    far = np.linalg.norm(lab - np.median(border, axis=0), axis=2)
    level = np.clip(2.0 * far, 0, 255).astype(np.uint8)
    _, mask = cv2.threshold(cv2.medianBlur(level, 5), 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(np.asarray(mask, np.uint8))
    bean = (
        (parts == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())).astype(np.uint8) if len(stats) > 1 else mask
    )
    outlines, _ = cv2.findContours(np.asarray(bean, np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    whole = cv2.drawContours(np.zeros(lab.shape[:2], np.uint8), outlines, -1, 1, cv2.FILLED)
    return replace(frame, pixels=np.where(whole[..., None] > 0, frame.pixels, np.uint8(GREY)))


def main() -> None:
    """Reads the command line, measures, prints."""
    parser = options(__doc__, repeats=1)
    parser.add_argument("--background", nargs="+", choices=("original", "flat"), default=["original", "flat"])
    parser.add_argument("--classifiers", nargs="+", default=list(COMPARED))
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    rows = []
    try:
        values = load_config(given.config, given.set).model_dump()
        values["data"]["root"], values["seed"] = str(given.data), given.seed
        config = check_config(values, origin=str(given.data))
        data, _ = read_labelled(read_samples(config.data, config.classes), config)
        for background in given.background:
            frames = data.frames if background == "original" else tuple(map(flat, data.frames))
            seen = Labelled(data.classes, frames, data.labels, data.groups)
            whole = Split(config, seen, {}, given.classifiers)
            rows += answer("roast", whole, given, name=f"{background} background")
    except KilnsenseError as error:
        sys.exit(f"error: {error}")
    names = ("label", "test", "classifier", "features", "baseline")
    show(rows, title=f"{given.data}", as_json=given.json, names=names)


if __name__ == "__main__":
    main()
