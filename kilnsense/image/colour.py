"""sRGB, linear light and CIE L*a*b* (D65, 2 degree observer), in float32.

Sources: IEC 61966-2-1 (sRGB), CIE 15 (Lab). 8-bit pictures go through look-up tables. Arrays are (..., 3) in
the order R, G, B or L, a, b; sRGB and linear values are 0..1, L is 0..100.
"""

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import InputError

XYZ_FROM_RGB = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
"""Linear sRGB -> CIE XYZ (ITU-R BT.709 primaries), Y of white = 1."""

WHITE = np.array([0.95047, 1.0, 1.08883])
"""XYZ of D65."""

_BLOCK = 1 << 16  # pixels at a time: what is in between stays in the cache
_LUMA = XYZ_FROM_RGB[1].astype(np.float32)
_KNEE = (6.0 / 29.0) ** 3
_SLOPE = (29.0 / 6.0) ** 2 / 3.0
_RELATIVE = (XYZ_FROM_RGB / WHITE[:, None]).astype(np.float32)
_LAB_FROM_ROOTS = np.array([[0, 116, 0, -16], [500, -500, 0, 0], [0, 200, -200, 0]], np.float32)
_DECODED = np.where(
    np.arange(256) <= 0.04045 * 255,
    np.arange(256) / (255 * 12.92),
    ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4,
).astype(np.float32)

Pixels = NDArray[np.uint8] | NDArray[np.float32] | NDArray[np.float64]


def srgb_to_linear(pixels: Pixels) -> NDArray[np.float32]:
    """sRGB (...), uint8 0..255 or float 0..1 -> linear light (...), float32 0..1."""
    if pixels.dtype == np.uint8:
        flat = np.ascontiguousarray(pixels, np.uint8).reshape(1, -1)
        return np.asarray(cv2.LUT(flat, _DECODED), np.float32).reshape(pixels.shape)
    values = np.clip(pixels, 0.0, 1.0).astype(np.float32)
    bent = ((values + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    return np.asarray(np.where(values <= 0.04045, values / np.float32(12.92), bent), np.float32)


def linear_to_srgb(light: NDArray[np.floating]) -> NDArray[np.float32]:
    """Linear light (...), float -> sRGB (...), float32; what lies outside 0..1 is clipped."""
    values = np.clip(light, 0.0, 1.0).astype(np.float32)
    bent = 1.055 * np.maximum(values, 0.0031308) ** (1 / 2.4) - 0.055
    return np.asarray(np.where(values <= 0.0031308, values * 12.92, bent), np.float32)


def srgb_to_lab(pixels: Pixels) -> NDArray[np.float32]:
    """sRGB (..., 3), uint8 0..255 or float 0..1 -> CIE L*a*b* (..., 3), float32.

    Raises:
        InputError: the last axis is not three long.
    """
    rows = _rows(pixels)
    lab = np.empty(rows.shape, np.float32)
    for start in range(0, rows.shape[1], _BLOCK):
        lab[:, start : start + _BLOCK] = _block_to_lab(rows[:, start : start + _BLOCK])
    return lab.reshape(pixels.shape)


def _block_to_lab(block: Pixels) -> NDArray[np.float32]:
    light = np.asarray(
        cv2.LUT(block, _DECODED) if block.dtype == np.uint8 else srgb_to_linear(block), np.float32
    )
    ratio = np.asarray(cv2.transform(light, _RELATIVE), np.float32)
    root = np.asarray(cv2.pow(ratio, 1.0 / 3.0), np.float32)
    low = ratio < _KNEE
    if low.any():
        cv2.copyTo(_SLOPE * ratio + np.float32(4.0 / 29.0), low.view(np.uint8), root)
    return np.asarray(cv2.transform(root, _LAB_FROM_ROOTS), np.float32)


def lab_to_srgb(lab: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float32]:
    """CIE L*a*b* (..., 3) -> sRGB (..., 3), float32; colours that sRGB cannot show are clipped to 0..1.

    Raises:
        InputError: the last axis is not three long.
    """
    rows = _rows(lab).astype(np.float64).reshape(-1, 3)
    middle = (rows[:, 0] + 16.0) / 116.0
    roots = np.stack([middle + rows[:, 1] / 500.0, middle, middle - rows[:, 2] / 200.0], axis=1)
    relative = np.where(roots > 6.0 / 29.0, roots**3, (roots - 4.0 / 29.0) / _SLOPE)
    light = (relative * WHITE) @ np.linalg.inv(XYZ_FROM_RGB).T
    return linear_to_srgb(light).reshape(lab.shape)


def luminance(pixels: Pixels) -> NDArray[np.float32]:
    """Relative luminance Y (...) 0..1, float32, of sRGB (..., 3), uint8 or float 0..1.

    Raises:
        InputError: the last axis is not three long.
    """
    _rows(pixels)
    return luminance_of(srgb_to_linear(pixels))


def luminance_of(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Relative luminance Y (...) of linear sRGB (..., 3), float32."""
    return np.asarray(light @ _LUMA, np.float32)


def _rows(pixels: Pixels) -> Pixels:
    """The array as (1, n, 3), which is what OpenCV calls a picture of three channels."""
    if pixels.ndim < 1 or pixels.shape[-1] != 3:
        raise InputError(f"colour: got the shape {pixels.shape}, allowed: (..., 3)")
    return cast(Pixels, np.ascontiguousarray(pixels).reshape(1, -1, 3))
