"""What a run's camera sees that does not move: rays, kiln shell, burner, flame slices, surface patterns.

Kiln coordinates: z along the axis into the kiln, 0 at the mouth; x right, y up; the shell has radius 1.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kilnsense.render.physics import BandTable, band_table
from kilnsense.render.plan import CameraPlan, KilnPlan, RunPlan
from kilnsense.render.texture import cloud, grains

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

FAR = 15.0
RING = 0.11  # thickness of the nose ring around the mouth
WALL_TEXELS = 64  # along z, per kiln radius
WALL_TURN = 512  # around one turn
SLICES = 26
SLICE_REACH = 9.0
_FLOW = 256
_COARSE_WIDTH = 320  # the flame is soft: a wider picture is drawn on a coarser grid


@dataclass(frozen=True, eq=False)
class Patterns:
    """Seamless surface patterns. Wall: (rows along z, columns around, 2) coating and molten streaks."""

    wall: Image
    grains: Image  # (n, n, 2): shade, tone
    balls: Image  # (n, n, 2)
    flow: Image  # (n, n) streaks along the way down the bed
    flame: Image  # (n, n, 2): columns go outward from the burner tip, rows around it
    haze: Image  # (n, n)
    noise: Image  # (H + 64, W + 64, 3) sensor noise of unit variance


@dataclass(frozen=True, eq=False)
class Stage:
    """Static geometry at full size (H, W) and flame geometry on a coarser grid (h, w)."""

    rays: tuple[Image, Image]  # dx/dz and dy/dz of every pixel
    inside: Mask  # pixels whose ray passes the mouth
    mouth: tuple[Image, Image]  # x, y where the ray passes the plane of the mouth
    wall_z: Image
    wall_turn: Image  # texture column of the wall point
    wall_profile: Image  # kelvin to add to the wall temperature; far and near parts are colder
    fixed_c: Image  # temperature of hood, ring edge and burner pipe; 0 where the kiln itself is seen
    grid: tuple[int, int]  # h, w
    slices_z: npt.NDArray[np.float32]  # distance of the flame slices from the burner tip
    slices: Image  # (SLICES, h*w) share of each slice's density on each ray, per unit length
    swirl: tuple[Image, Image]  # flame pattern coordinates (h, w), pattern cells
    depth: Image  # (h, w) dust path, 1 at the middle of the burning zone
    vignette: Image  # (h, w)
    grey: BandTable
    soot: BandTable
    patterns: Patterns


def _rays(camera: CameraPlan, size: tuple[int, int], grid: tuple[int, int]) -> tuple[Image, Image]:
    """Ray slopes dx/dz, dy/dz at the centres of a grid (h, w) of equal cells over the picture."""
    width, height = size
    position, aim = np.array(camera.position), np.array(camera.aim)
    forward = (aim - position) / np.linalg.norm(aim - position)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    up = np.cross(forward, right)
    right, up = (
        np.cos(camera.roll) * right + np.sin(camera.roll) * up,
        np.cos(camera.roll) * up - np.sin(camera.roll) * right,
    )
    focal = 0.5 * width / np.tan(camera.field_of_view / 2)
    columns = ((np.arange(grid[1]) + 0.5) * (width / grid[1]) - width / 2) / focal
    rows = (height / 2 - (np.arange(grid[0]) + 0.5) * (height / grid[0])) / focal
    ray = forward + columns[None, :, None] * right + rows[:, None, None] * up
    return (
        np.asarray(ray[..., 0] / ray[..., 2], np.float32),
        np.asarray(ray[..., 1] / ray[..., 2], np.float32),
    )


def _wall_hit(camera: CameraPlan, rays: tuple[Image, Image]) -> Image:
    """z where each ray meets the shell, at most FAR; meaningful for rays through the mouth."""
    x, y, z = camera.position
    a = rays[0] ** 2 + rays[1] ** 2 + 1e-9
    b = x * rays[0] + y * rays[1]
    q = (-b + np.sqrt(np.maximum(b * b - a * (x * x + y * y - 1), 0))) / a
    return np.asarray(np.minimum(q + z, FAR), np.float32)


def _burner_distance(plan: RunPlan, rays: tuple[Image, Image]) -> tuple[Image, Image]:
    """Closest approach of each ray to the burner pipe's axis in front of the tip: distance and z."""
    x, y, z = plan.camera.position
    bx, by, bz = plan.kiln.burner
    tilt = plan.kiln.burner_tilt
    # Offset from the axis at depth d behind the camera plane is a + b * d: a parabola to minimise.
    a = (x - bx + tilt[0] * (bz - z), y - by + tilt[1] * (bz - z))
    b = (rays[0] - tilt[0], rays[1] - tilt[1])
    best = -(a[0] * b[0] + a[1] * b[1]) / (b[0] ** 2 + b[1] ** 2 + 1e-9)
    best = np.clip(best, 0.1, bz - z)
    distance = np.hypot(a[0] + best * b[0], a[1] + best * b[1])
    return np.asarray(distance, np.float32), np.asarray(best + z, np.float32)


def _fixed_temperature(plan: RunPlan, rays: tuple[Image, Image], inside: Mask, radius: Image) -> Image:
    """Hood front, ring and burner pipe in degrees Celsius; 0 where the inside of the kiln is seen."""
    ring = ~inside & (radius < 1 + RING)
    fixed = np.where(inside | ring, 0, np.maximum(820 - 260 * (radius - 1 - RING), 420)).astype(np.float32)
    distance, z = _burner_distance(plan, rays)
    pipe = distance < 0.085
    warmth = 700 + 330 * np.clip(1 - (plan.kiln.burner[2] - z) / 0.5, 0, 1) ** 2
    edge = 1 - (distance / 0.085) ** 2
    return np.where(pipe, warmth - 60 + 60 * edge, fixed).astype(np.float32)


def _wall_profile(z: Image) -> Image:
    """Kelvin relative to the burning zone: cold nose, hot zone, cold and finally dark far end."""
    nose = -150 * np.exp(-np.maximum(z, 0) / 0.5) - 260 * np.clip(-z / RING, 0, 1)
    far = -34 * np.maximum(z - 5.5, 0) ** 1.15
    return np.asarray(nose + far, np.float32)


def _flame_slices(
    kiln: KilnPlan, camera: CameraPlan, rays: tuple[Image, Image], wall_z: Image
) -> tuple[npt.NDArray[np.float32], Image]:
    """Gaussian density of each flame slice along each ray, zero behind the wall."""
    reach = np.asarray(SLICE_REACH * (np.arange(SLICES) / (SLICES - 1)) ** 1.6, np.float32)
    thickness = np.gradient(reach)
    x, y, z = camera.position
    out = np.empty((SLICES, rays[0].size), np.float32)
    for k, s in enumerate(reach):
        depth = kiln.burner[2] + s - z
        dx = x + depth * rays[0] - (kiln.burner[0] + kiln.burner_tilt[0] * s)
        dy = y + depth * rays[1] - (kiln.burner[1] + kiln.burner_tilt[1] * s)
        radius = 0.055 + min(kiln.flame_spread * s, 0.36 + 0.03 * s)
        density = np.exp(-(dx * dx + dy * dy) / radius**2) * thickness[k]
        out[k] = np.where(wall_z > kiln.burner[2] + s, density, 0).ravel()
    return reach, out


def _swirl(kiln: KilnPlan, camera: CameraPlan, rays: tuple[Image, Image]) -> tuple[Image, Image]:
    """Pattern coordinates around the image of the burner tip: log distance outward, angle around."""
    depth = kiln.burner[2] - camera.position[2]
    dx = rays[0] - (kiln.burner[0] - camera.position[0]) / depth
    dy = rays[1] - (kiln.burner[1] - camera.position[1]) / depth
    outward = 34 * np.log(np.hypot(dx, dy) + 0.05)
    around = np.arctan2(dy, dx) * (_FLOW / (2 * np.pi))
    return np.asarray(outward, np.float32), np.asarray(around, np.float32)


def _patterns(rng: np.random.Generator, size: tuple[int, int]) -> Patterns:
    rows = int(FAR + 1) * WALL_TEXELS
    patches = cloud(rng, rows, WALL_TURN, slope=1.7, coarsest=5.0)
    rough = cloud(rng, rows, WALL_TURN, slope=1.0, coarsest=30.0)
    coating = np.tanh(1.3 * patches) + 0.35 * rough
    streaks = np.maximum(cloud(rng, rows, WALL_TURN, slope=1.5, coarsest=9.0, stretch=(0.6, 1.9)) - 0.9, 0)
    wall = np.stack([coating, streaks], axis=-1)
    width, height = size
    noise = rng.standard_normal((height + 64, width + 64, 3), dtype=np.float32)
    # Demosaicing correlates neighbours: mix each sample with the one to its right and below.
    noise[:, :-1] += 0.5 * noise[:, 1:]
    noise[:-1] += 0.5 * noise[1:]
    flame = [
        cloud(rng, _FLOW, _FLOW, slope=s, coarsest=c, stretch=(1.3, 1.0)) for s, c in ((1.5, 3.0), (1.2, 9.0))
    ]
    return Patterns(
        wall=np.concatenate([wall, wall], axis=1).astype(np.float32),
        grains=np.stack(grains(rng, 768, 48), axis=-1),
        balls=np.stack(grains(rng, 512, 16, fill=0.75), axis=-1),
        flow=cloud(rng, 256, 256, slope=1.2, coarsest=6.0, stretch=(0.5, 2.2)),
        flame=np.stack(flame, axis=-1),
        haze=cloud(rng, 256, 256, slope=1.9, coarsest=3.0),
        noise=noise / noise.std(),
    )


def build_stage(plan: RunPlan) -> Stage:
    """Compute everything static about a run (some tenths of a second)."""
    camera, kiln = plan.camera, plan.kiln
    rays = _rays(camera, plan.size, plan.size[::-1])
    x, y, z = camera.position
    mouth = (np.float32(x) - np.float32(z) * rays[0], np.float32(y) - np.float32(z) * rays[1])
    radius = np.hypot(mouth[0], mouth[1])
    inside = radius < 1
    ring = ~inside & (radius < 1 + RING)
    wall_z = np.where(inside, _wall_hit(camera, rays), np.where(ring, 1 - radius, 0)).astype(np.float32)
    q = wall_z - z
    angle = np.where(inside, np.arctan2(y + q * rays[1], x + q * rays[0]), np.arctan2(mouth[1], mouth[0]))
    scale = math.ceil(plan.size[0] / _COARSE_WIDTH)
    coarse = _rays(camera, plan.size, (plan.size[1] // scale, plan.size[0] // scale))
    coarse_z = np.where(np.hypot(x - z * coarse[0], y - z * coarse[1]) < 1, _wall_hit(camera, coarse), 0.0)
    reach, slices = _flame_slices(kiln, camera, coarse, coarse_z)
    depth = 1 - np.exp(-(coarse_z - z) / 4)
    height, width = coarse[0].shape
    across = np.hypot(*np.meshgrid(np.linspace(-1, 1, width), np.linspace(-0.75, 0.75, height)))
    response = "ir_cut" if camera.ir_cut else "no_ir_cut"
    return Stage(
        rays=rays,
        inside=inside,
        mouth=mouth,
        wall_z=wall_z,
        wall_turn=np.asarray((angle / (2 * np.pi) + 0.5) * WALL_TURN, np.float32),
        wall_profile=_wall_profile(wall_z),
        fixed_c=_fixed_temperature(plan, rays, inside, np.asarray(radius, np.float32)),
        grid=(height, width),
        slices_z=reach,
        slices=slices,
        swirl=_swirl(kiln, camera, coarse),
        depth=np.asarray(depth / (1 - np.exp(-(3.5 - z) / 4)), np.float32),
        vignette=np.asarray(1 - 0.16 * across**2, np.float32),
        grey=band_table(response),
        soot=band_table(response, soot=True),
        patterns=_patterns(np.random.default_rng([plan.seed, 0]), plan.size),
    )
