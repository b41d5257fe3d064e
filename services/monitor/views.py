"""From the core's state to the answers of REST: services, symbols, positions, orders, trades. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from math import isnan

from services.monitor import answers as a
from services.monitor.core import MonitorCore, SymbolState
from services.monitor.ledger import RoundTrip
from services.monitor.money import average, from_e9, from_half_e18, text, text_or_none
from services.monitor.orders import OrderRow
from shared.messages import Control, Flatten, Gate, Halt, Health, Promote, ReduceOnly, Resume
from shared.units import MS, SECOND

ACTIONS: dict[type[Control], str] = {
    Halt: "halt",
    ReduceOnly: "reduce_only",
    Flatten: "flatten",
    Resume: "resume",
    Promote: "promote",
    Gate: "gate",
}
SILENT_NS = 5 * SECOND  # health comes each second


def time_of(ns: int) -> a.Time:
    """A moment; times before 1970 do not occur."""
    seconds, rest = divmod(ns, SECOND)
    return a.Time(iso=f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z", ns=ns)


def _time(ns: int | None) -> a.Time | None:
    return None if ns is None else time_of(ns)


def _side(side: int) -> str:
    return {1: "buy", -1: "sell"}.get(side, "")


def _half(twice_e9: int | None) -> str | None:
    return None if twice_e9 is None else text(from_half_e18(twice_e9 * 10**9))


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
        mid=_half(None if state.quote is None else state.quote.twice_mid_e9),
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
        entry_price=text_or_none(average(ledger.cost_e18, ledger.position_e9)),
        mark_price=_half(state.twice_price_e9),
        unrealized=text_or_none(state.pnl().unrealized),
        opened=None if ledger.trip is None else time_of(ledger.trip.opened_ns),
        venue_size=text_or_none(venue_size),
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
        average_price=text_or_none(average(row.filled_e18, row.filled_e9)),
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
        entry_price=text_or_none(average(trip.entry_e18, trip.size_e9)),
        exit_price=text_or_none(average(trip.exit_e18, trip.size_e9)),
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
