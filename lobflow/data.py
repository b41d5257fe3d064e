"""`lobflow data`: every way into and out of the data."""

from __future__ import annotations

import typer

from lobflow.data_check import check
from lobflow.data_coverage import coverage
from lobflow.data_download import download
from lobflow.data_export import export
from lobflow.data_import import import_data
from lobflow.data_ls import ls

app = typer.Typer(help="Recorded data: bring it in, look at it, take it out.", no_args_is_help=True)
app.command("ls")(ls)
app.command("coverage")(coverage)
app.command("check")(check)
app.command("import")(import_data)
app.command("export")(export)
app.command("download")(download)


@app.callback()
def group() -> None:
    """Recorded data."""
