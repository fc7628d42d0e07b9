"""Colour differences in torch: batched, differentiable, with a finite gradient at every colour.

A colour is a last axis of three: CIE L*a*b* (D65; L 0..100, a and b about -128..127), or sRGB 0..1 in the
order R, G, B for `redmean`. All leading axes broadcast. Differences are >= 0, symmetric, and 0 for equal
colours. Half precision is computed, and returned, in float32.

The textbook formulas have no derivative at equal colours, at greys and at black. There the guarded forms
below keep the exact value and give a finite derivative: the square root and the hue see a harmless number in
the place of 0, and what they make of it is discarded.
"""

import math

import torch
from torch import Tensor

from kilnsense.errors import InputError

XYZ_FROM_RGB = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
"""Linear sRGB -> CIE XYZ (ITU-R BT.709 primaries, D65), Y of white = 1."""

RGB_FROM_XYZ = (
    (3.2404813432005266, -1.5371515162713185, -0.49853632616888777),
    (-0.9692549499965684, 1.8759900014898907, 0.04155592655829284),
    (0.055646639135177, -0.2040413383665112, 1.0573110696453443),
)
"""The inverse of `XYZ_FROM_RGB`."""

WHITE = (0.95047, 1.0, 1.08883)
"""XYZ of D65, 2 degree observer."""

_DELTA = 6.0 / 29.0
_POW25_FLOOR = 1e-3  # a chroma below this changes G and R_C by less than 1e-15


def srgb_to_lab(rgb: Tensor) -> Tensor:
    """sRGB 0..1, (..., 3) in the order R, G, B -> CIE L*a*b* (D65), (..., 3). IEC 61966-2-1, CIE 15."""
    (rgb,) = _colours("srgb_to_lab", rgb)
    bent = ((rgb.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4
    x, y, z = _mix(torch.where(rgb > 0.04045, bent, rgb / 12.92), XYZ_FROM_RGB)
    fx, fy, fz = _lab_curve(x / WHITE[0]), _lab_curve(y / WHITE[1]), _lab_curve(z / WHITE[2])
    return torch.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)], dim=-1)


def lab_to_srgb(lab: Tensor) -> Tensor:
    """CIE L*a*b* (D65), (..., 3) -> sRGB, (..., 3) in the order R, G, B.

    Colours that sRGB cannot show come out below 0 or above 1: nothing is clipped, so that the gradient lives
    on.
    """
    (lab,) = _colours("lab_to_srgb", lab)
    lightness, a, b = lab.unbind(-1)
    fy = (lightness + 16) / 116
    xyz = torch.stack(
        [
            WHITE[0] * _lab_curve_inverse(fy + a / 500),
            WHITE[1] * _lab_curve_inverse(fy),
            WHITE[2] * _lab_curve_inverse(fy - b / 200),
        ],
        dim=-1,
    )
    linear = torch.stack(_mix(xyz, RGB_FROM_XYZ), dim=-1)
    bent = 1.055 * linear.clamp_min(0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, bent, 12.92 * linear)


def cie76(x: Tensor, y: Tensor) -> Tensor:
    """CIE 1976 difference of Lab colours, (..., 3) x (..., 3) -> (...): sqrt(dL^2 + da^2 + db^2)."""
    x, y = _colours("cie76", x, y)
    return safe_sqrt(((x - y) ** 2).sum(-1))


def hyab(x: Tensor, y: Tensor) -> Tensor:
    """HyAB difference of Lab colours, (..., 3) x (..., 3) -> (...): |dL| + sqrt(da^2 + db^2).

    For large differences. Abasi, Amani Tehran, Fairchild, Color Research & Application 45(2), 2020.
    """
    x, y = _colours("hyab", x, y)
    square = (x - y) ** 2
    return (x[..., 0] - y[..., 0]).abs() + safe_sqrt(square[..., 1] + square[..., 2])


def redmean(x: Tensor, y: Tensor) -> Tensor:
    """Weighted Euclidean RGB difference of sRGB colours 0..1, (..., 3) x (..., 3) -> (...); white-black is 3.

    sqrt((2 + r) dR^2 + 4 dG^2 + (2 + 255/256 - r) dB^2), r = 255/256 * mean of the two reds; T. Riemersma,
    "Colour metric", CompuPhase. A mean red outside 0..1 counts as the nearer bound.
    """
    x, y = _colours("redmean", x, y)
    red = ((x[..., 0] + y[..., 0]) / 2).clamp(0, 1) * (255 / 256)
    square = (x - y) ** 2
    return safe_sqrt((2 + red) * square[..., 0] + 4 * square[..., 1] + (2 + 255 / 256 - red) * square[..., 2])


def cie94(x: Tensor, y: Tensor) -> Tensor:
    """CIE 1994 difference of Lab colours, (..., 3) x (..., 3) -> (...), symmetric form, graphic arts weights.

    sqrt(dL^2 + (dC / (1 + 0.045 C))^2 + (dH / (1 + 0.015 C))^2) with C the geometric mean of the two chromas
    (CIE 116-1995, where no colour is the reference). The slope along C grows as 1/sqrt(C) towards grey.
    """
    x, y = _colours("cie94", x, y)
    (l1, a1, b1), (l2, a2, b2) = x.unbind(-1), y.unbind(-1)
    c1, c2 = _chroma(a1, b1), _chroma(a2, b2)
    product = c1 * c2
    mean = safe_sqrt(product)
    d_hue = _hue_difference(product, a1 * a2 + b1 * b2, a1 * b2 - a2 * b1, torch.ones_like(product))
    d_chroma = (c2 - c1) / (1 + 0.045 * mean)
    return safe_sqrt((l2 - l1) ** 2 + d_chroma**2 + (d_hue / (1 + 0.015 * mean)) ** 2)


def ciede2000(x: Tensor, y: Tensor) -> Tensor:
    """CIEDE2000 difference of Lab colours, (..., 3) x (..., 3) -> (...); kL = kC = kH = 1.

    G. Sharma, W. Wu, E. N. Dalal, Color Research & Application 30(1) 21-30, 2005, doi 10.1002/col.20070.
    The formula itself jumps where two hues are 180 degrees apart (the mean hue changes sides), by up to tens
    of units between strong colours; the derivative is finite on both sides and on the edge.
    """
    x, y = _colours("ciede2000", x, y)
    (l1, a1, b1), (l2, a2, b2) = x.unbind(-1), y.unbind(-1)
    stretch = 1.5 - 0.5 * _high_chroma((_chroma(a1, b1) + _chroma(a2, b2)) / 2)
    p1, p2 = stretch * a1, stretch * a2
    c1, c2 = _chroma(p1, b1), _chroma(p2, b2)
    side = _side(a1, b1, a2, b2)
    dot = p1 * p2 + b1 * b2
    d_hue = _hue_difference(c1 * c2, dot, p1 * b2 - p2 * b1, side)
    hue = _mean_hue((_unit(p1, b1, c1), _unit(p2, b2, c2)), dot < 0, side)

    light = (l1 + l2) / 2 - 50
    s_l = 1 + 0.015 * light**2 / torch.sqrt(20 + light**2)
    chroma = (c1 + c2) / 2
    t = (
        1
        - 0.17 * torch.cos(hue - math.radians(30))
        + 0.24 * torch.cos(2 * hue)
        + 0.32 * torch.cos(3 * hue + math.radians(6))
        - 0.20 * torch.cos(4 * hue - math.radians(63))
    )
    bump = torch.exp(-(((hue - math.radians(275)) / math.radians(25)) ** 2))
    rotation = -2 * _high_chroma(chroma) * torch.sin(math.radians(60) * bump)
    d_l = (l2 - l1) / s_l
    d_c = (c2 - c1) / (1 + 0.045 * chroma)
    d_h = d_hue / (1 + 0.015 * chroma * t)
    return safe_sqrt(d_l**2 + d_c**2 + d_h**2 + rotation * d_c * d_h)


def safe_sqrt(x: Tensor, above: Tensor | float = 0.0) -> Tensor:
    """sqrt(x) where x exceeds `above` (0 or more); elsewhere 0 with derivative 0."""
    positive = x > above
    return torch.where(positive, torch.sqrt(torch.where(positive, x, 1.0)), 0.0)


def _colours(name: str, *colours: Tensor) -> tuple[Tensor, ...]:
    for colour in colours:
        if colour.ndim == 0 or colour.shape[-1] != 3 or not colour.is_floating_point():
            raise InputError(
                f"{name}: a colour is a floating-point tensor with a last axis of 3, "
                f"got shape {tuple(colour.shape)} of {colour.dtype}"
            )
    return tuple(c.float() if c.dtype in (torch.float16, torch.bfloat16) else c for c in colours)


def _mix(channels: Tensor, matrix: tuple[tuple[float, float, float], ...]) -> list[Tensor]:
    # Written out, not as a matrix product: mixed precision would run that in half precision.
    x, y, z = channels.unbind(-1)
    return [row[0] * x + row[1] * y + row[2] * z for row in matrix]


def _lab_curve(t: Tensor) -> Tensor:
    root = t.clamp_min(_DELTA**3) ** (1 / 3)
    return torch.where(t > _DELTA**3, root, t / (3 * _DELTA**2) + 4 / 29)


def _lab_curve_inverse(f: Tensor) -> Tensor:
    return torch.where(f > _DELTA, f**3, 3 * _DELTA**2 * (f - 4 / 29))


def _chroma(a: Tensor, b: Tensor) -> Tensor:
    return safe_sqrt(a**2 + b**2)


def _high_chroma(c: Tensor) -> Tensor:
    """sqrt(C^7 / (C^7 + 25^7)) through logarithms: C^7 itself overflows half precision at C = 5."""
    return torch.exp(0.5 * torch.nn.functional.logsigmoid(7 * torch.log(c.clamp_min(_POW25_FLOOR) / 25)))


def _unit(a: Tensor, b: Tensor, chroma: Tensor) -> tuple[Tensor, Tensor]:
    """The direction of the hue as (cos, sin); (0, 0) for grey."""
    length = torch.where(chroma > 0, chroma, 1.0)
    return a / length, b / length


def _side(a1: Tensor, b1: Tensor, a2: Tensor, b2: Tensor) -> Tensor:
    """+1 where the short way from hue 1 to hue 2 is counter-clockwise, -1 where it is clockwise.

    Decided in float64, where the products of float32 numbers are exact. At exactly 180 degrees the formula
    goes through the larger angle, so the sign is + if hue 1 is the one in 0..180.
    """
    with torch.no_grad():
        cross = a1.double() * b2.double() - a2.double() * b1.double()
        upper = (b1 > 0) | ((b1 == 0) & (a1 > 0))
        return torch.where((cross > 0) | ((cross == 0) & upper), 1.0, -1.0).to(a1.dtype)


def _hue_difference(product: Tensor, dot: Tensor, cross: Tensor, side: Tensor) -> Tensor:
    """dH = 2 sqrt(C1 C2) sin(dh / 2), from C1 C2, the inner and the cross product of the two (a, b).

    Two equal forms, each used where it does not cancel: sqrt(2) cross / sqrt(C1 C2 + dot) below 90 degrees,
    side * sqrt(2 (C1 C2 - dot)) above.
    """
    wide = dot < 0
    total = product + dot
    narrow = ~wide & (total > 0)
    below = math.sqrt(2) * cross / torch.sqrt(torch.where(narrow, total, 1.0))
    above = side * torch.sqrt(2 * torch.where(wide, product - dot, 1.0))
    return torch.where(wide, above, torch.where(narrow, below, 0.0))


def _mean_hue(
    units: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]], wide: Tensor, side: Tensor
) -> Tensor:
    """The middle of the shorter arc between two hues, radians in 0..2 pi; the other's hue if one is grey.

    The sum of the two unit vectors points there, and so does their difference turned by 90 degrees; the
    second is used beyond 90 degrees, because the sum vanishes at 180.
    """
    (x1, y1), (x2, y2) = units
    x = torch.where(wide, side * (y2 - y1), x1 + x2)
    y = torch.where(wide, side * (x1 - x2), y1 + y2)
    angle = torch.atan2(y, torch.where((x == 0) & (y == 0), 1.0, x))
    return torch.where(angle < 0, angle + 2 * math.pi, angle)
