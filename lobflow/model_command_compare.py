"""`lobflow model compare`: versions side by side on data that none of them was fitted on."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from lobflow import registry
from lobflow.console import console as console_for
from lobflow.console import print_json
from lobflow.model_options import AsJson, Models, models_folder
from lobflow.train import hit_rates


def compare(
    versions: Annotated[
        list[str], typer.Argument(help="Two or more versions; the others are held against the first.")
    ],
    data: Annotated[
        list[Path],
        typer.Option(help="A raw recording, or a folder the recorder wrote. May be given several times."),
    ],
    symbol: Annotated[str | None, typer.Option(help="Which, where the data hold several.")] = None,
    models: Models = None,
    as_json: AsJson = False,
) -> None:
    """Hit rates at equal coverage on the same rows, beside baselines, with paired differences.

    Only rows count that no version was fitted on.
    """
    from research.comparison import compared  # numba and pandas: not for a command that only lists
    from research.dataset import load

    root = models_folder(models)
    found = [registry.manifest_of(root, version) for version in dict.fromkeys(versions)]
    result = compared(found, load(data, symbol.upper() if symbol else None))
    console = console_for(as_json)
    console.print(hit_rates(f"{result.symbol}: {result.rows} rows that none was fitted on", result.scores))
    table = Table(
        title="hit rate less that of the other, on the same rows", title_justify="left", box=box.SIMPLE_HEAD
    )
    for name in ("h, s", "selection", "signal", "against"):
        table.add_column(name, no_wrap=True)
    for name in ("difference", "95 %", "blocks"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in result.pairs:
        table.add_row(
            str(row.horizon_s),
            row.selection,
            row.name,
            row.against,
            f"{100 * row.difference:+.2f}",
            "-"
            if isnan(row.low)
            else f"{100 * row.low:+.2f}..{100 * row.high:+.2f}{'' if row.is_reliable else '!'}",
            str(row.blocks),
        )
    console.print(table)
    console.print("Intervals marked ! rest on fewer than 30 blocks and are unreliable.", style="dim")
    if as_json:
        print_json(result.plain())
