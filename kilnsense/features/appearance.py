"""Colour ratios, tone, hue and texture of the judged part of a picture."""

import cv2
import numpy as np
from numpy.typing import NDArray

from kilnsense.features.picture import WorkingPicture, percentiles

BLACK = 0.002
"""Added to linear light before a logarithm: below it there is only the camera's noise."""
RATIO_NAMES = (
    *(f"ln_red_green.p{p}" for p in (5, 25, 50, 75, 95)),
    *(f"ln_red_blue.p{p}" for p in (5, 25, 50, 75, 95)),
    "ln_red_green.mean_light", "ln_red_blue.mean_light",
    "ln_red_green.spread", "ln_red_blue.spread", "correlation",
)  # fmt: skip
TONE_NAMES = (
    *(f"L.p{p}" for p in (5, 25, 50, 75, 90, 95, 99)),
    "L.mean", "a.mean", "b.mean", "L.spread", "a.spread", "b.spread", "clipped", "haze",
)  # fmt: skip
HUE_BINS = 24
HUE_NAMES = tuple(f"hue{round(360 * (i + 0.5) / HUE_BINS - 180)}" for i in range(HUE_BINS))
SIGMAS = (1, 2, 4, 8)
"""Standard deviations of the Gaussians between which texture is read, in pixels of the working picture."""
TEXTURE_NAMES = (
    *(f"{of}.sigma{s}.{what}" for of in ("L", "ln_light") for s in SIGMAS for what in ("ln_spread", "mean")),
    "axis.spread", "axis.bend", "half_width.spread", "half_width.bend", "axis.rise",
)  # fmt: skip


def describe_ratios(picture: WorkingPicture) -> NDArray[np.float64]:
    """(15,) logarithms of red/green and red/blue linear light over the foreground: percentiles, of the mean
    light, spread, and their correlation. A gain of the camera cancels out, but for clipping."""
    light = np.stack([channel[picture.foreground] for channel in picture.light_channels]) + np.float32(BLACK)
    ln_red, ln_green, ln_blue = np.log(light)
    logs = np.stack([ln_red - ln_green, ln_red - ln_blue])
    mean = light.mean(axis=1, dtype=np.float64)
    middle, spread = logs.mean(axis=1, dtype=np.float64), logs.std(axis=1, dtype=np.float64)
    first, second = logs - middle[:, None]
    together = float(first @ second) / len(first) / max(spread.prod(), 1e-9)
    marks = percentiles(logs, (5, 25, 50, 75, 95)).ravel()
    return np.array([*marks, *np.log(mean[0] / mean[1:]), *spread, together])


def describe_tone(picture: WorkingPicture) -> NDArray[np.float64]:
    """(15,) percentiles of L, mean and spread in Lab, the share of pixels with a channel at 250 or above, and
    haze: the 5th percentile of the darkest channel as a share of the brightest luminance (0 clear)."""
    inside = picture.mask.view(np.uint8)
    lightness, red, green, blue = (
        channel[picture.mask] for channel in (picture.lab_channels[0], *picture.light_channels)
    )
    mean, spread = (np.asarray(of).ravel() for of in cv2.meanStdDev(picture.lab, mask=inside))
    clipped = float((np.maximum(np.maximum(red, green), blue) >= 0.956).mean())  # 250 of 255, decoded
    darkest = np.minimum(np.minimum(red, green), blue)
    haze = float(percentiles(darkest, (5,))[0]) / max(picture.top, 0.01)
    marks = percentiles(lightness, (5, 25, 50, 75, 90, 95, 99))
    return np.array([*marks, *mean, *spread, clipped, min(haze, 1.0)])


def describe_hue(picture: WorkingPicture) -> NDArray[np.float64]:
    """(24,) roots of the shares of chroma in 24 sectors of the Lab hue angle, -180..180 degrees."""
    red_green, yellow_blue = (channel[picture.mask] for channel in picture.lab_channels[1:])
    chroma, angle = np.sqrt(red_green**2 + yellow_blue**2), np.arctan2(yellow_blue, red_green)
    sector = np.minimum(((angle + np.pi) * (HUE_BINS / (2 * np.pi))).astype(np.intp), HUE_BINS - 1)
    counts = np.bincount(sector, weights=chroma, minlength=HUE_BINS)
    return np.asarray(np.sqrt(counts / (counts.sum() + 1e-6)), dtype=np.float64)


def describe_texture(picture: WorkingPicture) -> NDArray[np.float64]:
    """(21,) per octave of detail, in L and in ln of luminance, over the foreground: ln of the standard
    deviation and the mean size; then how the light's axis and half width vary, bend and rise from left to
    right (shares of the height)."""
    inside = (picture.foreground & picture.mask).view(np.uint8)
    count = cv2.countNonZero(inside)
    numbers: list[float] = []
    for image in (picture.lab_channels[0], np.log(picture.luminance + 0.003)):
        image = np.where(picture.mask, image, image[picture.mask].mean()).astype(np.float32)
        coarser = image
        for sigma in SIGMAS:
            finer, coarser = coarser, np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.float32)
            detail = finer - coarser
            spread = cv2.meanStdDev(detail, mask=inside)[1][0, 0]
            numbers += [float(np.log(spread + 1e-3)), cv2.norm(detail, cv2.NORM_L1, inside) / count]
    return np.array([*numbers, *_course(picture)])


def _course(picture: WorkingPicture) -> list[float]:
    light = picture.luminance.sum(axis=0)
    lit = light > 0.02 * light.max()
    axis, spread = (values[lit] for values in picture.axis_and_spread)
    if len(axis) < 3:
        return [0.0] * 5
    bends = [float(np.abs(np.diff(values, 2)).mean()) for values in (axis, spread)]
    return [float(axis.std()), bends[0], float(spread.std()), bends[1], float(axis[-1] - axis[0])]
