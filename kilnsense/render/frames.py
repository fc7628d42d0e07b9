"""Frames of a run in time order: flicker, automatic exposure, truth."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kilnsense.errors import InputError
from kilnsense.render.camera import build_development, burn_stamp, expose, follow_gain, stamp_box, wanted_gain
from kilnsense.render.condition import condition_at
from kilnsense.render.plan import RunPlan
from kilnsense.render.process import state_at
from kilnsense.render.scene import MATERIAL, NO_REGION, draw_scene
from kilnsense.render.stage import SLICES, build_stage

_FLICKER_S = 0.08
_FLICKER_SHARE = 0.07
_WAVE_SHARE = 0.12  # bright waves that run along the flame
_WAVE_HZ = 6.0
USABLE_TRANSMISSION = 0.15
USABLE_BED = (8.0, 0.60)  # darkest mean green level of the bed, largest share of it with green clipped


@dataclass(frozen=True)
class FrameTruth:
    """What is known about a rendered frame."""

    time_s: float
    bed_temperature_c: float
    state: str
    ambiguous: bool  # the bed temperature lies between two bands; `state` is the nearer one
    transmission: float  # of the dust in front of the bed, 0..1
    saturated_share: float  # of the pixels, those with a channel at its top
    usable: bool  # the bed can be judged at all


@dataclass(frozen=True, eq=False)
class RenderedFrame:
    """pixels (H, W, 3) uint8 sRGB; regions (H, W) int8, index into REGION_NAMES or -1; the truth."""

    pixels: npt.NDArray[np.uint8]
    regions: npt.NDArray[np.int8]
    truth: FrameTruth


def _truth(
    plan: RunPlan,
    t: float,
    bed_c: float,
    transmission: float,
    pixels: npt.NDArray[np.uint8],
    bed: npt.NDArray[np.bool_],
) -> FrameTruth:
    state, ambiguous = state_at(plan.bands, bed_c)
    sample = pixels[::2, ::2]
    # Red clips on any hot bed; only when green has gone too is there nothing left to see.
    seen = sample[..., 1][bed[::2, ::2]]
    clear = transmission * (1 - plan.camera.film) >= USABLE_TRANSMISSION
    judged = seen.size > 0 and seen.mean() >= USABLE_BED[0] and (seen >= 254).mean() <= USABLE_BED[1]
    return FrameTruth(
        time_s=t,
        bed_temperature_c=bed_c,
        state=state,
        ambiguous=ambiguous,
        transmission=transmission,
        saturated_share=float((sample.max(axis=2) >= 254).mean()),
        usable=bool(clear and judged),
    )


def follow_flicker(value: float, fresh: float, passed_s: float) -> float:
    """Next value of a unit-variance AR(1) process after `passed_s` seconds; `fresh` is standard normal."""
    keep = math.exp(-passed_s / _FLICKER_S)
    return keep * value + math.sqrt(1 - keep**2) * fresh


def render_run(plan: RunPlan, times: Iterable[float]) -> Iterator[RenderedFrame]:
    """Render the frames of a run at the given times (seconds, rising); `times` may be endless.

    Flicker and automatic exposure carry over from frame to frame with their own time constants.
    Raises InputError when the times do not rise.
    """
    stage = build_stage(plan)
    development = build_development(plan.camera)
    box = stamp_box(plan)
    before: float | None = None
    flicker = gain = 0.0
    for t in times:
        if t < 0 or (before is not None and t <= before):
            raise InputError(
                f"times of run {plan.name!r}: got {t} after {before}; they start at 0 and must rise"
            )
        passed = math.inf if before is None else t - before
        before = t
        rng = np.random.default_rng([plan.seed, 2, round(t * 1000)])
        flicker = follow_flicker(flicker, float(rng.standard_normal()), passed)
        waves = _WAVE_SHARE * np.sin(2 * np.pi * (np.arange(SLICES) / 9 - _WAVE_HZ * t))
        along = np.maximum(1 + _FLICKER_SHARE * flicker + waves, 0.3).astype(np.float32)
        now = condition_at(plan, t)
        scene = draw_scene(plan, stage, now, t, flicker=along)
        gain = follow_gain(gain, wanted_gain(plan.camera, scene.light), passed)
        shift = (int(rng.integers(64)), int(rng.integers(64)))
        pixels = expose(plan, development, scene.light, gain=gain, noise=stage.patterns.noise, shift=shift)
        truth = _truth(plan, t, now.bed_c, scene.transmission, pixels, scene.regions == MATERIAL)
        burn_stamp(plan, pixels, t)
        if box is not None:
            scene.regions[box] = NO_REGION
        yield RenderedFrame(pixels=pixels, regions=scene.regions, truth=truth)


def render_frame(plan: RunPlan, t_seconds: float) -> RenderedFrame:
    """Render one frame of a run, with exposure settled: the first of `render_run(plan, [t_seconds])`."""
    return next(render_run(plan, (t_seconds,)))


def live_frames(plan: RunPlan, *, rate: float) -> Iterator[RenderedFrame]:
    """Endless frames of a run at `rate` frames per second, as fast as they are taken. Raises InputError."""
    if not rate > 0:
        raise InputError(f"rate: got {rate}; it must be above 0 frames per second")

    def endless() -> Iterator[float]:
        number = 0
        while True:
            yield number / rate
            number += 1

    return render_run(plan, endless())
