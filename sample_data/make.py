"""Renders this folder's frames and clip anew: the same bytes for the same version of the renderer."""

import shutil
from pathlib import Path

from kilnsense.render.sequence import Simulation, simulate

HERE = Path(__file__).parent


def main() -> None:
    """Replaces runs/ and clip/."""
    for name in ("runs", "clip"):
        shutil.rmtree(HERE / name, ignore_errors=True)
    simulate(HERE / "runs", Simulation(runs=10, frames=20, size=(352, 264), seed=18))
    simulate(HERE / "clip", Simulation(runs=1, frames=500, size=(320, 240), video=True, masks=False, seed=0))


if __name__ == "__main__":
    main()
