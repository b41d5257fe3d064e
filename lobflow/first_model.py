"""`python -m lobflow.first_model`: a model where there is none yet, and a better one while that serves.

Both fit on the history of a synthetic market, of other seeds than a live one. scikit-learn stays in this
process: the service loads weights.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from lobflow.console import console as console_for
from lobflow.console import print_json, run
from lobflow.model_folder import ModelFolder
from lobflow.promotion import Monitor
from services.venue.synthetic.markets import check_symbols
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
    with TemporaryDirectory() as printed:
        # Each fit is one core's work: further symbols are processes of their own. None is started after a
        # signal has ended us, nor lost between its start and the list.
        asked: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
        others = [_Elsewhere(symbol, models, hours, seed, Path(printed)) for symbol in missing[1:]]
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        try:
            if asked:
                sys.exit(128 + asked[0])
            for symbol in missing[:1]:
                from lobflow.synthetic_fit import first  # a start that finds all models does not wait for it

                told[symbol] = first(symbol, folder, hours, seed, as_json)
            for other in others:
                text, told[other.symbol] = other.wait()
                console.print(text, end="", markup=False, highlight=False)
        finally:
            for other in others:
                other.close()
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


class _Elsewhere:
    """`prepare` for one symbol in a process of its own, which ends when `close` is called. `folder` is for
    what it prints."""

    def __init__(self, symbol: str, models: Path, hours: float, seed: int, folder: Path) -> None:
        self.symbol = symbol
        self._out, self._said = folder / f"{symbol}.out", folder / f"{symbol}.err"
        options = ["--models", str(models), "--symbols", symbol, "--hours", str(hours), "--seed", str(seed)]
        command = [sys.executable, "-m", "lobflow.first_model", "prepare", *options, "--json"]
        with self._out.open("wb") as out, self._said.open("wb") as said:
            self._process = subprocess.Popen(command, stdout=out, stderr=said)

    def wait(self) -> tuple[str, dict[str, Any]]:
        """What it prints for people, and its answer. Raises LobflowError where it failed."""
        code = self._process.wait()
        said = self._said.read_text()
        if code:
            raise LobflowError(f"{self.symbol}: {said.strip()[-500:] or f'exit code {code}'}")
        _, _, text = said.partition("\n")  # the first line is ours
        answer: dict[str, Any] = json.loads(self._out.read_text().splitlines()[-1])["models"][self.symbol]
        return text, answer

    def close(self) -> None:
        """End it if it has not."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def _names(symbols: str) -> list[str]:
    names = list(dict.fromkeys(name.strip().upper() for name in symbols.split(",") if name.strip()))
    if not names:
        raise BadSetting(f"--symbols {symbols!r}: names no symbol")
    check_symbols(names, "--symbols")
    return names


if __name__ == "__main__":
    run(app)
