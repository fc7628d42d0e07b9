"""`kilnsense simulate`: a synthetic kiln camera with known truth."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kilnsense.cli.options import AsJson
from kilnsense.cli.output import emit_json, people, steps


class Difficulty(StrEnum):
    """How far apart the states are to the eye."""

    easy = "easy"
    plant = "plant"
    hard = "hard"


def simulate(
    out: Annotated[Path, typer.Option("--out", help="New folder for the frames and their truth.")],
    runs: Annotated[int, typer.Option(min=1, help="Runs: kiln x camera x day.")] = 12,
    frames: Annotated[int, typer.Option(min=1, help="Frames in each run.")] = 40,
    difficulty: Annotated[
        Difficulty, typer.Option(help="How hard the states are to tell.")
    ] = Difficulty.plant,
    size: Annotated[str, typer.Option(help="Width x height in pixels.")] = "640x480",
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
    video: Annotated[
        bool, typer.Option("--video", help="One MP4 per run in place of a folder of JPEGs.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Render runs of a synthetic kiln camera: frames, region masks and the true state of each."""
    from kilnsense.render.sequence import Simulation, parse_size
    from kilnsense.render.sequence import simulate as render

    wanted = Simulation(
        runs=runs,
        frames=frames,
        difficulty=difficulty.value,
        seed=seed,
        size=parse_size(size),
        video=video,
    )
    with steps("frames rendered") as progress:
        manifest = render(out, wanted, workers=workers, progress=progress)
    people().print(f"{runs} runs of {frames} frames (synthetic, {difficulty.value}): {manifest}")
    if as_json:
        emit_json(
            "simulate", {"manifest": str(manifest), "runs": runs, "frames": runs * frames, "seed": seed}
        )
