"""`lobflow model promote` and `rollback`: another version serves, from an id on, with who and why."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lobflow import registry, serving_history
from lobflow.console import console as console_for
from lobflow.console import print_json
from lobflow.model_folder import ModelFolder
from lobflow.model_options import (
    AsJson,
    Models,
    MonitorUrl,
    Offline,
    Who,
    Why,
    models_folder,
    monitor_url,
    person,
    serving_of,
)
from lobflow.promotion import Monitor
from lobflow.serving_history import ROLLED_BACK, Change
from services.model.manifest import Manifest
from shared.errors import BadInput

SECONDS = 60.0

Symbol = Annotated[str | None, typer.Option(help="Which symbol; needed where the model is of several.")]


def promote(
    version: Annotated[str, typer.Argument(help="A version, or the beginning of one.")],
    why: Why,
    who: Who = None,
    symbol: Symbol = None,
    models: Models = None,
    monitor: MonitorUrl = None,
    offline: Offline = False,
    as_json: AsJson = False,
) -> None:
    """Let a version serve: checked here, ordered at the monitor, applied by every copy at the same id.

    Waits until a prediction is the version's. The version is served by the next start, too.
    """
    folder = ModelFolder(models_folder(models))
    manifest = registry.manifest_of(folder.folder, version)
    url = None if offline else monitor_url(monitor)
    _change(folder, _symbol(manifest, symbol), manifest, person(who), why, url, as_json)


def rollback(
    symbol: Annotated[str, typer.Argument(help="The symbol whose model is to go back.")],
    why: Why,
    who: Who = None,
    models: Models = None,
    monitor: MonitorUrl = None,
    offline: Offline = False,
    as_json: AsJson = False,
) -> None:
    """Let the version serve again that served before. A second time goes one further back."""
    folder, chosen = ModelFolder(models_folder(models)), symbol.upper()
    url = None if offline else monitor_url(monitor)
    kept = serving_history.read(folder.folder)
    told: list[Change] = []
    if url is not None:
        told = serving_history.ordered(Monitor(url).controls())
    stack = serving_history.served(serving_history.merged(kept, told), chosen)
    if len(stack) < 2:
        raise BadInput(f"{folder.folder}: no version served {chosen} before the one that does")
    last, previous = stack[-1], stack[-2]
    manifest = registry.manifest_of(folder.folder, previous)
    _change(folder, chosen, manifest, person(who), f"{ROLLED_BACK}{last}: {why}", url, as_json)


def _symbol(manifest: Manifest, given: str | None) -> str:
    if given is not None:
        return given.upper()
    if len(manifest.symbols) > 1:
        raise BadInput(
            f"model {manifest.version} is of {', '.join(manifest.symbols)}: name one with --symbol"
        )
    return manifest.symbols[0]


def _change(
    folder: ModelFolder, symbol: str, manifest: Manifest, who: str, why: str, url: str | None, as_json: bool
) -> None:
    wrong = registry.may_serve(manifest, symbol)
    if wrong:
        raise BadInput(wrong)
    version = manifest.version
    console = console_for(as_json)
    named = serving_of(folder.folder, symbol) or ""
    monitor = None if url is None else Monitor(url)
    before = named if monitor is None else monitor.serves(symbol) or named
    answer: dict[str, Any] = {
        "symbol": symbol,
        "version": version,
        "previous": before,
        "who": who,
        "why": why,
    }
    if before == version == named:
        console.print(f"{symbol}: model {version} serves already")
        from_id = ""
    else:
        from_id = "" if monitor is None else monitor.promote(symbol, version, who, why, SECONDS)
        folder.name(
            symbol,
            version,
            serving_history.promotion(symbol, version, before, who, why, from_id),
        )
        when = f"from id {from_id} on" if from_id else "from the next start on"
        console.print(f"{symbol}: model {version} serves {when} ({before or 'none'} did)")
    if as_json:
        print_json({**answer, "from_id": from_id, "is_changed": not before == version == named})
