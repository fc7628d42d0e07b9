"""One moment of the kiln as light: surfaces behind the veil of flame, plume and dust, with region masks."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from kilnsense.render.condition import Condition
from kilnsense.render.flame import Veil, draw_veil
from kilnsense.render.plan import RunPlan
from kilnsense.render.stage import FAR, RING, WALL_TEXELS, WALL_TURN, Stage

Image = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int8]

REGION_NAMES = ("wall", "coal", "material", "flame")
NO_REGION, WALL, COAL, MATERIAL, FLAME = -1, 0, 1, 2, 3
EMISSIVITY = 0.87
_PROFILE_STEP = 0.02


@dataclass(frozen=True, eq=False)
class Scene:
    """Light at the lens (H, W, 3) float32 in linear camera RGB, and what each pixel shows."""

    light: Image
    regions: Labels
    transmission: float  # of dust alone, mean over the visible bed


@dataclass(frozen=True, eq=False)
class _Bed:
    """Bed pixels inside a window: `window` slices of the picture, the rest in window coordinates."""

    window: tuple[slice, slice]
    mask: npt.NDArray[np.bool_]
    z: Image
    across: Image  # kiln radii uphill from the middle of the bed


def _locate_bed(plan: RunPlan, stage: Stage, now: Condition, lumps: Image) -> _Bed:
    """Intersect every ray with the plane of the bed; in front of the mouth its cut face shows.

    lumps: (H, W) coating on the shell, which makes the edge of the bed uneven.
    """
    sign = plan.kiln.turn_sign
    normal = (-sign * math.sin(now.bed_angle), math.cos(now.bed_angle))
    tangent = (math.cos(now.bed_angle), sign * math.sin(now.bed_angle))
    below = math.cos(now.half_angle)
    x, y, z = plan.camera.position
    rows = slice(0, plan.size[1])
    towards = normal[0] * stage.rays[0] + normal[1] * stage.rays[1]
    gap = -(below + normal[0] * x + normal[1] * y)
    bed_z = np.asarray(gap / np.minimum(towards, -1e-4) + z, np.float32)
    edge = 1 + np.float32(0.035) * lumps
    mask = (bed_z < stage.wall_z * edge) & stage.inside & (stage.fixed_c == 0)
    if not mask.any():
        return _Bed((rows, slice(0, plan.size[0])), mask, bed_z, bed_z)
    used_rows, used_columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    window = (slice(used_rows[0], used_rows[-1] + 1), slice(used_columns[0], used_columns[-1] + 1))
    mask, bed_z = mask[window], np.asarray(np.minimum(bed_z[window], FAR), np.float32)
    reach = np.maximum(bed_z, 0) - np.float32(z)
    across = tangent[0] * (x + reach * stage.rays[0][window]) + tangent[1] * (
        y + reach * stage.rays[1][window]
    )
    return _Bed(window, mask, bed_z, np.asarray(across * np.float32(sign), np.float32))


def _look_up(pattern: Image, columns: Image, rows: Image) -> Image:
    return np.asarray(cv2.remap(pattern, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP))


def _bed_profile(now: Condition, z: Image) -> Image:
    """Bed temperature along the kiln, degrees Celsius: chilled lip, burning zone, dark feed far back."""
    steps = np.arange(-1.5, FAR + 0.1, _PROFILE_STEP, dtype=np.float32)
    lip = -95 * np.exp(-np.maximum(steps, 0) / 0.45) - 120 * np.clip(-steps / 0.6, 0, 1)
    feed = -430 / (1 + np.exp(-(steps - now.feed_front) / 0.45))
    profile = now.bed_c + lip + feed - 9 * np.maximum(steps - 3.0, 0)
    return np.take(profile.astype(np.float32), ((z + 1.5) / _PROFILE_STEP).astype(np.int32), mode="clip")


def _bed_temperature(plan: RunPlan, stage: Stage, now: Condition, t: float, bed: _Bed) -> Image:
    """Temperature of the bed surface in its window: profile, grains, balls, flow streaks."""
    z, across = bed.z, bed.across
    speed = plan.kiln.turn_rad_s * 2.2
    far = 1 / (1 + (np.maximum(z, 0) / np.float32(2.6)) ** 2)
    cell = now.nodule * 1.9
    side = stage.patterns.grains.shape[0]
    per = side / 48 / cell
    down = across + np.float32((speed * t) % (side / per))
    small = _look_up(stage.patterns.grains, down * np.float32(per), z * np.float32(per * 0.62))
    temperature = _bed_profile(now, z)
    grain = now.granularity * (92 * small[..., 0] + 14 * small[..., 1] - 52)
    per_flow = 100.0
    flow = _look_up(
        stage.patterns.flow,
        (across + np.float32((speed * 0.8 * t) % (256 / per_flow))) * np.float32(per_flow),
        z * np.float32(per_flow * 0.6),
    )
    grain = grain + (7 + 9 * now.granularity) * flow
    if now.balls > 0.02:
        per_ball = 512 / 16 / (cell * 3.3)
        roll = across + np.float32((speed * 1.1 * t) % (512 / per_ball))
        large = _look_up(stage.patterns.balls, roll * np.float32(per_ball), z * np.float32(per_ball * 0.7))
        shown = (large[..., 1] > 1.1 - 2.2 * now.balls) & (large[..., 0] > 0)
        grain = np.where(shown, 125 * large[..., 0] - 88 + 14 * large[..., 1] + 0.3 * grain, grain)
    return np.asarray(temperature + grain * far + np.float32(12) * across, np.float32)


def _wall_pattern(plan: RunPlan, stage: Stage, t: float) -> Image:
    """Coating and molten streaks (H, W, 2) as turned by time t."""
    turn = (-plan.kiln.turn_sign * plan.kiln.turn_rad_s * t / (2 * np.pi)) % 1.0 * WALL_TURN
    columns = stage.wall_turn + np.float32(turn)
    rows = (stage.wall_z + np.float32(RING)) * np.float32(WALL_TEXELS)
    return np.asarray(
        cv2.remap(stage.patterns.wall, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )


def _wall_temperature(stage: Stage, now: Condition, pattern: Image) -> Image:
    coating = pattern[..., 0] * np.float32(now.coating) + pattern[..., 1] * np.float32(80 * now.drip)
    return np.asarray(stage.wall_profile + coating + np.float32(now.wall_c), np.float32)


def _regions(stage: Stage, bed: _Bed, light: Image, veil: Veil, size: tuple[int, int]) -> Labels:
    """Name each pixel after what dominates it: the plume, the flame, or the surface behind."""
    regions = np.where(stage.fixed_c == 0, np.int8(WALL), np.int8(NO_REGION)).astype(np.int8)
    regions[bed.window][bed.mask] = MATERIAL
    flame = cv2.resize(veil.flame * veil.dust_passed, size, interpolation=cv2.INTER_LINEAR)
    plume = cv2.resize(veil.plume, size, interpolation=cv2.INTER_LINEAR)
    in_kiln = regions != NO_REGION
    regions[in_kiln & (plume > 0.5)] = COAL
    regions[in_kiln & (flame > 0.5 * light[..., 1])] = FLAME
    return regions


def draw_scene(
    plan: RunPlan, stage: Stage, now: Condition, t: float, *, flicker: npt.NDArray[np.float32]
) -> Scene:
    """Light and truth of one moment. flicker: (SLICES,) relative flame brightness, about 1."""
    veil = draw_veil(stage, now, t, flicker=flicker)
    pattern = _wall_pattern(plan, stage, t)
    bed = _locate_bed(plan, stage, now, pattern[..., 0])
    temperature = _wall_temperature(stage, now, pattern)
    cold = stage.fixed_c > 0
    temperature[cold] = stage.fixed_c[cold]
    part = temperature[bed.window]
    part[bed.mask] = _bed_temperature(plan, stage, now, t, bed)[bed.mask]
    light = stage.grey.image(temperature)
    light *= np.float32(EMISSIVITY)
    # Surfaces reflect the flame; most where it burns, little at the mouth and far back.
    depth = stage.wall_z.copy()
    depth[bed.window][bed.mask] = bed.z[bed.mask]
    centre = np.float32(plan.kiln.burner[2] + now.plume + 0.7)
    facing = np.float32(0.26 * (1 - EMISSIVITY)) / (1 + ((depth - centre) / np.float32(1.7)) ** 2)
    facing[cold] *= np.float32(0.06)
    light += facing[..., None] * veil.glow
    passed = cv2.resize(veil.passed * stage.vignette, plan.size, interpolation=cv2.INTER_LINEAR)
    added = cv2.resize(veil.added * stage.vignette[..., None], plan.size, interpolation=cv2.INTER_LINEAR)
    light *= passed[..., None]
    light += added
    regions = _regions(stage, bed, light, veil, plan.size)
    dust = cv2.resize(veil.dust_passed, plan.size, interpolation=cv2.INTER_LINEAR)
    seen = regions == MATERIAL
    transmission = float(dust[seen].mean()) if seen.any() else float(dust[stage.inside].mean())
    return Scene(light=light, regions=regions, transmission=transmission)
