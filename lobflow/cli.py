"""The command `lobflow`."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from lobflow.commands import STYLE, Commands
from lobflow.console import run

app = typer.Typer(
    cls=Commands,
    help="The limit order book of Binance USD-M futures: recorded, predicted, traded on, explained.",
    no_args_is_help=True,
    **STYLE,
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"lobflow {version('lobflow')}")
        raise typer.Exit


@app.callback()
def options(
    show: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options before the command."""


def main() -> None:
    """Entry point."""
    run(app)


if __name__ == "__main__":
    main()
