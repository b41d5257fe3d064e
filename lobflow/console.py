"""Where the command line writes: tables and progress for people, the JSON line alone to standard output; and
how it ends."""

from __future__ import annotations

import json
import sys
from typing import Any

import typer
from rich.console import Console

from shared.errors import BadSetting, LobflowError

WIDTH = 120


def console(as_json: bool) -> Console:
    """The console for people: standard error where standard output is to hold one JSON line."""
    one = Console(stderr=as_json)
    # A pipe has no width of its own: do not cut the tables.
    return one if one.is_terminal else Console(stderr=as_json, width=WIDTH)


def print_json(value: dict[str, Any]) -> None:
    """One JSON line, the last of the output."""
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def run(app: typer.Typer) -> None:
    """Run a command: an error that a person can act on is one line on standard error and exit code 1 or 2."""
    try:
        app()
    except LobflowError as error:
        typer.echo(f"lobflow: {error}", err=True)
        sys.exit(2 if isinstance(error, BadSetting) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
