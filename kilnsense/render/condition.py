"""The condition of a kiln at one moment, as far as the camera can see it.

Directions follow what kiln operators report: with more burning the bed brightens and climbs, nodules grow
from dust to balls, the coating melts and drips, the coal plume shortens, the unlit feed retreats, and the
gas clears. Sizes and spreads are choices of this model, not measurements.
"""

from dataclasses import dataclass

import numpy as np

from kilnsense.render.plan import CUES, RunPlan

_BURN_C, _BURN_STEP_K = 1450.0, 105.0
_PUFF_BLOCK_S = 20.0
_UPSET_BLOCK_S = 1800.0


@dataclass(frozen=True)
class Puff:
    """A cloud of dust in the picture: optical depth, centre and width in shares of the picture width."""

    depth: float
    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Condition:
    """State of the kiln at one moment. Lengths in kiln radii, temperatures in degrees Celsius."""

    bed_c: float
    wall_c: float
    flame_c: float
    bed_angle: float  # radians
    half_angle: float  # radians
    nodule: float  # radius
    granularity: float  # 0 dust, 1 clear grains
    balls: float  # 0 none, 1 covered
    plume: float
    flame: float  # length of the flame beyond the plume
    flame_opacity: float
    coating: float  # contrast of the coating in kelvin
    drip: float  # 0 dry, 1 molten streaks
    feed_front: float  # z where the bed turns dark
    dust_depth: float  # optical depth to the middle of the burning zone, without puffs
    dust_c: float
    puffs: tuple[Puff, ...]


def _ramp(x: float) -> float:
    """0 far below zero, 1 far above, smooth in between."""
    return float(1 / (1 + np.exp(-4 * x)))


def bed_temperature(plan: RunPlan, t: float) -> float:
    """True bed temperature in degrees Celsius at time t (seconds): schedule plus feed disturbance."""
    heat = plan.cue_noises[CUES.index("heat")].at(t)
    return float(np.clip(plan.schedule.at(t) + 11.0 * heat, 1262.0, 1618.0))


def _puffs(plan: RunPlan, t: float) -> tuple[Puff, ...]:
    """Puffs alive at time t; each lives 0.5 to 10 s inside its own block of time."""
    block = int(t // _PUFF_BLOCK_S)
    rng = np.random.default_rng([plan.seed, 1, block])
    alive = []
    for _ in range(int(rng.poisson(plan.difficulty.puffs_per_minute * _PUFF_BLOCK_S / 60))):
        lasts = rng.uniform(0.5, 10.0)
        begin = rng.uniform(0, _PUFF_BLOCK_S - lasts)
        depth, x, y, width = rng.uniform([0.3, 0.15, 0.3, 0.12], [2.2, 0.85, 0.8, 0.4])
        age = (t - block * _PUFF_BLOCK_S - begin) / lasts
        if 0 < age < 1:
            drift = 0.1 * age
            alive.append(Puff(depth * np.sin(np.pi * age), x, y - drift, width * (0.7 + 0.6 * age)))
    return tuple(alive)


def _upset_depth(plan: RunPlan, t: float) -> float:
    """Optical depth added by upsets of 3 to 8 minutes, drawn per block of time."""
    block = int(t // _UPSET_BLOCK_S)
    rng = np.random.default_rng([plan.seed, 3, block])
    depth = 0.0
    for _ in range(int(rng.poisson(plan.difficulty.upsets_per_hour * _UPSET_BLOCK_S / 3600))):
        lasts = rng.uniform(180, 480)
        age = (t - block * _UPSET_BLOCK_S - rng.uniform(0, _UPSET_BLOCK_S - lasts)) / lasts
        peak = rng.uniform(1.5, 4.0)
        depth += peak * float(np.sin(np.pi * age)) if 0 < age < 1 else 0.0
    return depth


def condition_at(plan: RunPlan, t: float) -> Condition:
    """The condition at time t in seconds since the start of the run."""
    bed_c = bed_temperature(plan, t)
    burn = float(np.clip((bed_c - _BURN_C) / _BURN_STEP_K, -1.7, 1.6))
    raw = {name: noise.at(t) for name, noise in zip(CUES, plan.cue_noises, strict=True)}
    noise = plan.difficulty.cue_noise
    x = {name: burn + off + noise * raw[name] for name, off in zip(CUES, plan.cue_offsets, strict=True)}
    kiln = plan.kiln
    # Dust follows the burning only while coupled; the rest of the time it wanders on its own.
    coupled = _ramp(2.0 * (raw["free_dust"] - _normal_quantile(plan.difficulty.decoupled_share)))
    wander = 0.8 * raw["dust"]
    dust = coupled * (-0.65 * x["dust"] + 0.5 * wander) + (1 - coupled) * 1.3 * wander
    calm = plan.difficulty.dust * 0.42 * float(np.exp(np.clip(0.95 * dust, -2.5, 2.2)))
    return Condition(
        bed_c=bed_c,
        wall_c=kiln.wall_c + 0.30 * (bed_c - _BURN_C) + 14 * noise * raw["wall"],
        flame_c=kiln.flame_c + 12 * burn + 70 * noise * raw["flame"],
        bed_angle=float(np.deg2rad(kiln.bed_angle + 5.5 * x["angle"])),
        half_angle=kiln.half_angle,
        nodule=float(kiln.nodule * np.exp(0.45 * x["nodules"])),
        granularity=0.15 + 0.85 * _ramp(x["nodules"] + 0.55),
        balls=_ramp(1.3 * (x["nodules"] - 0.75)),
        plume=float(kiln.plume * np.exp(-0.42 * x["plume"])),
        flame=float(4.2 * np.exp(-0.20 * x["flame"])),
        flame_opacity=float(kiln.flame_opacity * np.exp(0.12 * x["flame"])),
        coating=float(58 + 14 * x["coating"]),
        drip=_ramp(1.3 * (x["coating"] - 0.6)),
        feed_front=float(6.2 + 1.7 * x["feed"]),
        dust_depth=calm + _upset_depth(plan, t),
        dust_c=float(1130 + 60 * raw["free_dust"] + 0.15 * (bed_c - _BURN_C)),
        puffs=_puffs(plan, t),
    )


def _normal_quantile(share: float) -> float:
    """The value below which a standard normal variable lies with probability `share` (logistic fit)."""
    share = min(max(share, 1e-3), 1 - 1e-3)
    return float(np.log(share / (1 - share)) / 1.702)
