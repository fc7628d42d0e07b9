"""The plots of a study's page: sweeps, learning curves, kinds of tuples, embeddings.

Nothing is told by colour alone: lines differ in dashes and marks too, areas in lightness, classes in shape.
Where there are more lines than an eye can follow, the best are named and the others stay grey behind them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kilnsense.record.plots import COLOURS, DASHES, SHAPES, draw_png, draw_svg
from kilnsense.record.standing import spoken

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from kilnsense.record.study_page import Cloud, Embedding, Sweep

MOST_LINES = 8
"""Lines of a plot that have a colour and a name."""

MOST_BANDS = 4
"""Lines of a sweep that have a band: more of them cover each other."""

MOST_NAMED = 20
"""Classes of an embedding that a legend names."""

MOST_POINTS = 1500
"""Points of a cloud that are drawn."""

LONGEST = 56
"""Characters of a name in a legend."""

GREY = "#c4c4c4"

CLASS_COLOURS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#832db6",
    "#94a4a2",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
"""Ten that the colour-blind tell apart in scatter plots (Petroff, 2021, arXiv:2107.02270)."""

TONES = ("#d3e3ef", "#6fa3c7", "#12486b")
"""Of areas, light to dark."""

KIND_TONES = {"easy": 0, "semi-hard": 1, "hard": 2, "beyond": 0, "genuine": 1, "inside": 2}
"""The same kind has the same tone in every plot, the darker the more it teaches."""


def sweep_svg(sweep: "Sweep") -> str:
    """A measure against a number: a line with marks for each series, a band of one spread to both sides."""
    values = sorted({x for series in sweep.series for x, _, _ in series.points})

    def draw(panel: "Axes") -> None:
        best = sorted(sweep.series, key=lambda series: -max(mean for _, mean, _ in series.points))
        for number, series in reversed(list(enumerate(best))):
            x, mean, spread = (np.array(column, dtype=float) for column in zip(*series.points, strict=True))
            _line(panel, number, (x, mean), series.name)
            if number < MOST_BANDS and np.isfinite(spread).any():
                half, colour = np.nan_to_num(spread), _colour(number)
                panel.fill_between(x, mean - half, mean + half, color=colour, alpha=0.13, linewidth=0)
        if spans_decades(values):
            panel.set_xscale("log")
        shown = (
            values
            if len(values) <= 9
            else [values[n] for n in np.linspace(0, len(values) - 1, 9).astype(int)]
        )
        panel.set_xticks(shown, [f"{value:g}" for value in shown], minor=False)
        panel.minorticks_off()

    return _lines(f"{spoken(sweep.measure)} by {sweep.axis}", (sweep.axis, spoken(sweep.measure)), draw)


def curves_svg(curves: Mapping[str, Sequence[float]], what: str) -> str:
    """One line per setting over the epochs, best settings first; a value that is not finite leaves a gap.

    Losses that fall by more than a hundred times stand on a logarithmic axis.
    """

    def draw(panel: "Axes") -> None:
        from matplotlib.ticker import FormatStrFormatter

        for number, (name, curve) in reversed(list(enumerate(curves.items()))):
            _line(panel, number, (np.arange(1.0, len(curve) + 1), np.asarray(curve)), name)
        panel.locator_params(axis="x", integer=True)
        drawn = np.concatenate([np.asarray(curve) for curve in curves.values()])
        drawn = drawn[np.isfinite(drawn)]
        if drawn.size and drawn.min() > 0 and drawn.max() > 100 * drawn.min():
            panel.set_yscale("log")
            panel.yaxis.set_major_formatter(FormatStrFormatter("%g"))

    return _lines(f"{what} by epoch", ("epoch", what), draw)


def kinds_svg(kinds: Mapping[str, Sequence[float]]) -> str:
    """Share of each kind over the epochs, stacked, the first kind below and lightest."""
    counts = np.nan_to_num(np.array([list(row) for row in kinds.values()], dtype=float))
    total = counts.sum(axis=0)
    shares = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)

    def draw(figure: "Figure") -> None:
        panel = figure.subplots()
        epochs, drawn = np.arange(1.0, counts.shape[1] + 1), shares
        if len(epochs) == 1:  # an area needs a width
            epochs, drawn = np.array([0.5, 1.5]), np.repeat(shares, 2, axis=1)
        names = [kind.replace("_", "-") for kind in kinds]
        tones = [TONES[KIND_TONES.get(name, n % len(TONES))] for n, name in enumerate(names)]
        areas = panel.stackplot(epochs, drawn, colors=tones, edgecolor="white", linewidth=0.8)
        panel.set(ylim=(0, 1), xlim=(epochs[0], epochs[-1]), xlabel="epoch", ylabel="share")
        panel.locator_params(axis="x", integer=True)
        panel.grid(visible=False)
        figure.legend(areas, names, loc="outside upper left", ncols=3, handlelength=1)

    return draw_svg("share of " + ", ".join(kinds) + " by epoch", draw, size=(4.2, 2.9))


def embedding_png(embedding: "Embedding") -> str:
    """The clouds side by side on shared axes; colour and shape by class, up to `MOST_NAMED` of them named."""
    clouds, classes = embedding.clouds, embedding.classes
    names = [_short(name, 18) for name in classes] if len(classes) <= MOST_NAMED else []
    columns = max(1, int(540 / (36 + 6.4 * max(map(len, names), default=1))))  # units of width
    limits = _square(np.concatenate([np.asarray(cloud.xy, dtype=float) for cloud in clouds]))

    def draw(figure: "Figure") -> None:
        figure.set_layout_engine("compressed")  # the one for axes whose shape is fixed
        panels = figure.subplots(1, len(clouds), sharex=True, sharey=True, squeeze=False)[0]
        for panel, cloud in zip(panels, clouds, strict=True):
            _scatter(panel, cloud, len(classes))
            panel.set_title(f"{cloud.title}, {len(cloud.labels)}", loc="left", fontsize="medium")
            panel.set(xlim=limits[0], ylim=limits[1], aspect="equal")
            panel.tick_params(labelsize=9)
        if names:
            marks = [_mark(panels[0], number) for number in range(len(classes))]
            figure.legend(marks, names, loc="outside lower left", ncols=columns, handletextpad=0.1)

    rows = -(-len(names) // columns)
    return draw_png(f"Embedding by {embedding.name}", draw, size=(7.6, 4.3 + 0.27 * rows))


def spans_decades(values: Sequence[float]) -> bool:
    """All above 0, and the largest at least eight times the smallest."""
    return min(values) > 0 and max(values) >= 8 * min(values)


def _square(xy: NDArray[np.float64]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Limits of both axes, equally wide, that hold all points: distances mean the same to all sides."""
    if not len(xy):
        return (0.0, 1.0), (0.0, 1.0)
    low, high = xy.min(axis=0), xy.max(axis=0)
    half = 0.53 * float((high - low).max()) or 1.0
    x, y = (float(middle) for middle in (low + high) / 2)
    return (x - half, x + half), (y - half, y + half)


def _scatter(panel: "Axes", cloud: "Cloud", classes: int) -> None:
    chosen = np.arange(len(cloud.labels))
    if len(chosen) > MOST_POINTS:
        chosen = np.random.default_rng(0).choice(chosen, MOST_POINTS, replace=False)
    xy: NDArray[np.floating] = np.asarray(cloud.xy)[chosen]
    labels = np.asarray(cloud.labels)[chosen]
    for number in range(classes):
        x, y = xy[labels == number].T
        colour, shape = _class_style(number)
        panel.plot(x, y, shape, color=colour, markersize=3.6, alpha=0.75, markeredgewidth=0)


def _mark(panel: "Axes", number: int) -> "Line2D":
    colour, shape = _class_style(number)
    return panel.plot([], [], shape, color=colour, markersize=8)[0]


def _class_style(number: int) -> tuple[str, str]:
    return CLASS_COLOURS[number % len(CLASS_COLOURS)], SHAPES[number % len(SHAPES)]


def _line(
    panel: "Axes", number: int, xy: tuple[NDArray[np.floating], NDArray[np.floating]], name: str
) -> None:
    if number >= MOST_LINES:
        panel.plot(*xy, color=GREY, linewidth=1, zorder=1)
        return
    panel.plot(
        *xy,
        DASHES[number % len(DASHES)],
        color=_colour(number),
        label=_short(name, LONGEST),
        marker=SHAPES[number % len(SHAPES)],
        markersize=5,
        markevery=max(1, len(xy[0]) // 12),
    )


def _colour(number: int) -> str:
    return COLOURS[number % (len(COLOURS) - 1)]  # the last one is grey


def _lines(title: str, axes: tuple[str, str], draw: "Callable[[Axes], None]") -> str:
    """A panel with its legend below, best line first."""

    def fill(figure: "Figure") -> None:
        panel = figure.subplots()
        panel.set(xlabel=axes[0], ylabel=axes[1])
        draw(panel)
        handles, labels = panel.get_legend_handles_labels()
        columns = 2 if max(map(len, labels)) <= 26 else 1
        figure.set_size_inches(6.4, 3.8 + 0.25 * -(-len(labels) // columns))
        figure.legend(handles[::-1], labels[::-1], loc="outside lower left", ncols=columns, handlelength=3.2)

    return draw_svg(title, fill)


def _short(name: str, most: int) -> str:
    """For a legend, which leaves out names that start with an underscore."""
    name = " ".join(name.split())
    cut = name if len(name) <= most else name[: most - 1] + "…"
    return f" {cut}" if cut.startswith("_") else cut or "–"
