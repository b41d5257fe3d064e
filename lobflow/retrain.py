"""`python -m lobflow.retrain`: fit on what was recorded, once or again and again, beside the running system.

Each symbol's model is registered, predicts in shadow from then on, and is promoted by the monitor where it
wins a contest on data that neither it nor the one that serves was fitted on.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from lobflow.console import console as console_for
from lobflow.console import print_json, run
from lobflow.model_folder import ModelFolder
from lobflow.promotion import Monitor
from shared.errors import BadSetting, LobflowError
from shared.streams import check_run_id, check_symbol

NICE = 10

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def retrain(
    models: Annotated[Path, typer.Option(help="The folder of models.")],
    recordings: Annotated[str, typer.Option(help="The recorder's folder or URL (LOBFLOW_RECORD_DIR).")],
    run_id: Annotated[str, typer.Option(help="Which run of it.")],
    symbols: Annotated[str, typer.Option(help="Separated by commas.")],
    monitor: Annotated[str, typer.Option(help="Its address, as in http://127.0.0.1:8000.")],
    window_hours: Annotated[float, typer.Option(help="How much of the newest is used.", min=0.5)] = 6.0,
    every_hours: Annotated[float, typer.Option(help="Again and again; 0 is once.", min=0.0)] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a round.")] = False,
) -> None:
    """Fit each symbol's model anew, and have it promoted where it is better."""
    names = [check_symbol(name.strip().upper()) for name in symbols.split(",") if name.strip()]
    if not names:
        raise BadSetting(f"--symbols {symbols!r}: names no symbol")
    check_run_id(run_id)
    os.nice(NICE)  # the market and the trader come first
    while True:
        begun = time.monotonic()
        _round(names, ModelFolder(models), recordings, run_id, window_hours, Monitor(monitor), as_json)
        if not every_hours:
            return
        time.sleep(max(0.0, begun + every_hours * 3600.0 - time.monotonic()))


def _round(
    names: list[str],
    folder: ModelFolder,
    recordings: str,
    run_id: str,
    window_hours: float,
    monitor: Monitor,
    as_json: bool,
) -> None:
    from lobflow.retrain_symbol import retrain as fit  # seconds of imports
    from research.recent import recent
    from services.recorder.place import place

    console, told = console_for(as_json), {}
    for symbol in names:
        try:
            data = recent(place(recordings) / run_id, symbol, window_hours)
            outcome = fit(data, folder, monitor)
        except LobflowError as error:
            if len(names) == 1:
                raise
            console.print(f"{symbol}: {error}", style="red")  # the others go on
            told[symbol] = {"error": str(error)}
            continue
        did = f"model {outcome.version}" if outcome.version else "nothing fitted"
        end = f"; it serves from id {outcome.from_id} on" if outcome.is_promoted else ""
        console.print(f"{symbol}: {did}: {outcome.why}{end}")
        told[symbol] = outcome.plain()
    if as_json:
        print_json({"models": told})


if __name__ == "__main__":
    run(app)
