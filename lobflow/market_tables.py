"""The statistics of one symbol's markets side by side, with targets: for a terminal, and in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table

from research.market_targets import Line
from research.measured import Measured

OUTSIDE = "!"  # behind a value that is not within its tolerance


def table(columns: Sequence[Measured]) -> Table:
    """For a terminal. `columns` are of one symbol, at least one."""
    out = Table(box=box.SIMPLE, title=columns[0].symbol, title_justify="left")
    for heading in _heading(columns):
        out.add_column(heading, justify="left" if heading == "statistic" else "right")
    for row in _rows(columns):
        out.add_row(*row)
    return out


def markdown(columns: Sequence[Measured]) -> str:
    """The same in Markdown, with the symbol as its heading."""
    heading = _heading(columns)
    rules = ["---", *["---:"] * (len(heading) - 1)]
    rows = [heading, rules, *_rows(columns)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"### {columns[0].symbol}", "", *lines, ""])


def _heading(columns: Sequence[Measured]) -> list[str]:
    return ["statistic", "target", "passes", *(each.source for each in columns)]


def _rows(columns: Sequence[Measured]) -> Iterator[list[str]]:
    targets = {line.name: line for line in columns[0].lines}
    for name in columns[0].values:
        cells = [_value(each, name) for each in columns]
        yield [name, *_target(targets.get(name)), *cells]
    yield ["seconds", "", "", *(f"{each.seconds:,.0f}" for each in columns)]
    if targets:
        within = [f"{each.passed} of {len(each.lines)}" for each in columns]
        yield ["lines within tolerance", "", "", *within]
    for horizon in columns[0].best:
        labels = [each.best[horizon].label if horizon in each.best else "" for each in columns]
        yield [f"best taker at {horizon} s", "", "", *labels]


def _target(line: Line | None) -> tuple[str, str]:
    if line is None:
        return "", ""
    target = "" if line.target is None else f"{line.target:.4g}"
    return target, f"at most {line.high:.4g}" if line.low is None else f"{line.low:.4g} to {line.high:.4g}"


def _value(each: Measured, name: str) -> str:
    if name not in each.values:
        return ""
    fails = any(line.name == name and not line.passes for line in each.lines)
    return f"{each.values[name]:.4g}" + (f" {OUTSIDE}" if fails else "")
