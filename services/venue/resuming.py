"""How a venue begins with synthetic markets: fresh, or where they stood when it ended."""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from services.venue import checkpoint
from services.venue.account_api import AccountApi
from services.venue.checkpoint import Checkpoint
from services.venue.core import Exchange
from services.venue.journal import Effect, read
from services.venue.keeper import Keeper, number_of
from services.venue.keeping import PAUSE
from services.venue.opening import Opened
from services.venue.pace import wall_clock
from services.venue.synthetic.board import synthetic
from services.venue.synthetic.compiled import STAMP
from services.venue.synthetic.frames import Frames
from services.venue.synthetic.market import MarketState, SyntheticMarket
from services.venue.synthetic.markets import check_symbols, opened
from services.venue.synthetic.source import GRID_NS, SyntheticSource
from shared.errors import BadInput, BadSetting
from shared.settings import Settings


def open_synthetic(
    settings: Settings, log: logging.Logger, clock: Callable[[], int] = time.time_ns
) -> Opened:
    """Synthetic markets of `symbols` in real time, going on from `venue_state_dir` where that holds any.
    `clock` is the time of day in ns. Raises BadInput or BadSetting in one line."""
    if settings.lockstep:
        raise BadSetting("LOBFLOW_LOCKSTEP: needs a recording in LOBFLOW_VENUE_FILES")
    if settings.venue_speed not in (0, 1):
        raise BadSetting("LOBFLOW_VENUE_SPEED: the synthetic market goes with the clock: leave it out, or 1")
    check_symbols(settings.symbols, "LOBFLOW_SYMBOLS")
    now_ns = clock() // GRID_NS * GRID_NS
    directory, seed = settings.venue_state_dir, settings.venue_seed
    if directory is None:
        return Opened(*_fresh(settings, now_ns), wall_clock(), None)
    directory.mkdir(parents=True, exist_ok=True)
    kept = _newest(directory)
    if kept is None:
        exchange, source = _fresh(settings, now_ns)
    else:
        exchange, source = _resumed(settings, directory, kept)
        exchange.take_events()  # told already, or asked for by those who were not there
        source.stand_still(now_ns)
        facts = {"orders": exchange.history.last_order_id, "wallet": str(exchange.account.wallet)}
        log.info("the venue goes on where it ended", extra={"with": facts})
    used = [number_of(path) for path in (*directory.glob("checkpoint-*"), *directory.glob("journal-*"))]
    keeper = Keeper(directory, exchange, source, STAMP[0], seed, max(used, default=0))
    return Opened(exchange, source, wall_clock(), keeper)


def _fresh(settings: Settings, start_ns: int) -> tuple[Exchange, SyntheticSource]:
    seed = settings.venue_seed
    markets = {symbol: opened(symbol, seed, start_ns) for symbol in sorted(settings.symbols)}
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
    """The venue where it ended. Raises BadInput where other code cannot know where that was."""
    effects = _effects(directory, kept.number)
    if kept.kernel == STAMP[0]:
        exchange, source = _as_it_was(kept)
        _again(effects, exchange, source)
        if kept.seed == settings.venue_seed and set(settings.symbols) <= set(kept.symbols):
            return exchange, source
        states = {symbol: market.state() for symbol, market in source.markets.items()}
        return _opened_anew(settings, exchange, source, states)
    if any(effect.call or kept.history.last_order_id for effect in effects):
        raise BadInput(
            f"{directory}: the venue was killed, and its code has changed since: what took effect after its "
            "last checkpoint cannot be done again. Start it once with the code of then, or remove the "
            "folder: the account then begins anew"
        )
    exchange, source = _as_it_was(kept, with_markets=False)
    return _opened_anew(
        settings, exchange, source, {symbol: state.market for symbol, state in kept.symbols.items()}
    )


def _as_it_was(kept: Checkpoint, with_markets: bool = True) -> tuple[Exchange, SyntheticSource]:
    """The venue at its checkpoint; without its markets, which other code cannot read, the account alone."""
    markets = {symbol: SyntheticMarket(symbol, kept.seed, kept.at_ns) for symbol in sorted(kept.symbols)}
    if with_markets:
        for symbol, state in kept.symbols.items():
            markets[symbol].resume(state.market)
    exchange, source = _assembled(markets, kept.account.opening)
    exchange.account = kept.account
    exchange.history.resume(kept.history)
    for symbol, state in kept.symbols.items():
        exchange.markets[symbol].marks.become(state.marks)
        source.frames[symbol].tape.resume(state.tape)
        for order_id in state.resting:
            exchange.engines[symbol].resting[order_id] = exchange.history.orders[order_id]
    return exchange, source


def _opened_anew(
    settings: Settings, old: Exchange, source: SyntheticSource, states: Mapping[str, MarketState]
) -> tuple[Exchange, SyntheticSource]:
    """Other markets with the account and the history of `old`: each opens at the price at which the one
    before it ended, and what rested there is canceled."""
    at_ns, seed = source.horizon_ns, settings.venue_seed
    for order in old.open_orders():
        old.cancel(order.request.symbol, order.order_id, None, at_ns)
    markets = {}
    for symbol in sorted({*states, *settings.symbols}):
        if symbol not in states:
            markets[symbol] = opened(symbol, seed, at_ns)
            continue
        ends_at = states[symbol].middle_ticks
        markets[symbol] = SyntheticMarket(symbol, seed + at_ns, at_ns, opening_ticks=ends_at)
        markets[symbol].follow(states[symbol])
    exchange, fresh = _assembled(markets, old.account.opening)
    exchange.account, exchange.history = old.account, old.history
    for symbol in states:
        exchange.markets[symbol].marks.become(old.markets[symbol].marks)
        fresh.frames[symbol].tape.resume(source.frames[symbol].tape.state())
    return exchange, fresh


def _effects(directory: Path, number: int) -> list[Effect]:
    """What took effect after a checkpoint, and the promises."""
    paths = sorted(directory.glob("journal-*"), key=number_of)
    return [effect for path in paths if number_of(path) >= number for effect in read(path)]


def _again(effects: Sequence[Effect], exchange: Exchange, source: SyntheticSource) -> None:
    """Let everything happen once more that may have been told."""
    api = AccountApi(exchange)
    calls = {call.__name__: call for call in (api.place, api.cancel, api.cancel_all)}
    promised_ns = 0
    for effect in effects:
        if not effect.call:
            promised_ns = max(promised_ns, effect.at_ns)
            continue
        source.go_on(effect.at_ns, exchange.play)
        if effect.call == PAUSE:
            source.stand_still(int(effect.params["until"]))
        else:
            calls[effect.call](effect.params, effect.at_ns)
    source.go_on(promised_ns, exchange.play)
    source.settle(exchange.play)
