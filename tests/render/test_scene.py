"""What is drawn: regions, and how each visible cue follows the state."""

import dataclasses

import numpy as np
import pytest

from kilnsense.render.condition import Condition, condition_at
from kilnsense.render.plan import RunPlan, plan_run
from kilnsense.render.scene import COAL, FLAME, MATERIAL, REGION_NAMES, WALL, Scene, draw_scene
from kilnsense.render.stage import SLICES, Stage, build_stage

STEADY = np.ones(SLICES, np.float32)


@pytest.fixture(scope="module")
def plan() -> RunPlan:
    return plan_run(np.random.default_rng(8), difficulty="easy", size=(160, 120))


@pytest.fixture(scope="module")
def stage(plan: RunPlan) -> Stage:
    return build_stage(plan)


@pytest.fixture(scope="module")
def now(plan: RunPlan) -> Condition:
    calm = condition_at(plan, 0.0)
    return dataclasses.replace(
        calm, bed_c=1450.0, wall_c=1360.0, flame_c=1800.0, dust_depth=0.05, puffs=(), plume=0.7, flame=4.0
    )


def _draw(plan: RunPlan, stage: Stage, now: Condition, **changes: object) -> Scene:
    return draw_scene(plan, stage, dataclasses.replace(now, **changes), 3.0, flicker=STEADY)  # type: ignore[arg-type]


def _green(scene: Scene, region: int) -> float:
    return float(scene.light[..., 1][scene.regions == region].mean())


def test_all_regions_show_and_are_ordered_by_light(plan: RunPlan, stage: Stage, now: Condition) -> None:
    scene = _draw(plan, stage, now)
    assert REGION_NAMES == ("wall", "coal", "material", "flame")
    shares = {name: (scene.regions == i).mean() for i, name in enumerate(REGION_NAMES)}
    assert min(shares.values()) > 0.005
    assert _green(scene, COAL) < _green(scene, MATERIAL) < _green(scene, FLAME)
    assert _green(scene, WALL) < _green(scene, MATERIAL)
    assert set(np.unique(scene.regions)) <= {-1, 0, 1, 2, 3}


def test_hotter_bed_is_brighter_as_planck_says(plan: RunPlan, stage: Stage, now: Condition) -> None:
    cold, hot = _draw(plan, stage, now, bed_c=1400.0), _draw(plan, stage, now, bed_c=1500.0)
    ratio = _green(hot, MATERIAL) / _green(cold, MATERIAL)
    pure = stage.grey.at(1500)[1] / stage.grey.at(1400)[1]
    # Reflected flame light is the same in both pictures and dilutes the step.
    assert 0.6 * pure < ratio < pure


def test_bright_flame_lifts_the_bed(plan: RunPlan, stage: Stage, now: Condition) -> None:
    dim, bright = _draw(plan, stage, now, flame_c=1700.0), _draw(plan, stage, now, flame_c=1950.0)
    seen = (dim.regions == MATERIAL) & (bright.regions == MATERIAL)
    assert bright.light[..., 1][seen].mean() > 1.1 * dim.light[..., 1][seen].mean()


def test_steeper_bed_climbs_higher(plan: RunPlan, stage: Stage, now: Condition) -> None:
    tops = []
    for degrees in (33.0, 42.0, 52.0):
        scene = _draw(plan, stage, now, bed_angle=float(np.deg2rad(degrees)))
        tops.append(np.nonzero((scene.regions == MATERIAL).any(axis=1))[0][0])
    assert tops[0] > tops[1] > tops[2]


def test_longer_plume_covers_more(plan: RunPlan, stage: Stage, now: Condition) -> None:
    short, long = _draw(plan, stage, now, plume=0.4), _draw(plan, stage, now, plume=1.3)
    assert (long.regions == COAL).sum() > 1.5 * (short.regions == COAL).sum()


def test_dust_attenuates_the_bed_and_glows_where_it_is_dark(
    plan: RunPlan, stage: Stage, now: Condition
) -> None:
    clear = _draw(plan, stage, now, dust_depth=0.0)
    dusty = _draw(plan, stage, now, dust_depth=1.5, dust_c=1250.0)
    dark = stage.fixed_c > 0
    assert clear.transmission == pytest.approx(1.0)
    assert 0.1 < dusty.transmission < 0.5
    assert _green(dusty, MATERIAL) < 0.7 * _green(clear, MATERIAL)
    assert dusty.light[..., 1][dark].mean() > clear.light[..., 1][dark].mean()


def test_under_burnt_bed_is_smoother_than_balled_one(plan: RunPlan, stage: Stage, now: Condition) -> None:
    rough = []
    for granularity, balls in ((0.15, 0.0), (1.0, 1.0)):
        scene = _draw(plan, stage, now, granularity=granularity, balls=balls)
        bed = scene.light[..., 1]
        step = np.abs(np.diff(np.log(bed), axis=1))[(scene.regions == MATERIAL)[:, 1:]]
        rough.append(step.mean())
    assert rough[1] > 2 * rough[0]


def test_coating_turns_with_the_kiln(plan: RunPlan, stage: Stage, now: Condition) -> None:
    turn = 2 * np.pi / plan.kiln.turn_rad_s
    frames = [
        draw_scene(plan, stage, dataclasses.replace(now, dust_depth=0.0), t, flicker=STEADY)
        for t in (5.0, 5.0 + turn / 3, 5.0 + turn)
    ]
    wall = (
        np.all([frame.regions == WALL for frame in frames], axis=0)
        & (stage.wall_z < 2)
        & (stage.wall_z > 0.2)
    )
    start, third, whole = (frame.light[..., 1][wall] for frame in frames)
    assert np.corrcoef(start, third)[0, 1] < 0.8
    assert np.corrcoef(start, whole)[0, 1] > 0.95


def test_bed_lies_on_the_rising_side(plan: RunPlan) -> None:
    for sign in (1, -1):
        turned = dataclasses.replace(plan, kiln=dataclasses.replace(plan.kiln, turn_sign=sign))
        central = dataclasses.replace(
            turned,
            camera=dataclasses.replace(
                plan.camera, position=(0.0, 0.3, -1.5), aim=(0.0, -0.2, 2.2), roll=0.0
            ),
        )
        scene = draw_scene(central, build_stage(central), condition_at(central, 0.0), 0.0, flicker=STEADY)
        columns = np.nonzero(scene.regions == MATERIAL)[1]
        assert np.sign(columns.mean() - 80) == sign
