"""The camera: exposure, lens, sensor, white balance, tone curve, time stamp."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from kilnsense.render.physics import (
    XYZ_TO_RGB,
    band_table,
    encode_srgb,
    eye_response,
    planck,
    sensor_response,
)
from kilnsense.render.plan import CameraPlan, RunPlan

Image = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

AE_LAG_S = 1.5
_BASE_GAIN = 0.62  # fixed exposure: a black body at 1450 degrees Celsius reaches this share of full scale
_LEVELS = 4096
_DAYLIGHT_C = 6200.0
_SHOT = 0.00035  # shot noise variance at full scale


@dataclass(frozen=True, eq=False)
class Development:
    """Sensor counts to 8 bit: white balance (3,), colour matrix (3, 3), tone table (_LEVELS,) uint8."""

    gains: Image
    matrix: Image
    tone: Pixels


def _colour_correction(ir_cut: bool) -> npt.NDArray[np.float64]:
    """Matrix from daylight-balanced sensor RGB to linear sRGB, fitted on hot bodies; rows sum to 1."""
    wavelengths = np.arange(380.0, 1101.0, 4.0)
    sensor = sensor_response(wavelengths, ir_cut=ir_cut)
    eye = XYZ_TO_RGB @ eye_response(wavelengths)
    spectra = planck(wavelengths[:, None], np.geomspace(1500, 9000, 24)[None, :])
    spectra /= spectra.mean(axis=0)
    daylight = planck(wavelengths, _DAYLIGHT_C)
    daylight /= daylight.mean()
    balanced = (sensor @ spectra) / (sensor @ daylight)[:, None]
    wanted = (eye @ spectra) / (eye @ daylight)[:, None]
    # Solve for the deviation from the identity with zero row sums, damped so that noise is not amplified.
    basis = np.array([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]])
    seen = basis @ balanced
    damped = np.linalg.solve(seen @ seen.T + 0.004 * np.eye(2), seen @ (wanted - balanced).T)
    return np.asarray(np.eye(3) + damped.T @ basis)


def build_development(camera: CameraPlan) -> Development:
    """White balance, colour correction and tone curve of a camera."""
    wavelengths = np.arange(380.0, 1101.0, 4.0)
    if camera.ir_cut:
        daylight = sensor_response(wavelengths, ir_cut=True) @ planck(wavelengths, _DAYLIGHT_C)
    else:
        daylight = np.ones(3)  # no daylight reference holds with infrared in every channel: equal gains
    clinker = band_table("ir_cut" if camera.ir_cut else "no_ir_cut").at(1450.0).astype(np.float64)
    gains = (1 / daylight) ** (1 - camera.warmth) * (1 / clinker) ** camera.warmth
    gains /= gains[0]
    gains = np.maximum(gains, 1.0)
    share = camera.colour_matrix
    matrix = (1 - share) * np.eye(3) + share * _colour_correction(camera.ir_cut)
    levels = np.linspace(0, 1, _LEVELS)
    shoulder = np.where(levels < 0.7, levels, 0.7 + 0.3 * np.tanh((levels - 0.7) / 0.3) / np.tanh(1.0))
    tone = np.rint(255 * encode_srgb(shoulder) ** camera.gamma).astype(np.uint8)
    return Development(gains=gains.astype(np.float32), matrix=matrix.astype(np.float32), tone=tone)


def wanted_gain(camera: CameraPlan, light: Image) -> float:
    """Gain at which the exposure mode would settle on this light (H, W, 3), linear."""
    shift = 2.0**camera.exposure_ev
    if camera.exposure_mode == "fixed":
        return float(_BASE_GAIN * shift)
    grey = light[::8, ::8, :].max(axis=2)
    if camera.exposure_mode == "auto_highlight":
        level = float(np.quantile(grey, 0.97))
        return float(np.clip(0.92 * shift / max(level, 1e-6), 0.01, 20.0))
    centre = grey[grey.shape[0] // 4 : -(grey.shape[0] // 4), grey.shape[1] // 4 : -(grey.shape[1] // 4)]
    gain = _BASE_GAIN
    for _ in range(6):
        mean = float(np.minimum(centre * gain, 1.0).mean())
        gain = float(np.clip(gain * (0.42 * shift / max(mean, 1e-6)) ** 0.8, 0.01, 20.0))
    return gain


def follow_gain(gain: float, wanted: float, passed_s: float) -> float:
    """Gain after `passed_s` seconds of following the wanted one; the control works on the logarithm."""
    if math.isinf(passed_s):
        return wanted
    return float(wanted * (gain / wanted) ** math.exp(-passed_s / AE_LAG_S))


def _spread(camera: CameraPlan, light: Image) -> Image:
    """Blooming, veiling glare and lens film: light that lands where it does not belong."""
    height, width = light.shape[:2]
    coarse = (max(1, width // 8), max(1, height // 8))
    small = np.asarray(cv2.resize(light, coarse, interpolation=cv2.INTER_AREA), np.float32)
    np.minimum(small, 6.0, out=small)
    halo = cv2.GaussianBlur(small, (0, 0), max(width / 8 / 40, 0.8))
    wide = cv2.GaussianBlur(small, (0, 0), max(width / 8 / 7, 1.0))
    extra = 0.035 * halo + (0.03 + 0.35 * camera.film) * wide
    return np.asarray(cv2.resize(extra, (width, height), interpolation=cv2.INTER_LINEAR))


def expose(
    plan: RunPlan,
    development: Development,
    light: Image,
    *,
    gain: float,
    noise: Image,
    shift: tuple[int, int],
) -> Pixels:
    """Turn light (H, W, 3) into an 8-bit RGB picture; `light` is used up (changed in place).

    noise: (H + 64, W + 64, 3) unit variance; shift: which part of it this frame takes, each 0..63.
    """
    camera = plan.camera
    width, height = plan.size
    light *= np.float32(gain)
    spread = _spread(camera, light)
    light *= np.float32(1 - camera.film)
    light += spread
    # In the square-root domain shot noise has the same spread everywhere.
    floor = np.float32(camera.read_noise**2 / _SHOT)
    light += floor
    cv2.sqrt(light, light)
    light += noise[shift[0] : shift[0] + height, shift[1] : shift[1] + width] * np.float32(0.5 * _SHOT**0.5)
    cv2.multiply(light, light, light)
    light -= floor
    # Gains are at least 1, so this is also where a full sensor clips: it stays white.
    light *= development.gains
    np.minimum(light, 1.0, out=light)
    linear = np.asarray(cv2.transform(light, development.matrix), np.float32)
    np.clip(linear, 0.0, 1.0, out=linear)
    linear *= _LEVELS - 1
    linear += 0.5
    pixels = np.take(development.tone, linear.astype(np.uint16))
    if camera.softness > 0.15:
        return np.asarray(cv2.GaussianBlur(pixels, (5, 5), 0.3 + 0.9 * camera.softness), np.uint8)
    return pixels


def stamp_box(plan: RunPlan) -> tuple[slice, slice] | None:
    """Rows and columns that the time stamp covers, or None."""
    if not plan.camera.stamp:
        return None
    width, height = plan.size
    tall = max(8, round(height / 26))
    top = 4 if plan.camera.stamp_top else height - 4 - tall
    return slice(top, top + tall), slice(4, 4 + round(width * 0.56))


def burn_stamp(plan: RunPlan, pixels: Pixels, t: float) -> None:
    """Write the camera name and the time into the picture, in place."""
    box = stamp_box(plan)
    if box is None:
        return
    now = np.datetime64(plan.camera.start) + np.timedelta64(round(t), "s")
    text = f"{plan.camera.stamp}  {str(now).replace('T', ' ')}"
    tall = box[0].stop - box[0].start
    scale = tall / 30
    origin = (box[1].start + 2, box[0].stop - tall // 4)
    thick = max(1, round(scale))
    pixels[box] //= 3
    cv2.putText(pixels, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, (235, 235, 235), thick, cv2.LINE_AA)
