"""Where data come from and orders go, by name: the settings of each venue that `lobflow up` knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lobflow.replay import free_port
from services.venue.recording import scan
from services.venue.synthetic.parameters import MODELS
from shared.errors import BadInput, BadSetting
from shared.settings import Settings

DEMO = {
    "data_rest_url": "https://demo-fapi.binance.com",
    "data_public_url": "wss://demo-fstream.binance.com/public",
    "data_market_url": "wss://demo-fstream.binance.com/market",
    "trade_rest_url": "https://demo-fapi.binance.com",
    "trade_private_url": "wss://demo-fstream.binance.com/private",
}


@dataclass(frozen=True)
class Venue:
    """`settings` are those of every service. `words` say to a person what it is. A venue whose market begins
    anew each time has a run of its own each time."""

    name: str
    symbols: tuple[str, ...]
    settings: dict[str, object]
    words: str
    is_local: bool
    begins_anew: bool = False


def synthetic(symbols: tuple[str, ...], seed: int, state: Path) -> Venue:
    """The local venue with a synthetic market. Raises BadSetting where there is none of a symbol."""
    unknown = [symbol for symbol in symbols if symbol not in MODELS]
    if unknown:
        raise BadSetting(f"there is no synthetic market of {', '.join(unknown)}, only of {', '.join(MODELS)}")
    settings = {**_local(), "venue_seed": seed, "venue_state_dir": state}
    words = (
        f"a synthetic market of {', '.join(symbols)} (seed {seed}), matched by a venue on this machine: "
        "no real money, no real data"
    )
    return Venue("synthetic", symbols, settings, words, True)


def replay(files: tuple[Path, ...]) -> Venue:
    """The local venue with a recorded market in real time. Raises BadInput for files that are none."""
    if not files:
        raise BadSetting("VENUE=replay needs a recording: FILE=..., or --file with `lobflow up`")
    for path in files:
        if not path.is_file():
            raise BadInput(f"{path}: no such recording")
    instruments = scan(files)
    paths = tuple(path.resolve() for path in files)
    settings = {**_local(), "venue_files": paths, "venue_speed": 1.0}
    words = (
        f"the recorded market of {', '.join(instruments)}, filled against the recorded book: no real money"
    )
    return Venue("replay", tuple(instruments), settings, words, True, begins_anew=True)


def demo(symbols: tuple[str, ...], own: Settings) -> Venue:
    """Binance's demo trading, with keys from the environment or `.env`. Raises BadSetting without."""
    missing = [f"LOBFLOW_{name.upper()}" for name in KEYS if name not in own.model_fields_set]
    if missing:
        raise BadSetting(
            f"VENUE=demo needs {' and '.join(missing)} in .env: make a key at demo.binance.com, "
            "API Management"
        )
    chosen = {name: url for name, url in DEMO.items() if name not in own.model_fields_set}
    words = f"Binance demo trading of {', '.join(symbols)}: real prices, no real money, the demo's own book"
    return Venue("demo", symbols, dict(chosen), words, False)


KEYS = ("api_key", "api_secret")


def _local() -> dict[str, object]:
    port = free_port()
    rest, sockets = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
    return {
        "data_rest_url": rest,
        "data_public_url": f"{sockets}/public",
        "data_market_url": f"{sockets}/market",
        "trade_rest_url": rest,
        "trade_private_url": f"{sockets}/private",
        "venue_port": port,
        # One key for the venue and for whoever trades on it: it listens to this machine alone.
        "api_key": "local-key",
        "api_secret": "local-secret",
    }
