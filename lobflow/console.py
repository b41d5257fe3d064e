"""Where the command line writes: tables and progress for people, the JSON line alone to standard output."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console

WIDTH = 120


def console(as_json: bool) -> Console:
    """The console for people: standard error where standard output is to hold one JSON line."""
    one = Console(stderr=as_json)
    # A pipe has no width of its own: do not cut the tables.
    return one if one.is_terminal else Console(stderr=as_json, width=WIDTH)


def print_json(value: dict[str, Any]) -> None:
    """One JSON line, the last of the output."""
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)
