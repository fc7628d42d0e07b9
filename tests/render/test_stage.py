"""Geometry of the view and the surface patterns."""

import dataclasses

import numpy as np
import pytest

from kilnsense.render.plan import RunPlan, plan_run
from kilnsense.render.stage import FAR, build_stage
from kilnsense.render.texture import cloud, grains


@pytest.fixture(scope="module")
def plan() -> RunPlan:
    return plan_run(np.random.default_rng(5), size=(96, 72))


def test_wall_points_lie_on_the_shell(plan: RunPlan) -> None:
    stage = build_stage(plan)
    near = stage.inside & (stage.wall_z < FAR)
    x, y, z = plan.camera.position
    depth = stage.wall_z - z
    radius = np.hypot(x + depth * stage.rays[0], y + depth * stage.rays[1])
    assert near.mean() > 0.5
    assert np.abs(radius[near] - 1).max() < 1e-3


def test_hood_is_cold_and_outside_the_mouth(plan: RunPlan) -> None:
    far_out = dataclasses.replace(plan, camera=dataclasses.replace(plan.camera, position=(0.0, 0.2, -4.0)))
    stage = build_stage(far_out)
    corner = stage.fixed_c[0, 0]
    assert not stage.inside[0, 0]
    assert 300 < corner < 900


def test_flame_slices_end_at_the_wall_and_thin_out_sideways(plan: RunPlan) -> None:
    stage = build_stage(plan)
    totals = stage.slices.sum(axis=1)
    assert (stage.slices >= 0).all()
    assert totals.max() > 10 * totals[0] > 0
    assert (np.diff(stage.slices_z) > 0).all()


def test_cloud_is_normalised_and_seamless() -> None:
    field = cloud(np.random.default_rng(0), 64, 96)
    inner = np.abs(np.diff(field, axis=1)).mean()
    seam = np.abs(field[:, 0] - field[:, -1]).mean()
    assert field.std() == pytest.approx(1, abs=1e-3)
    assert field.mean() == pytest.approx(0, abs=1e-3)
    assert seam < 2 * inner


def test_stretched_cloud_is_smoother_along_the_stretched_side() -> None:
    field = cloud(np.random.default_rng(0), 128, 128, stretch=(0.5, 3.0))
    assert np.abs(np.diff(field, axis=1)).mean() < 0.6 * np.abs(np.diff(field, axis=0)).mean()


def test_grains_are_seamless_and_leave_gaps() -> None:
    shade, tone = grains(np.random.default_rng(1), 96, 8)
    assert shade.shape == tone.shape == (96, 96)
    assert 0.05 < (shade == 0).mean() < 0.6
    assert (tone[shade == 0] == 0).all()
    inner = np.abs(np.diff(shade, axis=0)).mean()
    assert np.abs(shade[0] - shade[-1]).mean() < 2 * inner
