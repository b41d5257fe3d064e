"""How a venue begins with synthetic markets: fresh, or where they stood when it ended."""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import msgspec

from services.venue import checkpoint
from services.venue.account_api import AccountApi
from services.venue.checkpoint import Checkpoint
from services.venue.core import Exchange
from services.venue.events import Own
from services.venue.journal import read
from services.venue.keeper import Keeper, number_of
from services.venue.opening import Opened
from services.venue.pace import wall_clock
from services.venue.synthetic.board import synthetic
from services.venue.synthetic.compiled import STAMP
from services.venue.synthetic.frames import Frames
from services.venue.synthetic.market import SyntheticMarket
from services.venue.synthetic.parameters import MODELS
from services.venue.synthetic.source import GRID_NS, SyntheticSource
from shared.errors import BadInput, BadSetting
from shared.settings import Settings
from shared.units import SECOND

OPENING_NS = 60 * SECOND  # a market opens unseen, until its book has the shape it keeps


def open_synthetic(settings: Settings, log: logging.Logger) -> Opened:
    """Synthetic markets of `symbols` in real time, going on from `venue_state_dir` where that holds any.
    Raises BadInput or BadSetting in one line."""
    if settings.lockstep:
        raise BadSetting("LOBFLOW_LOCKSTEP: needs a recording in LOBFLOW_VENUE_FILES")
    if settings.venue_speed not in (0, 1):
        raise BadSetting("LOBFLOW_VENUE_SPEED: the synthetic market goes with the clock: leave it out, or 1")
    unknown = [symbol for symbol in settings.symbols if symbol not in MODELS]
    if unknown:
        raise BadSetting(
            f"LOBFLOW_SYMBOLS: there is no synthetic market of {', '.join(unknown)}, only {', '.join(MODELS)}"
        )
    now_ns = time.time_ns() // GRID_NS * GRID_NS
    directory, seed = settings.venue_state_dir, settings.venue_seed
    if directory is None:
        return Opened(*_fresh(settings, now_ns), wall_clock(), None)
    directory.mkdir(parents=True, exist_ok=True)
    kept = _newest(directory)
    if kept is None:
        exchange, source = _fresh(settings, now_ns)
    else:
        exchange, source = _resumed(settings, directory, kept)
        source.stand_still(now_ns)
        facts = {"orders": exchange.history.last_order_id, "wallet": str(exchange.account.wallet)}
        log.info("the venue goes on where it ended", extra={"with": facts})
    used = [number_of(path) for path in (*directory.glob("checkpoint-*"), *directory.glob("journal-*"))]
    keeper = Keeper(directory, exchange, source, STAMP[0], seed, max(used, default=0))
    return Opened(exchange, source, wall_clock(), keeper)


def _fresh(settings: Settings, start_ns: int) -> tuple[Exchange, SyntheticSource]:
    markets = {}
    for symbol in settings.symbols:
        markets[symbol] = SyntheticMarket(symbol, settings.venue_seed, start_ns - OPENING_NS)
        for _ in markets[symbol].advance(start_ns):
            pass
    return _assembled(markets, settings.venue_balance)


def _assembled(markets: Mapping[str, SyntheticMarket], opening: Decimal) -> tuple[Exchange, SyntheticSource]:
    source = SyntheticSource(markets, {name: Frames(name, row.scale) for name, row in markets.items()})
    rows = {name: synthetic(row, row.now_ns) for name, row in markets.items()}
    return Exchange(rows, opening), source


def _newest(directory: Path) -> Checkpoint | None:
    """The newest checkpoint of a folder, None without one. Raises BadInput where it cannot be read."""
    path = max(directory.glob("checkpoint-*"), key=number_of, default=None)
    if path is None:
        return None
    try:
        found = checkpoint.decode(zlib.decompress(path.read_bytes()))
    except (zlib.error, msgspec.MsgspecError) as error:
        raise BadInput(
            f"{path}: not a checkpoint of the venue ({error}); without its folder the venue begins anew"
        ) from error
    if found.format != checkpoint.FORMAT:
        raise BadInput(f"{path}: format {found.format}, and this is of format {checkpoint.FORMAT}")
    return found


def _resumed(settings: Settings, directory: Path, kept: Checkpoint) -> tuple[Exchange, SyntheticSource]:
    """The venue as it was when it ended: its checkpoint, and what took effect after it, once more."""
    is_same = kept.kernel == STAMP[0] and kept.seed == settings.venue_seed
    markets = {}
    for symbol in sorted({*kept.symbols, *settings.symbols}):
        state = kept.symbols.get(symbol)
        if state is None or is_same:
            markets[symbol] = SyntheticMarket(symbol, settings.venue_seed, kept.at_ns)
            if state is not None:
                markets[symbol].resume(state.market)
        else:  # not the same draws again
            seed = settings.venue_seed + kept.at_ns
            markets[symbol] = SyntheticMarket(
                symbol, seed, kept.at_ns, opening_ticks=state.market.middle_ticks
            )
            markets[symbol].follow(state.market)
    exchange, source = _assembled(markets, kept.account.opening)
    exchange.account = kept.account
    exchange.history.resume(kept.history)
    for symbol, state in kept.symbols.items():
        exchange.markets[symbol].marks.become(state.marks)
        source.frames[symbol].tape.resume(state.tape)
        for order_id in state.resting:
            if is_same:
                exchange.engines[symbol].resting[order_id] = exchange.history.orders[order_id]
            else:
                exchange.cancel(symbol, order_id, None, kept.at_ns)
    if is_same:
        _again(directory, kept.number, exchange, source)
    exchange.take_events()  # told already, or asked for by those who were not there
    return exchange, source


def _again(directory: Path, number: int, exchange: Exchange, source: SyntheticSource) -> None:
    """Let everything happen once more that may have been told after a checkpoint."""
    api = AccountApi(exchange)
    calls = {call.__name__: call for call in (api.place, api.cancel, api.cancel_all)}
    promised_ns = 0
    for path in sorted(directory.glob("journal-*"), key=number_of):
        if number_of(path) < number:
            continue
        for effect in read(path):
            if effect.call:
                _go_on(exchange, source, effect.at_ns)
                calls[effect.call](effect.params, effect.at_ns)
            else:
                promised_ns = max(promised_ns, effect.at_ns)
    _go_on(exchange, source, promised_ns)


def _go_on(exchange: Exchange, source: SyntheticSource, until_ns: int) -> None:
    while (event := source.take(until_ns)) is not None:
        if isinstance(event, Own):
            exchange.on_own(event)
        else:
            exchange.handle(event)
