"""What the commands of `lobflow model` have in common: their options, the folder of models, what serves."""

from __future__ import annotations

from getpass import getuser
from pathlib import Path
from typing import Annotated

import typer

from services.model.artifact import Registry
from shared.errors import BadInput, BadSetting
from shared.settings import load

UP = Path("var/models")  # where `lobflow up` keeps them

Models = Annotated[
    Path | None,
    typer.Option(help="The folder of models. Default: LOBFLOW_MODEL_DIR, else var/models of `lobflow up`."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON line, last.")]
MonitorUrl = Annotated[
    str | None, typer.Option("--monitor", help="Its address. Default: this machine, LOBFLOW_MONITOR_PORT.")
]
Who = Annotated[str | None, typer.Option(help="Who orders it. Default: the user's name.")]
Why = Annotated[str, typer.Option(help="The reason; it is kept.")]
Offline = Annotated[
    bool, typer.Option("--offline", help="Nothing runs: only name what serves from the next start on.")
]


def models_folder(given: Path | None) -> Path:
    """The folder that the commands work on."""
    if given is not None:
        return given
    own = load()
    return own.model_dir if "model_dir" in own.model_fields_set else UP


def monitor_url(given: str | None) -> str:
    """Where the monitor is."""
    return given or f"http://127.0.0.1:{load().monitor_port}"


def person(given: str | None) -> str:
    """Who gives an order."""
    return given or getuser()


def serving_of(root: Path, symbol: str) -> str | None:
    """The version that serves a symbol from the next start on; None where there is none or no telling."""
    try:
        found = Registry(root).default(symbol)
    except (BadInput, BadSetting):
        return None
    return None if found is None else found.version
