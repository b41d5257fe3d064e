"""From the core's state to the answers of REST: chooses, formats, computes nothing of its own. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from math import isnan

from services.monitor import answers as a
from services.monitor.core import MonitorCore, Pnl, Results, SymbolState
from services.monitor.ledger import RoundTrip
from services.monitor.money import average, from_e9, from_half_e18, less, text, total
from services.monitor.orders import OrderRow
from services.monitor.scores import Tally, share
from shared.messages import Control, Flatten, Halt, Health, Promote, ReduceOnly, Resume
from shared.units import MS, SECOND

ACTIONS: dict[type[Control], str] = {
    Halt: "halt",
    ReduceOnly: "reduce_only",
    Flatten: "flatten",
    Resume: "resume",
    Promote: "promote",
}
SILENT_NS = 5 * SECOND  # health comes each second
_AVERAGE = Context(prec=80, rounding=ROUND_HALF_EVEN)
_PLACES = Decimal("1e-8")


def time_of(ns: int) -> a.Time:
    """A moment; times before 1970 do not occur."""
    seconds, rest = divmod(ns, SECOND)
    return a.Time(iso=f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z", ns=ns)


def _time(ns: int | None) -> a.Time | None:
    return None if ns is None else time_of(ns)


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else text(amount)


def _side(side: int) -> str:
    return {1: "buy", -1: "sell"}.get(side, "")


def _mid(state: SymbolState) -> str | None:
    return None if state.quote is None else text(from_half_e18(state.quote.twice_mid_e9 * 10**9))


def service(health: Health, now_ns: int) -> a.ServiceStatus:
    """One instance."""
    is_silent = health.state != "stopping" and now_ns - health.at_ns > SILENT_NS
    return a.ServiceStatus(
        service=health.service,
        instance=health.instance,
        state="silent" if is_silent else health.state,
        detail=health.detail,
        lag_ms=health.lag_ns / MS,
        rss_mb=health.rss_bytes / 1e6,
        positions=health.positions,
        counters=health.counters,
        seen=time_of(health.at_ns),
        build=health.build,
        config_hash=health.config_hash,
    )


def symbol_status(state: SymbolState) -> a.SymbolStatus:
    """Feed, price and prediction of one symbol."""
    quote, said = state.quote, state.prediction
    prediction = None
    if said is not None:
        moves = {
            str(h): move for h, move in zip(said.horizons_s, said.moves, strict=False) if not isnan(move)
        }
        bars = {
            str(h): bar for h, bar in zip(said.horizons_s, said.thresholds, strict=False) if not isnan(bar)
        }
        prediction = a.LastPrediction(
            id=state.prediction_id, at=time_of(said.recv_ns), moves=moves, thresholds=bars, reason=said.reason
        )
    return a.SymbolStatus(
        symbol=state.symbol,
        feed=state.feed,
        feed_reason=state.feed_reason,
        epoch=state.epoch,
        mid=_mid(state),
        bid=None if quote is None else text(from_e9(quote.bid_e9)),
        ask=None if quote is None else text(from_e9(quote.ask_e9)),
        market=_time(state.market_ns),
        model=None if said is None else said.model,
        prediction=prediction,
    )


def position(core: MonitorCore, state: SymbolState) -> a.PositionAnswer:
    """The position of one symbol."""
    ledger, reconciled = state.ledger, state.reconciled
    reports = () if core.account is None else core.account.positions
    venue_size = next((report.size for report in reports if report.symbol == state.symbol), None)
    return a.PositionAnswer(
        symbol=state.symbol,
        size=text(from_e9(ledger.position_e9)),
        entry_price=_text(average(ledger.cost_e18, ledger.position_e9)),
        mark_price=_mid(state),
        unrealized=_text(state.pnl().unrealized),
        opened=None if ledger.trip is None else time_of(ledger.trip.opened_ns),
        venue_size=_text(venue_size),
        reconciled=None if reconciled is None else reconciled.agrees,
        disagreements=state.disagreements,
    )


def order(symbol: str, row: OrderRow) -> a.OrderAnswer:
    """One order."""
    return a.OrderAnswer(
        symbol=symbol,
        client_id=row.client_id,
        order_id=row.order_id,
        decision_id=row.decision_id,
        cause=row.cause,
        purpose=row.purpose,
        side=_side(row.side),
        kind=row.kind,
        time_in_force=row.time_in_force,
        price=None if row.price_e9 is None else text(from_e9(row.price_e9)),
        size=None if row.size_e9 is None else text(from_e9(row.size_e9)),
        filled=text(from_e9(row.filled_e9)),
        average_price=_text(average(row.filled_e18, row.filled_e9)),
        fees={asset: text(fee) for asset, fee in sorted(row.fees.items())},
        reduce_only=row.reduce_only,
        status=row.status,
        event=row.event,
        reason=row.reason,
        decided=_time(row.decided_ns),
        updated=_time(row.updated_ns),
        trade_ids=row.trade_ids,
    )


def orders(states: Sequence[SymbolState], limit: int, offset: int) -> a.Orders:
    """Newest first, by decision; an order whose decision is not known counts by its last event."""
    found = [(state.symbol, row) for state in states for row in state.orders.rows.values()]
    found.sort(
        key=lambda pair: (pair[1].decided_ns or pair[1].updated_ns or 0, pair[1].client_id), reverse=True
    )
    page = [order(symbol, row) for symbol, row in found[offset : offset + limit]]
    return a.Orders(total=len(found), limit=limit, offset=offset, orders=page)


def trade(state: SymbolState, trip: RoundTrip) -> a.Trade:
    """One round trip."""
    return a.Trade(
        time=time_of(trip.closed_ns),
        pnl=text(trip.net),
        win=trip.is_win,
        symbol=trip.symbol,
        number=trip.number,
        side="long" if trip.side > 0 else "short",
        size=text(from_e9(trip.size_e9)),
        opened=time_of(trip.opened_ns),
        held_seconds=(trip.closed_ns - trip.opened_ns) / SECOND,
        entry_price=_text(average(trip.entry_e18, trip.size_e9)),
        exit_price=_text(average(trip.exit_e18, trip.size_e9)),
        gross=text(trip.gross),
        fees=text(trip.fees),
        gross_win=trip.is_gross_win,
        fills=trip.fills,
        opened_by=trip.opened_by,
        closed_by=trip.closed_by,
        cause=state.orders.causes.get(trip.opened_by, ""),
    )


def trades(states: Sequence[SymbolState], limit: int, offset: int) -> a.Trades:
    """Newest first."""
    found = [
        (trip.closed_ns, state.symbol, trip.number, state, trip) for state in states for trip in state.trips
    ]
    found.sort(key=lambda row: row[:3], reverse=True)
    page = [trade(state, trip) for *_, state, trip in found[offset : offset + limit]]
    return a.Trades(total=len(found), limit=limit, offset=offset, trades=page)


def pnl_answer(pnl: Pnl) -> a.PnlAnswer:
    """One row of PnL."""
    return a.PnlAnswer(
        gross=text(pnl.gross),
        unrealized=_text(pnl.unrealized),
        fees=text(pnl.fees),
        funding=text(pnl.funding),
        net=_text(pnl.net),
    )


def pnl(core: MonitorCore) -> a.PnlTotals:
    """All of it, with the venue's word beside ours."""
    other: dict[str, Decimal] = {}
    for state in core.symbols.values():
        for asset, fee in state.ledger.other_fees.items():
            other[asset] = total(other.get(asset, Decimal(0)), fee)
    return a.PnlTotals(
        total=pnl_answer(core.pnl()),
        symbols={symbol: pnl_answer(state.pnl()) for symbol, state in core.symbols.items()},
        other_fees={asset: text(fee) for asset, fee in sorted(other.items())},
        venue=_venue(core),
    )


def _venue(core: MonitorCore) -> a.VenuePnl | None:
    first, last = core.opening, core.account
    if first is None or last is None:
        return None
    net = less(total(last.wallet, last.unrealized), total(first.wallet, first.unrealized))
    return a.VenuePnl(
        at=time_of(last.exchange_ns),
        opening_wallet=text(first.wallet),
        wallet=text(last.wallet),
        unrealized=text(last.unrealized),
        net=text(net),
    )


def results(sums: Results) -> a.ResultsAnswer:
    """Closed round trips in figures."""
    losses = sums.trips - sums.wins
    return a.ResultsAnswer(
        round_trips=sums.trips,
        wins=sums.wins,
        win_rate=share(sums.wins, losses),
        gross_wins=sums.gross_wins,
        gross_win_rate=share(sums.gross_wins, sums.trips - sums.gross_wins),
        average_win=_mean(sums.won, sums.wins),
        average_loss=_mean(sums.lost, losses),
    )


def _mean(amount: Decimal, count: int) -> str | None:
    return text(_AVERAGE.quantize(_AVERAGE.divide(amount, count), _PLACES)) if count else None


def hits(tally: Tally) -> a.HitsAnswer:
    """One horizon."""
    return a.HitsAnswer(
        horizon_s=tally.horizon_s,
        hits=tally.hits,
        misses=tally.misses,
        unchanged=tally.unchanged,
        no_direction=tally.no_direction,
        void=tally.void,
        waiting=len(tally.waiting),
        hit_rate=share(tally.hits, tally.misses),
        signal_hits=tally.signal_hits,
        signal_misses=tally.signal_misses,
        signal_unchanged=tally.signal_unchanged,
        signal_hit_rate=share(tally.signal_hits, tally.signal_misses),
    )


def symbol_stats(state: SymbolState) -> a.SymbolStats:
    """Counts of one symbol."""
    return a.SymbolStats(
        results=results(state.results),
        entries=state.counts,
        predictions=state.scores.predictions,
        predictions_unmade=state.scores.unmade,
        hits=[hits(tally) for _, tally in sorted(state.scores.tallies.items())],
        decisions=state.orders.decisions,
        requests=state.orders.requests,
        refusals=state.orders.refusals,
        venue_rejects=state.orders.rejects,
        order_events=state.orders.events,
        fills=state.ledger.fills,
        fill_repeats=state.ledger.repeats,
    )


def stats(core: MonitorCore, states: Mapping[str, SymbolState]) -> a.Stats:
    """Counts of everything."""
    return a.Stats(
        results=results(core.results()),
        entries=core.counts,
        symbols={symbol: symbol_stats(state) for symbol, state in states.items()},
    )


def control(entry_id: str, entry: Control) -> a.ControlEntry:
    """One control entry."""
    base = a.ControlEntry(
        id=entry_id,
        action=ACTIONS[type(entry)],
        at=time_of(entry.at_ns),
        who=entry.who,
        why=entry.why,
    )
    if isinstance(entry, Promote):
        return base.model_copy(
            update={"symbol": entry.symbol, "version": entry.version, "from_id": entry.from_id}
        )
    return base
