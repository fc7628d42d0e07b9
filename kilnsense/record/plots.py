"""Small plots as SVG text: a scatter of embeddings and curves of numbers.

They are written by hand, because a report must open without a network and without a plotting library on the
plant's computer. Text and axes take the colour of the page. A class has a colour (from the palette of Okabe
and Ito, 2008, told apart by the colour-blind) and a shape, so that a print in grey says the same.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import InputError

COLOURS = ("#0072b2", "#009e73", "#d55e00", "#cc79a7", "#e69f00", "#56b4e9", "#6b6b6b")

SHAPES = (
    "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
    "M-4 -4h8v8h-8z",
    "M0 -5.2L5 3.8H-5z",
    "M0 -5.6L5.6 0L0 5.6L-5.6 0z",
    "M0 5.2L5 -3.8H-5z",
    "M-1.7 -5h3.4v3.3h3.3v3.4h-3.3v3.3h-3.4v-3.3h-3.3v-3.4h3.3z",
    "M-5 -2.5L0 -5.5L5 -2.5V2.5L0 5.5L-5 2.5z",
)
"""One per colour: disc, square, triangle, diamond, triangle down, cross, hexagon; about 10 units wide."""

DASHES = ("", "7 4", "2 3", "9 3 2 3")

Scale = Callable[[NDArray[np.floating]], NDArray[np.floating]]

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 34, 46


def project(features: NDArray[np.floating]) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """The two principal components of (N, F) rows.

    Returns:
        (N, 2) coordinates, and the shares of the variance that the two explain, 0..1. The sign of each
        component is fixed so that the same rows give the same picture.
    """
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2 or not rows.size:
        raise InputError(f"project: got shape {rows.shape}, allowed: (N, F) with N and F of 1 or more")
    centred = rows - rows.mean(axis=0)
    left, strength, axes = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    points = np.zeros((len(rows), 2))
    kept = min(2, len(strength))
    points[:, :kept] = (left * strength * signs)[:, :kept]
    variance = strength**2
    shares = np.zeros(2)
    shares[:kept] = variance[:kept] / max(float(variance.sum()), np.finfo(float).tiny)
    return points, (float(shares[0]), float(shares[1]))


def scatter_svg(
    points: NDArray[np.floating],
    labels: Sequence[str],
    held_out: Sequence[bool],
    *,
    classes: Sequence[str],
    axes: tuple[str, str] = ("first component", "second component"),
) -> str:
    """A scatter of (N, 2) points: colour and shape by class, hollow for training, filled for held-out.

    Raises:
        InputError: the lengths differ or a label is no class.
    """
    if np.shape(points) != (len(labels), 2) or len(held_out) != len(labels):
        raise InputError(f"scatter: got {np.shape(points)} points, {len(labels)} labels, allowed: N of each")
    unknown = sorted(set(labels) - set(classes))
    if unknown:
        raise InputError(f"scatter: got label {unknown[0]!r}, allowed: {', '.join(classes)}")
    x = _scale(points[:, 0], LEFT, WIDTH - RIGHT)
    y = _scale(points[:, 1], HEIGHT - BOTTOM, TOP)
    parts = [_frame(axes)]
    for (px, py), label, held in sorted(
        zip(zip(x(points[:, 0]), y(points[:, 1]), strict=True), labels, held_out, strict=True),
        key=lambda item: item[2],
    ):
        parts.append(_marker(px, py, list(classes).index(label), filled=held))
    entries = [(name, number, True) for number, name in enumerate(classes)]
    parts.append(_legend([*entries, ("hollow: training, filled: held out", None, False)]))
    return _svg(f"{len(labels)} frames by {axes[0]} and {axes[1]}", parts)


def lines_svg(series: Mapping[str, Sequence[float]], *, axes: tuple[str, str] = ("epoch", "value")) -> str:
    """Curves over 1, 2, 3 ...; a value that is not finite leaves a gap.

    Raises:
        InputError: no finite value at all.
    """
    values = np.array([value for curve in series.values() for value in curve], dtype=np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise InputError("curves: got no finite value, allowed: one or more")
    longest = max(len(curve) for curve in series.values())
    x = _scale(np.array([1.0, max(longest, 2)]), LEFT, WIDTH - RIGHT)
    y = _scale(np.append(finite, 0.0) if finite.min() >= 0 else finite, HEIGHT - BOTTOM, TOP)
    parts = [_frame(axes), _ticks(finite, y), _epochs(longest, x)]
    entries: list[tuple[str, int | None, bool]] = []
    for number, (name, curve) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        dash = DASHES[number % len(DASHES)]
        places = zip(x(np.arange(1.0, len(curve) + 1)), y(np.array(curve, dtype=np.float64)), strict=True)
        path, pen = "", "M"
        for px, py in places:
            path, pen = (f"{path}{pen}{px:.1f} {py:.1f}", "L") if math.isfinite(py) else (path, "M")
        parts.append(
            f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
        )
        entries.append((name, number, False))
    parts.append(_legend(entries))
    return _svg(f"{', '.join(series)} by {axes[0]}", parts)


def _scale(values: NDArray[np.floating], low: float, high: float) -> Scale:
    """A straight map of the range of `values`, a little widened, onto low..high (in units of the drawing)."""
    least, most = float(values.min()), float(values.max())
    margin = 0.04 * (most - least) or 1.0
    least, most = least - margin, most + margin
    return lambda numbers: low + (numbers - least) * (high - low) / (most - least)


def _frame(axes: tuple[str, str]) -> str:
    middle = (TOP + HEIGHT - BOTTOM) / 2
    return (
        f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="currentColor" '
        f'stroke-opacity=".5"/>'
        f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(axes[0])}</text>'
        f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{escape(axes[1])}</text>'
    )


def _marker(x: float, y: float, number: int, *, filled: bool) -> str:
    colour = COLOURS[number % len(COLOURS)]
    fill = colour if filled else "none"
    return (
        f'<path d="{SHAPES[number % len(SHAPES)]}" transform="translate({x:.1f} {y:.1f})" fill="{fill}" '
        f'fill-opacity=".85" stroke="{colour}" stroke-width="1.2"/>'
    )


def _legend(entries: Sequence[tuple[str, int | None, bool]]) -> str:
    """Name, number of the colour (None: text alone), and whether the sign is a marker or a stroke."""
    parts, x = [], float(LEFT)
    for name, number, marker in entries:
        if number is not None and marker:
            parts.append(_marker(x + 5, 16, number, filled=True))
        elif number is not None:
            parts.append(
                f'<path d="M{x:.0f} 16h26" stroke="{COLOURS[number % len(COLOURS)]}" stroke-width="2" '
                f'stroke-dasharray="{DASHES[number % len(DASHES)]}"/>'
            )
        x += 0 if number is None else 16 if marker else 32
        parts.append(f'<text x="{x:.0f}" y="20">{escape(name)}</text>')
        x += 8 * len(name) + 18
    return "".join(parts)


def _ticks(values: NDArray[np.float64], y: Scale) -> str:
    """Four to eight round values with thin lines across."""
    least, most = min(0.0, float(values.min())), float(values.max())
    rough = (most - least or 1.0) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    places = np.arange(math.ceil(least / step), math.floor(most / step) + 1) * step + 0.0
    return "".join(
        f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="currentColor" stroke-opacity=".15"/>'
        f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{value:.4g}</text>'
        for value, at in zip(places, y(places), strict=True)
    )


def _epochs(count: int, x: Scale) -> str:
    step = next(width for width in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, count) if count <= 10 * width)
    shown = np.array(
        [1, *range(step, count + 1, step)] if step > 1 else range(1, count + 1), dtype=np.float64
    )
    return "".join(
        f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{value:.0f}</text>'
        for value, at in zip(shown, x(shown), strict=True)
    )


def _svg(title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}" font-size="15" '
        f'fill="currentColor">{"".join(parts)}</svg>'
    )
