"""How every figure of a report looks, and its bytes. No state of matplotlib's own is touched."""

from __future__ import annotations

import io
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from research.labels import Floats
from research.report.table import Table

# Colors that differ for every eye (Okabe and Ito, 2008); each stands for the same thing on the whole page.
MEASURED = "#222222"
FIT = "#0072B2"
SECOND_FIT = "#D55E00"
THIRD_FIT = "#009E73"
BID = "#009E73"
ASK = "#CC4C78"
QUIET = "#8A8F98"
GRID = "#DDE1E6"

DPI = 110
WIDTH, HEIGHT = 8.2, 3.9  # inches


@dataclass(frozen=True)
class Picture:
    """A finished figure. `name` is that of its files; `behind` are the numbers that were drawn."""

    name: str
    title: str
    png: bytes
    note: str
    behind: Table


def canvas(x: str, y: str, height: float = HEIGHT) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, labeled with quantity and unit."""
    figure, (axes,) = canvases(1, height)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def canvases(count: int, height: float = HEIGHT) -> tuple[Figure, list[Axes]]:
    """A figure with `count` pairs of axes side by side."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    all_axes = [figure.add_subplot(1, count, at + 1) for at in range(count)]
    for axes in all_axes:
        axes.grid(True, color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    return figure, all_axes


def elapsed(seconds: Floats) -> tuple[Floats, str]:
    """Times since the beginning in the unit that fits, and the label of their axis."""
    last = float(seconds[-1]) if len(seconds) else 0.0
    for size, name in ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if last >= 3.0 * size:
            return seconds / size, f"{name} since the beginning"
    return seconds, "seconds since the beginning"


def png(figure: Figure) -> bytes:
    """The figure's bytes: the same for the same figure."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=DPI, metadata={"Software": None})
    return out.getvalue()
