"""What stays fixed during a run: one kiln, one camera in its hood, one day."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kilnsense.errors import ConfigError, InputError
from kilnsense.render.difficulty import DIFFICULTIES, Difficulty
from kilnsense.render.process import (
    DEFAULT_STATES,
    FEED_CORRELATION_S,
    LAG_S,
    Schedule,
    SlowNoise,
    StateBand,
    draw_schedule,
    slow_noise,
    state_bands,
)

CUES = ("angle", "nodules", "plume", "flame", "coating", "dust", "feed", "wall", "heat", "free_dust")
EXPOSURE_MODES = ("fixed", "auto_centre", "auto_highlight")
MIN_SIDE, MAX_SIDE = 48, 4096


@dataclass(frozen=True)
class KilnPlan:
    """The kiln. Lengths are in kiln radii (about 2 m), x to the right, y up, z into the kiln."""

    turn_sign: int  # +1: the bed is carried up the right-hand side, -1: the left
    turn_rad_s: float
    half_angle: float  # radians; half the angle that the bed spans, from the fill
    bed_angle: float  # degrees at the middle of the normal band
    burner: tuple[float, float, float]  # tip
    burner_tilt: tuple[float, float]  # slope of the flame axis in x and y
    flame_spread: float  # radius gained per length
    flame_c: float
    flame_opacity: float
    wall_c: float
    plume: float  # length at the middle of the normal band
    nodule: float  # radius at the middle of the normal band


@dataclass(frozen=True)
class CameraPlan:
    """The camera. Position and aim in kiln radii."""

    ir_cut: bool
    position: tuple[float, float, float]
    aim: tuple[float, float, float]
    field_of_view: float  # horizontal, radians
    roll: float  # radians
    exposure_mode: str  # one of `EXPOSURE_MODES`
    exposure_ev: float  # offset of the fixed exposure or of the automatic target, stops
    warmth: float  # 0: daylight white balance, 1: hot clinker shown grey
    colour_matrix: float  # 0: none, 1: full correction towards sRGB
    gamma: float
    film: float  # opacity of the dirt on the lens
    softness: float  # 0 sharp, 1 visibly soft
    read_noise: float
    jpeg_quality: int
    stamp: str  # camera name in the time stamp; empty: no stamp
    stamp_top: bool
    start: str  # ISO 8601 local time of the first frame, shown in the stamp

    @property
    def name(self) -> str:
        """Kind of camera, for the manifest."""
        return f"{'ir_cut' if self.ir_cut else 'no_ir_cut'}/{self.exposure_mode}"


@dataclass(frozen=True)
class RunPlan:
    """Everything that makes one run; the same plan always gives the same frames."""

    name: str
    seed: int  # of everything that changes from frame to frame
    size: tuple[int, int]  # width, height in pixels
    difficulty: Difficulty
    bands: tuple[StateBand, ...]
    kiln: KilnPlan
    camera: CameraPlan
    schedule: Schedule
    cue_offsets: tuple[float, ...]  # one per entry of CUES, burn units
    cue_noises: tuple[SlowNoise, ...]


def _draw_kiln(rng: np.random.Generator, difficulty: Difficulty, sign: int) -> KilnPlan:
    wild = min(1.0, difficulty.cue_offset / 0.3)
    burner_x = -sign * rng.uniform(0.20, 0.45)
    return KilnPlan(
        turn_sign=sign,
        turn_rad_s=float(rng.uniform(2.2, 4.2) * 2 * np.pi / 60),
        half_angle=float(np.deg2rad(rng.normal(45.5, 1.5 * wild))),
        bed_angle=float(41 + rng.normal(0, 1.0 * wild)),
        burner=(float(burner_x), float(rng.uniform(0.08, 0.30)), float(rng.uniform(0.15, 0.5))),
        burner_tilt=(float(sign * rng.uniform(0.02, 0.09)), float(rng.uniform(-0.04, 0.01))),
        flame_spread=float(rng.uniform(0.12, 0.18)),
        flame_c=float(1790 + rng.normal(0, difficulty.flame_spread_k)),
        flame_opacity=float(rng.uniform(0.8, 1.4)),
        wall_c=float(1352 + rng.normal(0, difficulty.wall_spread_k)),
        plume=float(0.75 * np.exp(rng.normal(0, 0.22 * wild))),
        nodule=float(0.017 * np.exp(rng.normal(0, 0.12 * wild))),
    )


def _draw_camera(rng: np.random.Generator, difficulty: Difficulty, sign: int) -> CameraPlan:
    ir_cut = bool(rng.uniform() >= difficulty.no_ir_cut_share)
    automatic = bool(rng.uniform() < difficulty.automatic_share)
    mode = EXPOSURE_MODES[int(rng.integers(1, 3))] if automatic else "fixed"
    low, high = difficulty.jpeg_quality
    day = np.datetime64("2031-01-01T06:00:00") + np.timedelta64(int(rng.integers(0, 86400 * 360)), "s")
    return CameraPlan(
        ir_cut=ir_cut,
        position=(
            float(sign * rng.uniform(0.05, 0.35)),
            float(rng.uniform(0.15, 0.42)),
            float(-rng.uniform(1.35, 1.85)),
        ),
        aim=(float(sign * rng.uniform(-0.10, 0.14)), float(rng.uniform(-0.32, -0.08)), 2.2),
        field_of_view=float(np.deg2rad(rng.uniform(52, 62))),
        roll=float(np.deg2rad(rng.normal(0, 2.0))),
        exposure_mode=mode,
        exposure_ev=float(rng.normal(0, difficulty.exposure_stops * (0.6 if automatic else 1.0))),
        warmth=float(rng.uniform(0.0, 0.16)),
        colour_matrix=float(rng.uniform(0.6, 1.1)) if ir_cut else 0.0,
        gamma=float(rng.uniform(0.9, 1.1)),
        film=float(difficulty.film * rng.beta(1.0, 2.5)),
        softness=float(rng.beta(1.2, 3.0)),
        read_noise=float(difficulty.read_noise * rng.uniform(0.6, 1.6)),
        jpeg_quality=int(rng.integers(low, high + 1)),
        stamp="" if rng.uniform() < 0.3 else f"KILN {int(rng.integers(1, 5))} CAM {int(rng.integers(1, 4))}",
        stamp_top=bool(rng.uniform() < 0.6),
        start=str(day),
    )


def plan_run(
    rng: np.random.Generator,
    *,
    difficulty: str | Difficulty = "plant",
    name: str = "run",
    size: tuple[int, int] = (640, 480),
    states: Sequence[str] = DEFAULT_STATES,
) -> RunPlan:
    """Draw one run: kiln, camera, schedule of targets, and the wandering of every cue.

    difficulty: a key of `DIFFICULTIES` or an own `Difficulty`. size: width and height in pixels.
    states: names from cold to hot. Raises ConfigError for an unknown difficulty and InputError for a size
    or states that cannot be used.
    """
    if isinstance(difficulty, str):
        if difficulty not in DIFFICULTIES:
            raise ConfigError(f"difficulty: got {difficulty!r}; allowed are {', '.join(DIFFICULTIES)}")
        difficulty = DIFFICULTIES[difficulty]
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in size):
        raise InputError(f"size: got {size[0]}x{size[1]}; each side must be {MIN_SIDE} to {MAX_SIDE} pixels")
    bands = state_bands(states)
    sign = 1 if rng.uniform() < 0.5 else -1
    offsets = rng.normal(0, difficulty.cue_offset, len(CUES))
    return RunPlan(
        name=name,
        seed=int(rng.integers(0, 2**62)),
        size=size,
        difficulty=difficulty,
        bands=bands,
        kiln=_draw_kiln(rng, difficulty, sign),
        camera=_draw_camera(rng, difficulty, sign),
        schedule=draw_schedule(rng, bands),
        cue_offsets=tuple(offsets.tolist()),
        cue_noises=tuple(slow_noise(rng, FEED_CORRELATION_S, lag_s=LAG_S / 4) for _ in CUES),
    )
