"""How hard a simulated plant is: the spread of everything that is not the burning state."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Difficulty:
    """Spreads between runs and within a run.

    A cue is one visible effect of the state (bed angle, nodule size, plume length ...). Its spread is given
    in burn units: 1 is the step from the middle of the normal band to the middle of the next one.
    """

    cue_offset: float  # standard deviation of a cue's constant offset per run, burn units
    cue_noise: float  # standard deviation of a cue's slow wandering within a run, burn units
    exposure_stops: float  # standard deviation of the exposure setting between runs, photographic stops
    automatic_share: float  # share of runs with automatic exposure (half centre, half highlight)
    no_ir_cut_share: float  # share of runs whose camera has no infrared cut filter
    wall_spread_k: float  # standard deviation of the wall temperature between runs
    flame_spread_k: float  # standard deviation of the flame temperature between runs
    decoupled_share: float  # share of time in which the dust has nothing to do with the state
    dust: float  # optical depth multiplier of the dust
    puffs_per_minute: float
    upsets_per_hour: float  # minutes in which dust hides nearly everything
    film: float  # largest lens film, 0 (clean) to 1 (opaque)
    read_noise: float  # standard deviation in the dark, share of full scale
    jpeg_quality: tuple[int, int]  # lowest and highest setting among the runs


DIFFICULTIES: dict[str, Difficulty] = {
    "easy": Difficulty(
        cue_offset=0.05,
        cue_noise=0.07,
        exposure_stops=0.2,
        automatic_share=0.2,
        no_ir_cut_share=0.0,
        wall_spread_k=8.0,
        flame_spread_k=20.0,
        decoupled_share=0.1,
        dust=0.35,
        puffs_per_minute=0.3,
        upsets_per_hour=0.0,
        film=0.05,
        read_noise=0.002,
        jpeg_quality=(92, 96),
    ),
    "plant": Difficulty(
        cue_offset=0.24,
        cue_noise=0.28,
        exposure_stops=0.7,
        automatic_share=0.6,
        no_ir_cut_share=0.3,
        wall_spread_k=22.0,
        flame_spread_k=60.0,
        decoupled_share=0.3,
        dust=0.8,
        puffs_per_minute=1.5,
        upsets_per_hour=0.35,
        film=0.25,
        read_noise=0.004,
        jpeg_quality=(75, 92),
    ),
    "hard": Difficulty(
        cue_offset=0.45,
        cue_noise=0.5,
        exposure_stops=1.0,
        automatic_share=0.7,
        no_ir_cut_share=0.5,
        wall_spread_k=35.0,
        flame_spread_k=90.0,
        decoupled_share=0.5,
        dust=1.25,
        puffs_per_minute=3.0,
        upsets_per_hour=0.8,
        film=0.45,
        read_noise=0.008,
        jpeg_quality=(55, 85),
    ),
}
