"""Our resting orders against what was expected of them: fill rates by side and depth. Pure.

A quote names the prediction it was decided at; that one has the best prices, and the flow in force then what
probes at this depth came to. Decisions, executions and predictions may be read in any order.
"""

from __future__ import annotations

from math import isnan
from typing import NamedTuple, TypeVar

from shared.messages import Decision, DepthFlow, Flow, OrderUpdate, Prediction

T = TypeVar("T")

QUOTES = ("quote", "demonstration")  # purposes of orders that rest
ENDED = ("FILLED", "CANCELED", "EXPIRED", "REJECTED", "NOT_PLACED")
KEPT = 5_000  # predictions, and orders whose other half was not read yet


class Moment(NamedTuple):
    """What a prediction was made of: best prices in 1e-9, the size of a tick, the flow in force."""

    bid_e9: int
    ask_e9: int
    tick_e9: int
    flow: Flow | None


class Placed(NamedTuple):
    """A quote: its side, ticks behind the best price, and the fill rate expected of it (NaN for unknown)."""

    side: int
    ticks: int
    expected: float


class Tally:
    """Ended quotes of one side and depth."""

    def __init__(self) -> None:
        self.quotes = self.filled = 0
        self.foretold = 0  # quotes of which something was expected
        self.expected = 0.0  # the sum of that


class QuoteLog:
    """One symbol's quotes, and the newest flow."""

    def __init__(self) -> None:
        self.flow: Flow | None = None
        self.tallies: dict[tuple[int, int], Tally] = {}  # by side and ticks behind the best price
        self._moments: dict[str, Moment] = {}  # by prediction id; oldest first, as all that follow
        self._waiting: dict[str, list[tuple[str, int, int]]] = {}  # by prediction id
        self._open: dict[str, Placed] = {}  # by client id
        self._ended: dict[str, bool] = {}  # client id -> whether anything was filled

    def fit(self, flow: Flow) -> None:
        """A new flow; it is in force from the next prediction on."""
        self.flow = flow

    def foretell(self, prediction_id: str, prediction: Prediction) -> None:
        """One prediction."""
        if prediction.bid_ticks <= 0 or prediction.ask_ticks <= 0:
            return
        tick = prediction.tick_e9
        moment = Moment(prediction.bid_ticks * tick, prediction.ask_ticks * tick, tick, self.flow)
        _keep(self._moments, prediction_id, moment)
        for client_id, side, price_e9 in self._waiting.pop(prediction_id, ()):
            self._place(client_id, side, price_e9, moment)

    def decide(self, decision: Decision) -> None:
        """One decision; what is no quote is passed over."""
        prediction_id = decision.cause.partition("/")[2]
        for request in decision.requests:
            if request.purpose not in QUOTES or request.action != "place" or request.refusal:
                continue
            price_e9 = request.price_ticks * decision.tick_e9
            moment = self._moments.get(prediction_id)
            if moment is not None:
                self._place(request.client_id, request.side, price_e9, moment)
            else:
                waiting = self._waiting.get(prediction_id, [])
                _keep(self._waiting, prediction_id, [*waiting, (request.client_id, request.side, price_e9)])

    def update(self, update: OrderUpdate) -> None:
        """One state of an order, ours or another kind's."""
        if update.status not in ENDED:
            return
        placed = self._open.pop(update.client_id, None)
        if placed is None:
            _keep(self._ended, update.client_id, update.filled_lots > 0)
        else:
            self._count(placed, update.filled_lots > 0)

    def _place(self, client_id: str, side: int, price_e9: int, moment: Moment) -> None:
        behind_e9 = moment.bid_e9 - price_e9 if side > 0 else price_e9 - moment.ask_e9
        ticks = behind_e9 // moment.tick_e9
        depth = depth_at(moment.flow, side, ticks)
        placed = Placed(side, ticks, float("nan") if depth is None else depth.fill_rate)
        if client_id in self._ended:
            self._count(placed, self._ended.pop(client_id))
        else:
            _keep(self._open, client_id, placed)

    def _count(self, placed: Placed, is_filled: bool) -> None:
        tally = self.tallies.setdefault((placed.side, placed.ticks), Tally())
        tally.quotes += 1
        tally.filled += is_filled
        if not isnan(placed.expected):
            tally.foretold += 1
            tally.expected += placed.expected


def depth_at(flow: Flow | None, side: int, ticks: int) -> DepthFlow | None:
    """The probes nearest in depth; None where there were none."""
    sides = flow.sides if flow else ()
    probed = [depth for each in sides if each.side == side for depth in each.depths if depth.probes]
    return min(probed, key=lambda depth: abs(depth.ticks - ticks), default=None)


def _keep(table: dict[str, T], name: str, value: T) -> None:
    table[name] = value
    if len(table) > KEPT:
        del table[next(iter(table))]
