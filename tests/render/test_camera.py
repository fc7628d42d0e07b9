"""Exposure, sensor and picture."""

import dataclasses

import numpy as np
import pytest

from kilnsense.render.camera import (
    AE_LAG_S,
    build_development,
    burn_stamp,
    expose,
    follow_gain,
    stamp_box,
    wanted_gain,
)
from kilnsense.render.physics import band_table
from kilnsense.render.plan import RunPlan, plan_run


def _plan(**camera: object) -> RunPlan:
    plan = plan_run(np.random.default_rng(2), difficulty="easy", size=(96, 72))
    fixed = {"exposure_ev": 0.0, "film": 0.0, "softness": 0.0, "stamp": "", "warmth": 0.0, "ir_cut": True}
    return dataclasses.replace(plan, camera=dataclasses.replace(plan.camera, **{**fixed, **camera}))  # type: ignore[arg-type]


def _flat(value: float) -> np.ndarray:
    return np.full((72, 96, 3), value, np.float32)


def _expose(plan: RunPlan, light: np.ndarray, gain: float) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal((72 + 64, 96 + 64, 3), dtype=np.float32)
    development = build_development(plan.camera)
    return expose(plan, development, light.copy(), gain=gain, noise=noise, shift=(3, 5))


def test_automatic_exposure_cancels_the_scene_brightness() -> None:
    rng = np.random.default_rng(1)
    light = rng.uniform(0.1, 1.0, (72, 96, 3)).astype(np.float32)
    for mode in ("auto_centre", "auto_highlight"):
        camera = _plan(exposure_mode=mode).camera
        assert wanted_gain(camera, 3 * light) == pytest.approx(wanted_gain(camera, light) / 3, rel=0.02)


def test_gain_covers_its_way_in_stops_with_the_lag() -> None:
    assert follow_gain(4.0, 1.0, AE_LAG_S) == pytest.approx(4.0 ** np.exp(-1))
    assert follow_gain(4.0, 1.0, 0.0) == 4.0
    assert follow_gain(0.0, 1.0, np.inf) == 1.0


def test_fixed_exposure_ignores_the_scene() -> None:
    camera = _plan(exposure_mode="fixed", exposure_ev=1.0).camera
    dim, bright = wanted_gain(camera, _flat(0.01)), wanted_gain(camera, _flat(5.0))
    assert dim == bright == pytest.approx(2 * wanted_gain(_plan(exposure_mode="fixed").camera, _flat(1.0)))


def test_highlight_exposure_protects_the_brightest_part() -> None:
    light = _flat(0.1)
    light[:20] = 4.0
    camera = _plan(exposure_mode="auto_highlight").camera
    assert wanted_gain(camera, light) * 4.0 == pytest.approx(0.92, rel=1e-3)


def test_overexposed_light_clips_to_white_and_no_light_is_black() -> None:
    plan = _plan(exposure_mode="fixed")
    assert (_expose(plan, _flat(50.0), 1.0) == 255).all()
    assert _expose(plan, _flat(0.0), 1.0).mean() < 15


def test_noise_grows_with_light_but_less_than_the_light() -> None:
    plan = _plan(exposure_mode="fixed", colour_matrix=0.0, gamma=1.0)
    dark, bright = (_expose(plan, _flat(v), 1.0).astype(float) for v in (0.02, 0.4))
    lin_dark, lin_bright = ((x[..., 0] / 255) ** 2.2 for x in (dark, bright))
    assert lin_bright.std() > 1.5 * lin_dark.std()
    assert lin_bright.std() / lin_bright.mean() < lin_dark.std() / lin_dark.mean()


def test_clinker_is_orange_with_the_filter_and_pinkish_without() -> None:
    colours = {}
    for ir_cut, matrix in ((True, 1.0), (False, 0.0)):
        plan = _plan(ir_cut=ir_cut, colour_matrix=matrix, exposure_mode="fixed", gamma=1.0)
        table = band_table("ir_cut" if ir_cut else "no_ir_cut")
        light = np.broadcast_to(table.at(1450.0), (72, 96, 3)).astype(np.float32)
        colours[ir_cut] = _expose(plan, light, 0.55).reshape(-1, 3).mean(axis=0)
    red, green, blue = colours[True]
    assert red > 1.5 * green > 4 * blue
    red, green, blue = colours[False]
    assert red > 1.15 * green
    assert blue == pytest.approx(green, rel=0.1)


def test_bright_spot_blooms_into_its_surroundings() -> None:
    plan = _plan(exposure_mode="fixed")
    spot = _flat(0.02)
    spot[30:40, 40:50] = 30.0
    assert _expose(plan, spot, 1.0)[45, 60].mean() > 10 + _expose(plan, _flat(0.02), 1.0)[45, 60].mean()


def test_lens_film_lowers_contrast() -> None:
    light = _flat(0.05)
    light[:, ::2] = 0.5
    contrast = []
    for film in (0.0, 0.4):
        row = _expose(_plan(exposure_mode="fixed", film=film), light, 1.0)[36, :, 0].astype(float)
        contrast.append((row[::2].mean() - row[1::2].mean()) / row.mean())
    assert contrast[1] < 0.8 * contrast[0]


def test_stamp_changes_only_its_box_and_shows_the_time() -> None:
    plan = _plan(stamp="KILN 1 CAM 1", stamp_top=True)
    plan = dataclasses.replace(plan, size=(640, 480))
    box = stamp_box(plan)
    assert box is not None
    first, second = (np.full((480, 640, 3), 90, np.uint8) for _ in range(2))
    burn_stamp(plan, first, 0.0)
    burn_stamp(plan, second, 61.0)
    outside = np.ones((480, 640), bool)
    outside[box] = False
    assert (first[outside] == 90).all()
    assert (first[box] > 200).any()
    assert (first != second).any()


def test_no_stamp_leaves_the_picture_alone() -> None:
    plan = _plan(stamp="")
    pixels = np.full((72, 96, 3), 90, np.uint8)
    burn_stamp(plan, pixels, 0.0)
    assert stamp_box(plan) is None
    assert (pixels == 90).all()
