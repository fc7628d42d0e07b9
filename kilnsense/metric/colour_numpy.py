"""The colour differences of `colour` in numpy, for serving without torch: same names, same numbers, no
gradient.

A colour is a last axis of three: CIE L*a*b* (D65), or sRGB 0..1 for `redmean`. All leading axes broadcast;
everything is computed and returned in float64. The formulas' sources stand in `colour`.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kilnsense.errors import ConfigError, InputError

Floats = NDArray[np.float64]

_RGB_FROM_XYZ = np.linalg.inv(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])
_BLOCK = 1 << 15  # colour differences computed at once: their temporaries then stay in the cache


def lab_to_srgb(lab: ArrayLike) -> Floats:
    """CIE L*a*b* (D65), (..., 3) -> sRGB in the order R, G, B; not clipped to 0..1."""
    colours = _colours("lab_to_srgb", lab)
    fy = (colours[..., 0] + 16) / 116
    f = np.stack([fy + colours[..., 1] / 500, fy, fy - colours[..., 2] / 200], axis=-1)
    delta = 6 / 29
    linear = (_WHITE * np.where(f > delta, f**3, 3 * delta**2 * (f - 4 / 29))) @ _RGB_FROM_XYZ.T
    bent = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.asarray(np.where(linear > 0.0031308, bent, 12.92 * linear))


def cie76(x: ArrayLike, y: ArrayLike) -> Floats:
    """CIE 1976 difference of Lab colours, (..., 3) x (..., 3) -> (...)."""
    d = _colours("cie76", x) - _colours("cie76", y)
    return np.asarray(np.sqrt((d**2).sum(-1)))


def hyab(x: ArrayLike, y: ArrayLike) -> Floats:
    """HyAB difference of Lab colours, (..., 3) x (..., 3) -> (...)."""
    d = _colours("hyab", x) - _colours("hyab", y)
    return np.asarray(np.abs(d[..., 0]) + np.hypot(d[..., 1], d[..., 2]))


def redmean(x: ArrayLike, y: ArrayLike) -> Floats:
    """Weighted Euclidean RGB difference of sRGB colours 0..1, (..., 3) x (..., 3) -> (...)."""
    one, two = _colours("redmean", x), _colours("redmean", y)
    red = np.clip((one[..., 0] + two[..., 0]) / 2, 0, 1) * (255 / 256)
    r, g, b = np.moveaxis((one - two) ** 2, -1, 0)
    return np.asarray(np.sqrt((2 + red) * r + 4 * g + (2 + 255 / 256 - red) * b))


def cie94(x: ArrayLike, y: ArrayLike) -> Floats:
    """CIE 1994 difference of Lab colours, symmetric form, (..., 3) x (..., 3) -> (...)."""
    l1, a1, b1 = np.moveaxis(_colours("cie94", x), -1, 0)
    l2, a2, b2 = np.moveaxis(_colours("cie94", y), -1, 0)
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    mean = np.sqrt(c1 * c2)
    square_hue = np.maximum(0, 2 * (c1 * c2 - a1 * a2 - b1 * b2))
    d_chroma = (c2 - c1) / (1 + 0.045 * mean)
    return np.asarray(np.sqrt((l2 - l1) ** 2 + d_chroma**2 + square_hue / (1 + 0.015 * mean) ** 2))


def ciede2000(x: ArrayLike, y: ArrayLike) -> Floats:
    """CIEDE2000 difference of Lab colours, (..., 3) x (..., 3) -> (...)."""
    l1, a1, b1 = np.moveaxis(_colours("ciede2000", x), -1, 0)
    l2, a2, b2 = np.moveaxis(_colours("ciede2000", y), -1, 0)
    stretch = 1.5 - 0.5 * _high_chroma((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2)
    p1, p2 = stretch * a1, stretch * a2
    c1, c2 = np.hypot(p1, b1), np.hypot(p2, b2)
    hue, turn = _hues(np.arctan2(b1, p1), np.arctan2(b2, p2), a1 * b2 - a2 * b1)
    chroma, light = (c1 + c2) / 2, (l1 + l2) / 2 - 50
    t = (
        1
        - 0.17 * np.cos(hue - np.radians(30))
        + 0.24 * np.cos(2 * hue)
        + 0.32 * np.cos(3 * hue + np.radians(6))
        - 0.20 * np.cos(4 * hue - np.radians(63))
    )
    bump = np.exp(-(((np.degrees(hue) - 275) / 25) ** 2))
    rotation = -2 * _high_chroma(chroma) * np.sin(np.radians(60) * bump)
    d_l = (l2 - l1) / (1 + 0.015 * light**2 / np.sqrt(20 + light**2))
    d_c = (c2 - c1) / (1 + 0.045 * chroma)
    d_h = 2 * np.sqrt(c1 * c2) * np.sin(turn / 2) / (1 + 0.015 * chroma * t)
    return np.asarray(np.sqrt(np.maximum(0, d_l**2 + d_c**2 + d_h**2 + rotation * d_c * d_h)))


def palette_matrix(name: str, x: ArrayLike, y: ArrayLike) -> Floats:
    """Distances of all palettes x to all palettes y: the mean colour difference over their p tokens, (N, M).

    Args:
        name: key of `COLOUR_DIFFERENCES`.
        x: palettes of Lab colours, (N, p, 3), or flattened, (N, 3 p).
        y: the same, (M, p, 3) or (M, 3 p).

    Raises:
        ConfigError: unknown name.
        InputError: no palettes, or of different sizes.
    """
    if name not in COLOUR_DIFFERENCES:
        raise ConfigError(
            f"colour difference: got {name!r}, allowed: {', '.join(sorted(COLOUR_DIFFERENCES))}"
        )
    one, two = _palettes(x), _palettes(y)
    if one.shape[1] != two.shape[1]:
        raise InputError(f"palettes differ in size: {one.shape[1]} and {two.shape[1]} colours")
    if name == "redmean":
        one, two = lab_to_srgb(one), lab_to_srgb(two)
    step = max(1, _BLOCK // max(1, two.shape[0] * two.shape[1]))
    result = np.empty((len(one), len(two)))
    for start in range(0, len(one), step):
        block = COLOUR_DIFFERENCES[name](one[start : start + step, None], two[None])
        result[start : start + step] = block.mean(-1)
    return result


def _palettes(x: ArrayLike) -> Floats:
    array = np.asarray(x, dtype=np.float64)
    if array.ndim == 2 and array.shape[1] % 3 == 0:
        array = array.reshape(len(array), array.shape[1] // 3, 3)
    if array.ndim != 3 or array.shape[1] == 0 or array.shape[2] != 3:
        raise InputError(f"palettes are (N, p, 3) or (N, 3 p) Lab values, got shape {array.shape}")
    return array


def _colours(name: str, x: ArrayLike) -> Floats:
    array = np.asarray(x, dtype=np.float64)
    if array.ndim == 0 or array.shape[-1] != 3:
        raise InputError(f"{name}: a colour needs a last axis of 3, got shape {array.shape}")
    return array


def _high_chroma(c: Floats) -> Floats:
    """sqrt(C^7 / (C^7 + 25^7))."""
    return np.asarray(np.sqrt(1 / (1 + (25 / np.maximum(c, 1e-3)) ** 7)))


def _hues(h1: Floats, h2: Floats, cross: Floats) -> tuple[Floats, Floats]:
    """Mean hue in 0..2 pi and the signed turn from hue 1 to hue 2 the short way, radians.

    `cross` a1 b2 - a2 b1 decides the side near 180 degrees, where a difference of rounded angles cannot;
    at 180 degrees the way goes through the larger angle. The hue of a grey is of no effect, for its dH is 0.
    """
    h1, h2 = h1 % (2 * np.pi), h2 % (2 * np.pi)
    short = np.pi - np.abs(np.pi - np.abs(h2 - h1))
    turn = np.where((cross > 0) | ((cross == 0) & (h2 > h1)), short, -short)
    return (h1 + turn / 2) % (2 * np.pi), turn


COLOUR_DIFFERENCES: dict[str, Callable[[ArrayLike, ArrayLike], Floats]] = {
    "cie76": cie76,
    "cie94": cie94,
    "ciede2000": ciede2000,
    "hyab": hyab,
    "redmean": redmean,
}
"""Colour difference by name; all take Lab, but for `redmean`, which takes sRGB 0..1."""
