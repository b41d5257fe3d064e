"""Where data come from and orders go, by name: the settings of each venue that `lobflow up` knows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from lobflow.replay import free_port
from services.venue.recording import scan
from services.venue.synthetic.markets import check_symbols
from shared.errors import BadInput, BadSetting
from shared.settings import Settings
from shared.units import MS
from shared.venues import PRESETS


@dataclass(frozen=True)
class Venue:
    """`settings` are those of every service. `words` say to a person what it is. `run_id` is the first part
    of every key: it holds source and clock, so that what belongs to different markets never meets."""

    name: str
    symbols: tuple[str, ...]
    settings: dict[str, object]
    words: str
    run_id: str

    @property
    def is_local(self) -> bool:
        """Whether it is a process of ours."""
        return "venue_port" in self.settings


def synthetic(symbols: tuple[str, ...], seed: int, state: Path) -> Venue:
    """The local venue with a synthetic market, which goes on where it ended. Raises BadSetting for symbols
    that there is none of."""
    check_symbols(symbols, "SYMBOLS")
    settings = {
        **_local(),
        "venue_files": (),
        "venue_speed": 0.0,
        "venue_seed": seed,
        "venue_state_dir": state,
    }
    words = (
        f"a synthetic market of {', '.join(symbols)} (seed {seed}), matched by a venue on this machine: not "
        "real money, not real data"
    )
    return Venue("synthetic", symbols, settings, words, "live")


def replay(files: tuple[Path, ...], symbols: tuple[str, ...] = ()) -> Venue:
    """The local venue with a recorded market in real time. It begins anew with each start, and so its run has
    an id of its own. Raises BadSetting without a file, BadInput for one that is no recording."""
    if not files:
        raise BadSetting("VENUE=replay needs a recording: FILE=..., or --file with `lobflow up`")
    for path in files:
        if not path.is_file():
            raise BadInput(f"FILE: {path}: no such recording")
    found = tuple(scan(files))
    unknown = [symbol for symbol in symbols if symbol not in found]
    if unknown:
        raise BadSetting(f"SYMBOLS: the recording holds {', '.join(found)}, not {', '.join(unknown)}")
    settings = {**_local(), "venue_files": tuple(path.resolve() for path in files), "venue_speed": 1.0}
    words = (
        f"the recorded market of {', '.join(symbols or found)} in real time, filled against the recorded "
        "book: not real money"
    )
    return Venue("replay", symbols or found, settings, words, f"replay-{time.time_ns() // MS}")


def demo(symbols: tuple[str, ...], own: Settings) -> Venue:
    """Binance's demo trading, with keys from the environment or `.env`. Raises BadSetting without."""
    keys = {"LOBFLOW_API_KEY": own.api_key, "LOBFLOW_API_SECRET": own.api_secret}
    defaults = {field.default.get_secret_value() for field in map(Settings.model_fields.__getitem__, KEYS)}
    missing = [name for name, key in keys.items() if key.get_secret_value() in ("", *defaults)]
    if missing:
        raise BadSetting(
            f"VENUE=demo needs {' and '.join(missing)} in .env: make a key of Binance's demo trading "
            "(https://demo.binance.com, API Management) and copy .env.example"
        )
    source = own.data_venue if "data_venue" in own.model_fields_set else "demo"
    chosen: dict[str, object] = {
        "data_venue": source,
        "data_rest_url": PRESETS[source].rest,
        "data_public_url": PRESETS[source].public,
        "data_market_url": PRESETS[source].market,
        "trade_venue": "demo",
        "trade_rest_url": PRESETS["demo"].rest,
        "trade_private_url": PRESETS["demo"].private,
    }
    chosen = {name: value for name, value in chosen.items() if name not in own.model_fields_set}
    book = "the demo's own book" if source == "demo" else f"market data of {source}"
    words = f"Binance demo trading of {', '.join(symbols)}: not real money, {book}"
    return Venue("demo", symbols, chosen, words, "demo")


KEYS = ("api_key", "api_secret")


def _local() -> dict[str, object]:
    port = free_port()
    rest, sockets = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
    return {
        "data_venue": "local",
        "trade_venue": "local",
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
