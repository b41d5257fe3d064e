"""`python -m lobflow.first_model`: a model where there is none yet, and a better one while that serves.

Both fit on the history of a synthetic market, of other seeds than a live one. scikit-learn stays in this
process: the service loads weights.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from lobflow.console import console as console_for
from lobflow.console import print_json, run
from lobflow.model_folder import ModelFolder
from lobflow.promotion import Monitor
from lobflow.train import show, summary
from research.contest import contest
from research.export import save
from research.history import END_NS, HOUR_NS, history
from research.scores import Score
from research.train import Training, rival_name, train_horizons
from services.model.predictor import Predictor
from services.venue.synthetic.parameters import MODELS
from shared.errors import BadSetting, LobflowError

FIRST_SEED, SECOND_SEED = 1_000_003, 1_000_033  # a live market's seed is small
EARLIER_NS = 24 * HOUR_NS  # the second history ends so long before the first: they share no time
SHOWN = ("auto", "imbalance 1", "imbalance 5", "microprice", "majority")
COVERAGES = ("100 %", "20 %")
PROMOTION_SECONDS = 90.0
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
            told[symbol] = _first(symbol, folder, hours, seed, as_json)
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
    seed: Annotated[int, typer.Option(help="Of the history's market.", min=0)] = SECOND_SEED,
    as_json: AsJson = False,
) -> None:
    """Fit on more history; where the model is not worse than the one that serves, have it promoted."""
    os.nice(NICE)  # the market and the trader come first
    console = console_for(as_json)
    console.print(SYNTHETIC.format(hours=hours, seed=seed), style="bold")
    folder = ModelFolder(models)
    told = {}
    for symbol in _names(symbols):
        first = folder.serving(symbol)
        if first is None:
            raise BadSetting(f"{models}: no model of {symbol} serves; `prepare` makes the first")
        if first.manifest.data[symbol].until_ns > END_NS:
            console.print(f"{symbol}: model {first.version} is of no synthetic history: left alone")
            told[symbol] = {"version": first.version, "is_promoted": False, "serves": True}
        else:
            told[symbol] = _further(symbol, folder, hours, seed, first, Monitor(monitor), as_json)
    if as_json:
        print_json({"models": told})


def _further(
    symbol: str,
    folder: ModelFolder,
    hours: float,
    seed: int,
    first: Predictor,
    monitor: Monitor,
    as_json: bool,
) -> dict[str, Any]:
    """Fit a further model unless that was done, hold it against `first`, and have it promoted."""
    begun, console, place = time.monotonic(), console_for(as_json), folder.place(symbol, hours, seed)
    fresh = folder.at(place)
    if fresh is not None and fresh.version == first.version:
        console.print(f"{symbol}: model {first.version} of {hours:g} h serves already")
        return {"version": first.version, "is_promoted": False, "serves": True}
    told: dict[str, Any] = {}
    found = None if fresh is None else contest(fresh.manifest.horizons, first.version)
    if fresh is None or found is None:
        folder.name(symbol, first.version)  # two models lie there from now on
        training = _fit(as_json, symbol, hours, seed, END_NS - EARLIER_NS, first)
        manifest = save(training, place)
        walked = [score for row in training.horizons for score in row.scores]
        show(console, manifest, _brief(walked, first.version), [], place)
        told = summary(manifest, walked, [], place, time.monotonic() - begun)
        fresh, found = Predictor(manifest), contest(manifest.horizons, first.version)
    if found is None:
        raise LobflowError(f"{symbol}: models {first.version} and {fresh.version} cannot be compared")
    told |= {
        "version": fresh.version,
        "first": first.version,
        "hit_rates": {name: pair._asdict() for name, pair in found.pairs.items()},
        "mean": found.means._asdict(),
        "is_promoted": found.is_passed,
        "serves": False,
        "peak_rss_mb": _peak_mb(),
    }
    console.print(f"{symbol}: {found.sentence}")
    if not found.is_passed:
        console.print(f"{symbol}: model {fresh.version} is worse and not promoted; {first.version} serves on")
        return told
    why = f"fitted on {hours:g} synthetic hours; {found.sentence}"
    from_id = monitor.promote(symbol, fresh.version, "first_model", why, PROMOTION_SECONDS)
    # Only now: no id below `from_id` is without its prediction any more, so a restart changes none.
    folder.name(symbol, fresh.version)
    console.print(f"{symbol}: model {fresh.version} serves from id {from_id} on")
    return {**told, "serves": True, "from_id": from_id}


def _first(symbol: str, folder: ModelFolder, hours: float, seed: int, as_json: bool) -> dict[str, Any]:
    """Fit and save the first model of a symbol, and say what it is worth."""
    begun = time.monotonic()
    place = folder.place(symbol, hours, seed)
    training = _fit(as_json, symbol, hours, seed, END_NS)
    manifest = save(training, place)
    folder.name(symbol, manifest.version)
    walked = [score for row in training.horizons for score in row.scores]
    show(console_for(as_json), manifest, _brief(walked), [], place)
    answer = summary(manifest, walked, [], place, time.monotonic() - begun)
    return {**answer, "is_new": True, "peak_rss_mb": _peak_mb()}


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


def _fit(
    as_json: bool, symbol: str, hours: float, seed: int, end_ns: int, rival: Predictor | None = None
) -> Training:
    """Simulate and fit, under a progress bar."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console_for(as_json),
        transient=True,
    ) as progress:
        task = progress.add_task(f"{symbol}: {hours:g} h of synthetic market", total=2.0)
        data = history(
            symbol, seed, hours, end_ns, progress=lambda share: progress.update(task, completed=share)
        )
        return train_horizons(
            data,
            progress=lambda what, share: progress.update(
                task, description=f"{symbol}: fitting {what}", completed=1.0 + share
            ),
            rival=rival,
        )


def _brief(scores: Sequence[Score], rival: str = "") -> list[Score]:
    """What fits a screen: the served kind beside its rival and the baselines, at two coverages."""
    names = (*SHOWN, rival_name(rival)) if rival else SHOWN
    return [score for score in scores if score.name in names and score.selection in COVERAGES]


def _names(symbols: str) -> list[str]:
    names = list(dict.fromkeys(name.strip().upper() for name in symbols.split(",") if name.strip()))
    unknown = [name for name in names if name not in MODELS]
    if unknown or not names:
        raise BadSetting(f"--symbols {symbols!r}: there are synthetic markets of {', '.join(MODELS)}")
    return names


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6, 1)


if __name__ == "__main__":
    run(app)
