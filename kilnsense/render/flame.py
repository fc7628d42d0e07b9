"""Everything between the camera and the surfaces: flame, coal plume, dust. Computed on the coarse grid."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from kilnsense.render.condition import Condition
from kilnsense.render.stage import Stage

Image = npt.NDArray[np.float32]

_OUTWARD_CELLS_S = 85.0  # speed of the flame pattern


@dataclass(frozen=True, eq=False)
class Veil:
    """What lies in front of the surfaces, on the coarse grid (h, w).

    The light that reaches the lens is `passed * surface + added`.
    """

    passed: Image  # (h, w)
    added: Image  # (h, w, 3) linear camera RGB
    flame: Image  # (h, w) green light that comes from the flame
    plume: Image  # (h, w) opacity of the coal plume
    dust_passed: Image  # (h, w) transmission of the dust alone
    glow: npt.NDArray[np.float32]  # (3,) what a surface facing the flame receives


def _turbulence(stage: Stage, t: float) -> Image:
    """Flame pattern at time t, streaming away from the burner tip: (h, w, 2)."""
    period = stage.patterns.flame.shape[0]
    shift = np.float32((_OUTWARD_CELLS_S * t) % period)
    return np.asarray(
        cv2.remap(
            stage.patterns.flame,
            np.subtract(stage.swirl[0], shift),
            stage.swirl[1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_WRAP,
        )
    )


def _along(stage: Stage, now: Condition, flicker: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Per slice: flame density, flame density x light (3), plume density; (5, SLICES)."""
    s = stage.slices_z
    beyond = (s - now.plume) / now.flame
    lit = 1 / (1 + np.exp(-(s - now.plume) / (0.10 + 0.10 * now.plume)))
    flame = lit * np.exp(-(np.maximum(beyond, 0) ** 2)) * now.flame_opacity * flicker
    hot = (
        now.flame_c
        + 40 * np.exp(-((beyond - 0.15) ** 2) / 0.05)
        - 130 * np.clip(beyond, 0, 1.5)
        - 260 * (1 - lit)
    )
    light = np.stack([stage.soot.at(float(c)) for c in hot])
    coal = (1 - lit) * 0.055 / (0.055 + 0.1 * s) * 44.0
    return np.asarray(np.concatenate([flame[None], (light * flame[:, None]).T, coal[None]]), np.float32)


def _dust_depth(stage: Stage, now: Condition, t: float) -> Image:
    height, width = stage.grid
    haze = stage.patterns.haze
    row, column = int(13 * t) % 256, int(37 * t) % 256
    rolled = np.roll(haze, (row, column), (0, 1))
    pattern = cv2.resize(rolled, (width, height), interpolation=cv2.INTER_LINEAR)
    depth = now.dust_depth * stage.depth * (1 + 0.18 * pattern)
    for puff in now.puffs:
        rows = np.exp(-0.5 * ((np.arange(height) / width - puff.y * height / width) / puff.width) ** 2)
        columns = np.exp(-0.5 * ((np.arange(width) / width - puff.x) / puff.width) ** 2)
        depth = depth + puff.depth * np.outer(rows, columns) * (1 + 0.3 * pattern)
    return np.asarray(np.maximum(depth, 0), np.float32)


def draw_veil(stage: Stage, now: Condition, t: float, *, flicker: npt.NDArray[np.float32]) -> Veil:
    """Flame, plume and dust at time t. flicker: (SLICES,) relative brightness along the flame, about 1."""
    height, width = stage.grid
    sums = (_along(stage, now, flicker) @ stage.slices).reshape(5, height, width)
    noise = _turbulence(stage, t)
    ragged = cv2.exp(0.55 * noise[..., 0] + 0.30 * noise[..., 1])
    tau = 0.85 * sums[0] * ragged
    opacity = 1 - cv2.exp(-tau)
    source = (sums[1:4] / (sums[0] + 1e-6)).transpose(1, 2, 0)
    light = source * (opacity * (1 + 0.10 * noise[..., 1]))[..., None]
    plume = 1 - cv2.exp(-sums[4] * cv2.exp(0.45 * noise[..., 0] + 0.35 * noise[..., 1]))
    dust_passed = cv2.exp(-_dust_depth(stage, now, t))
    glow = np.asarray(
        stage.soot.at(now.flame_c - 40) * min(0.75, 0.5 * now.flame_opacity) * flicker.mean(), np.float32
    )
    coal = (
        np.array([0.030, 0.024, 0.020], np.float32)
        * glow
        * (0.4 + 0.6 * np.clip(1 + 0.5 * noise[..., 1], 0, 2))[..., None]
    )
    veil = stage.grey.at(now.dust_c) + 0.09 * stage.grey.at(now.wall_c) + 0.006 * glow
    front = light * (1 - plume)[..., None] + coal * plume[..., None]
    added = front * dust_passed[..., None] + (1 - dust_passed)[..., None] * veil
    return Veil(
        passed=(1 - opacity) * (1 - plume) * dust_passed,
        added=added.astype(np.float32),
        flame=light[..., 1] * (1 - plume),
        plume=plume,
        dust_passed=np.asarray(dust_passed, np.float32),
        glow=glow,
    )
