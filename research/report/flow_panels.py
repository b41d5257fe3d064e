"""A panel a side: takers who buy on the left, who sell on the right."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes

from research.flow.analysis import SideAnalysis
from research.flow.plain import SIDES
from research.report.picture import QUIET, Picture, canvases, png
from research.report.table import Table, Value, columns

Draw = Callable[[Axes, SideAnalysis], list[tuple[Value, ...]]]  # draws, and says what it drew


def drawn(
    sides: Sequence[SideAnalysis],
    name: str,
    title: str,
    x: str,
    y: str,
    names: str,
    draw: Draw,
    note: str = "",
) -> Picture | None:
    """A panel a side; None where neither has anything to show."""
    figure, panels = canvases(len(sides))
    rows: list[tuple[Value, ...]] = []
    for axes, side in zip(panels, sides, strict=True):
        found = draw(axes, side)
        rows += [(SIDES[side.side], *row) for row in found]
        axes.set_title(f"takers {SIDES[side.side]}", fontsize=10)
        axes.set_xlabel(x)
        if found:
            if axes.get_legend_handles_labels()[0]:
                axes.legend(frameon=False, fontsize=8)
        else:
            axes.annotate(
                "too few in these data", (0.5, 0.5), xycoords="axes fraction", ha="center", color=QUIET
            )
    panels[0].set_ylabel(y)
    if not rows:
        return None
    behind = Table(name, title, columns("takers", *names.split(";")), rows)
    return Picture(name, title, png(figure), note, behind)
