"""`python -m lobflow.first_model`: a model where there is none yet, and a better one while that serves.

Both fit on the history of a synthetic market, of other seeds than a live one. scikit-learn stays in this
process: the service loads weights.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer

from lobflow.console import console as console_for
from lobflow.console import print_json, run
from lobflow.model_folder import ModelFolder
from lobflow.promotion import Monitor
from services.venue.synthetic.parameters import MODELS
from shared.errors import BadSetting, LobflowError

FIRST_SEED, FURTHER_SEED = 1_000_003, 1_000_033  # a live market's seed is another: small, or drawn
NICE = 10
SYNTHETIC = "The data are synthetic: {hours:g} h of a simulated market, seed {seed}, not of any exchange."

app = typer.Typer(
    help="Fit models on synthetic history: a first one, then a better one.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Models = Annotated[Path, typer.Option(help="The folder of models, one folder each.")]
Symbols = Annotated[str, typer.Option(help="Separated by commas.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON line, last.")]


@app.command()
def prepare(
    models: Models,
    symbols: Symbols,
    hours: Annotated[float, typer.Option(help="Of history.", min=0.1, max=24.0)] = 1.0,
    seed: Annotated[int, typer.Option(help="Of the history's market.", min=0)] = FIRST_SEED,
    as_json: AsJson = False,
) -> None:
    """Fit, print and save a model for each symbol that has none."""
    started = time.monotonic()
    console = console_for(as_json)
    console.print(SYNTHETIC.format(hours=hours, seed=seed), style="bold")
    folder, names = ModelFolder(models), _names(symbols)
    missing = []
    told: dict[str, Any] = {}
    for symbol in names:
        one = folder.serving(symbol)
        if one is None:
            missing.append(symbol)
        else:
            folder.name(symbol, one.version)
            console.print(f"{symbol}: model {one.version} is there")
            told[symbol] = {"version": one.version, "is_new": False}
    # Each fit is one core's work: further symbols are processes of their own.
    with ThreadPoolExecutor(max_workers=max(1, (os.cpu_count() or 1) - 1)) as pool:
        others = [(symbol, pool.submit(_elsewhere, symbol, models, hours, seed)) for symbol in missing[1:]]
        for symbol in missing[:1]:
            from lobflow.synthetic_fit import first  # a start that finds all models does not wait for it

            told[symbol] = first(symbol, folder, hours, seed, as_json)
        for symbol, other in others:
            text, told[symbol] = other.result()
            console.print(text, end="", markup=False, highlight=False)
    if as_json:
        print_json({"models": told, "seconds": round(time.monotonic() - started, 2)})


@app.command()
def improve(
    models: Models,
    symbols: Symbols,
    monitor: Annotated[str, typer.Option(help="Its address, as in http://127.0.0.1:8000.")],
    hours: Annotated[float, typer.Option(help="Of history.", min=0.1, max=48.0)] = 6.0,
    seed: Annotated[int, typer.Option(help="Of the history's market.", min=0)] = FURTHER_SEED,
    as_json: AsJson = False,
) -> None:
    """Fit on more history; where the model is not worse than the one that serves, have it promoted."""
    os.nice(NICE)  # the market and the trader come first
    from lobflow.synthetic_fit import further

    console = console_for(as_json)
    console.print(SYNTHETIC.format(hours=hours, seed=seed), style="bold")
    folder = ModelFolder(models)
    told = {}
    for symbol in _names(symbols):
        serving = folder.serving(symbol)
        if serving is None:
            raise BadSetting(f"{models}: no model of {symbol} serves; `prepare` makes the first")
        told[symbol] = further(symbol, folder, hours, seed, serving, Monitor(monitor), as_json)
    if as_json:
        print_json({"models": told})


def _elsewhere(symbol: str, models: Path, hours: float, seed: int) -> tuple[str, dict[str, Any]]:
    """`prepare` for one symbol in a process of its own: what it prints for people, and its answer."""
    options = ["--models", str(models), "--symbols", symbol, "--hours", str(hours), "--seed", str(seed)]
    done = subprocess.run(
        [sys.executable, "-m", "lobflow.first_model", "prepare", *options, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LobflowError(f"{symbol}: {done.stderr.strip()[-500:] or f'exit code {done.returncode}'}")
    _, _, text = done.stderr.partition("\n")  # the first line is ours
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])["models"][symbol]
    return text, answer


def _names(symbols: str) -> list[str]:
    names = list(dict.fromkeys(name.strip().upper() for name in symbols.split(",") if name.strip()))
    unknown = [name for name in names if name not in MODELS]
    if unknown or not names:
        raise BadSetting(f"--symbols {symbols!r}: there are synthetic markets of {', '.join(MODELS)}")
    return names


if __name__ == "__main__":
    run(app)
