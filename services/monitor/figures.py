"""From the core's sums to the answers of REST: PnL, win rate, hits, counts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal

from services.monitor import answers as a
from services.monitor.core import MonitorCore, Pnl, Results, SymbolState
from services.monitor.money import ZERO, less, text, text_or_none, total
from services.monitor.scores import Tally, share
from services.monitor.views import time_of

_AVERAGE = Context(prec=80, rounding=ROUND_HALF_EVEN)
_PLACES = Decimal("1e-8")


def pnl_answer(pnl: Pnl) -> a.PnlAnswer:
    """One row of PnL."""
    return a.PnlAnswer(
        gross=text(pnl.gross),
        unrealized=text_or_none(pnl.unrealized),
        fees=text(pnl.fees),
        funding=text(pnl.funding),
        net=text_or_none(pnl.net),
    )


def pnl(core: MonitorCore) -> a.PnlTotals:
    """All of it, with the venue's word beside ours."""
    other: dict[str, Decimal] = {}
    for state in core.symbols.values():
        for asset, fee in state.ledger.other_fees.items():
            other[asset] = total(other.get(asset, ZERO), fee)
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
