"""The plots of a report as SVG text that stands in an HTML page: no file, no script, no font is fetched.

A class has a colour (from the palette of Okabe and Ito, 2008, told apart by the colour-blind) and a shape, a
curve a colour and dashes, so that a print in grey says the same. The ground is white in a dark page too. The
same numbers give the same text.
"""

import base64
import hashlib
import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.decomposition import PCA

from kilnsense.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#009e73", "#d55e00", "#cc79a7", "#e69f00", "#56b4e9", "#6b6b6b")
SHAPES = ("o", "s", "^", "D", "v", "P", "h")
DASHES = ("-", "--", ":", "-.")
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "text.parse_math": False,  # a name with two dollar signs is no formula
    "font.sans-serif": ["DejaVu Sans"],  # the generic sans-serif where a reader has no such font
    "font.size": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "legend.columnspacing": 1.2,
}
SIZE = (6.4, 4.2)  # inches of 72 units
DOTS = 130  # of a PNG, an inch
TONES = 96  # of a PNG


def project(features: NDArray[np.floating]) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """The two principal components of (N, F) rows.

    Returns:
        (N, 2) coordinates, and the shares of the variance that the two explain, 0..1. The sign of each
        component is fixed so that the same rows give the same picture.
    """
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2 or not rows.size:
        raise InputError(f"project: got shape {rows.shape}, allowed: (N, F) with N and F of 1 or more")
    points, shares, kept = np.zeros((len(rows), 2)), np.zeros(2), min(2, *rows.shape)
    if (rows != rows[0]).any():
        components = PCA(kept, svd_solver="full")
        points[:, :kept] = components.fit_transform(rows)
        shares[:kept] = components.explained_variance_ratio_
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
        MissingExtraError: Matplotlib is missing; so for all plots.
    """
    if np.shape(points) != (len(labels), 2) or len(held_out) != len(labels):
        raise InputError(f"scatter: got {np.shape(points)} points, {len(labels)} labels, allowed: N of each")
    unknown = sorted(set(labels) - set(classes))
    if unknown:
        raise InputError(f"scatter: got label {unknown[0]!r}, allowed: {', '.join(classes)}")
    names, held = np.array(labels), np.array(held_out, dtype=bool)

    def draw(panel: "Axes") -> None:
        for filled in (False, True):
            for number, name in enumerate(classes):
                x, y = points[(names == name) & (held == filled)].T
                colour = COLOURS[number % len(COLOURS)]
                panel.scatter(
                    x,
                    y,
                    s=34,
                    marker=SHAPES[number % len(SHAPES)],
                    facecolors=colour if filled else "none",
                    edgecolors=colour,
                    linewidths=1.0,
                    alpha=0.9 if filled else 0.6,
                    label=name if filled else None,
                )

    return _svg(f"{len(labels)} frames by {axes[0]} and {axes[1]}", axes, draw)


def lines_svg(series: Mapping[str, Sequence[float]], *, axes: tuple[str, str] = ("epoch", "value")) -> str:
    """Curves over 1, 2, 3 ...; a value that is not finite leaves a gap.

    Raises:
        InputError: no finite value at all.
    """
    if not any(np.isfinite(curve).any() for curve in series.values()):
        raise InputError("curves: got no finite value, allowed: one or more")

    def draw(panel: "Axes") -> None:
        for number, (name, curve) in enumerate(series.items()):
            colour, dashes = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
            panel.plot(range(1, len(curve) + 1), curve, dashes, color=colour, label=name, marker=".")
        panel.locator_params(axis="x", integer=True)

    return _svg(f"{', '.join(series)} by {axes[0]}", axes, draw)


def reliability_svg(confidence: NDArray[np.floating], right: NDArray[np.bool_], *, bins: int = 8) -> str:
    """Share of right answers against calibrated confidence, in bins of equal width, with their counts.

    Args:
        confidence: (N,) probability of the most probable class, 0..1.
        right: (N,) whether it is the true one.
        bins: from 0 to 1.

    Raises:
        InputError: no frames, or the lengths differ.
    """
    _check_judged("reliability", confidence, right)
    slot = np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)
    counts = np.bincount(slot, minlength=bins)
    used = np.flatnonzero(counts)
    mean, share = (
        np.bincount(slot, weights=np.asarray(values, np.float64), minlength=bins)[used] / counts[used]
        for values in (confidence, right)
    )

    def draw(panel: "Axes") -> None:
        panel.plot((0, 1), (0, 1), DASHES[1], color=COLOURS[-1], label="said = true")
        panel.plot(mean, share, "o-", color=COLOURS[0], label="frames (with their number)")
        for x, y, count in zip(mean, share, counts[used], strict=True):
            panel.annotate(str(count), (x, y), xytext=(6, -14), textcoords="offset points")
        panel.set(xlim=(0, 1.03), ylim=(0, 1.05))

    return _svg("confidence against share right", ("confidence", "share right"), draw)


def coverage_svg(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], *, used: tuple[float, float]
) -> str:
    """Share right of the named frames, were the k most confident ones named, against their share k / N.

    Args:
        confidence, right: as in `reliability_svg`.
        used: (share named, share right) of the model as it is used.

    Raises:
        InputError: no frames, or the lengths differ.
    """
    _check_judged("coverage", confidence, right)
    counts = np.arange(1, len(right) + 1)
    share = np.cumsum(np.asarray(right)[np.argsort(-np.asarray(confidence), kind="stable")]) / counts

    def draw(panel: "Axes") -> None:
        panel.plot(counts / len(right), share, color=COLOURS[0], label="most confident first")
        panel.plot(*used, SHAPES[3], color=COLOURS[2], markersize=9, linestyle="none", label="as used")
        panel.set(xlim=(0, 1.03), ylim=(min(0.5, float(share.min())), 1.03))

    return _svg("share named against share right", ("share of frames named", "share right of those"), draw)


def _check_judged(what: str, confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> None:
    if np.ndim(right) != 1 or np.shape(confidence) != np.shape(right) or not len(right):
        shapes = f"{np.shape(confidence)} confidences and {np.shape(right)} answers"
        raise InputError(f"{what}: got {shapes}, allowed: (N,) of each, N of 1 or more")


def draw_svg(title: str, draw: Callable[["Figure"], None], *, size: tuple[float, float] = SIZE) -> str:
    """An SVG element for a page.

    Args:
        title: for readers who do not see it.
        draw: fills the figure.
        size: width and height, inches of 72 units.
    """
    text = io.StringIO()
    with _drawn(title, draw, size) as figure:
        figure.savefig(text, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _inline(text.getvalue(), title)


def draw_png(title: str, draw: Callable[["Figure"], None], *, size: tuple[float, float]) -> str:
    """An ``img`` element with its data inside, for thousands of points: `DOTS` an inch, `TONES` colours."""
    raw, small = io.BytesIO(), io.BytesIO()
    with _drawn(title, draw, size) as figure:
        figure.savefig(raw, format="png", dpi=DOTS)
    image = (
        Image.open(raw).convert("RGB").quantize(TONES, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    )
    image.save(small, "PNG", optimize=True)
    data = base64.b64encode(small.getvalue()).decode()
    width, height = image.size
    return f'<img width="{width}" height="{height}" alt="{escape(title)}" src="data:image/png;base64,{data}">'


@contextmanager
def _drawn(title: str, draw: Callable[["Figure"], None], size: tuple[float, float]) -> "Iterator[Figure]":
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("plots: Matplotlib is missing; install kilnsense[train]") from error
    with rc_context({**STYLE, "svg.hashsalt": title}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a reader's own fonts may have it
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        yield figure


def _svg(title: str, axes: tuple[str, str], draw: Callable[["Axes"], None]) -> str:
    def fill(figure: "Figure") -> None:
        panel = figure.subplots()
        panel.set(xlabel=axes[0], ylabel=axes[1])
        draw(panel)
        figure.legend(loc="outside upper left", ncols=4)

    return draw_svg(title, fill)


def _inline(file: str, title: str) -> str:
    """The drawing of an SVG file as an element of a page: no size, no style for others, names of its own."""
    drawing = re.sub(r"<(metadata|style).*?</\1>", "", file[file.index("<svg") :], flags=re.DOTALL)
    box = re.search(r'viewBox="[^"]*"', drawing)
    start = f'<svg {box[0] if box else ""} role="img" aria-label="{escape(title)}" stroke-linejoin="round">'
    drawing = start + drawing[drawing.index(">") + 1 :].replace("xlink:href", "href").strip()
    own = hashlib.sha256(drawing.encode()).hexdigest()[:8]
    return re.sub(r'(id="|href="#|url\(#)', rf"\g<1>p{own}-", drawing)
