"""The trader of one symbol: folds market, predictions, executions and control; decides.

What enters are entries of the streams with their ids, and facts from the venue, which `stamp` first turns
into entries of the executions stream. What leaves are decisions. Market time (`recv_ns` of the market
entries folded) is the only time.

Two rules make decisions derivable from the streams alone. First, only entries change state: an evaluation
that yields no `Decision` leaves nothing behind. Second, market and predictions fold to their latest value,
so that it is enough to know how far they had been folded; each `Decision` says so in its cursors.

Wanting is edge-triggered: a refusal equal in purpose, side and reason to an earlier one is not decided again
within `REPEAT_MS`, unless something was sent in between. The memory of it is the decisions themselves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from services.trader import risk, strategy
from services.trader.facts import Fact
from services.trader.identity import Identity, next_id
from services.trader.instrument import Instrument
from services.trader.orders import Order, Orders
from services.trader.position import Position
from services.trader.risk import Approved, Exposure, Limits, Refused
from services.trader.stamping import executions_of
from services.trader.strategies import STRATEGIES
from services.trader.strategy import Plan, Resting, View, Want
from shared.codec import unpack_tiers
from shared.messages import (
    Control,
    Decision,
    Execution,
    FeedStatus,
    Fill,
    Flatten,
    Flow,
    Gate,
    Halt,
    Heartbeat,
    Lob,
    Market,
    OrderUpdate,
    Prediction,
    Reconciled,
    ReduceOnly,
    Request,
    Resume,
)
from shared.streams import ZERO_ID, parse_id

REPEAT_MS = 10_000  # market time after which an unchanged refusal is written again
SHOWN = "shown"  # the verdict of `Gate` that lets a version open positions
RECANCEL_MS = strategy.RECANCEL_MS


class Config(msgspec.Struct, frozen=True):
    """What is fixed for the life of one core."""

    identity: Identity
    instrument: Instrument
    limits: Limits
    plan: Plan
    strategy: str


class Decided(msgspec.Struct, frozen=True):
    """A decision with its id, and those of its requests that may be sent, to be written before they are."""

    entry_id: str
    decision: Decision
    approved: tuple[Approved, ...]


class TraderCore:
    """The state of one symbol. Entries of each stream must be folded in the order of their ids."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.orders = Orders()
        self.position = Position()
        self.market_id = self.prediction_id = self.execution_id = self.control_id = ZERO_ID
        self.decision_id = ZERO_ID
        self.now_ns = 0  # market time; 0 before the first market entry
        self.book_ns: int | None = None  # recv_ns of the last book; None before the first
        self.feed = "unknown"  # state of the feed; a Lob proves it live
        self.touch = (0, 0)  # best bid and ask in ticks of the data venue
        self.tick_e9 = 0  # of the data venue; 0 before the first book
        self.prediction: Prediction | None = None
        self.flow: Flow | None = None  # the newest before the prediction
        self._next_flow: Flow | None = None  # the newest
        self.mode = risk.NORMAL
        self.edges: set[str] = set()  # versions that have shown an edge after costs, by the newest entries
        self.is_reconciled = False  # whether the venue's last word agreed with the ledger
        self._want = STRATEGIES[config.strategy]
        self._sent_ms: deque[int] = deque()  # of orders sent, for the rate limit
        self._refused_ms: dict[tuple[str, int, str], int] = {}  # (purpose, side, reason) -> last written
        self._fruitless_ms: dict[str, int] = {}  # purpose -> when its last order ended without a fill
        self._last_side = 0  # of the last request that is no cancel; 0 before the first

    # --- entries that may be decided upon -------------------------------------------------------------------

    def fold_market(self, entry_id: str, message: Market) -> list[Decided]:
        """One market entry; heartbeats are decided at."""
        self.take_market(entry_id, message)
        return self.decide("market", entry_id) if isinstance(message, Heartbeat) else []

    def fold_prediction(self, entry_id: str, message: Prediction | Flow) -> list[Decided]:
        """One prediction, or a flow, at which nothing is decided."""
        self.take_prediction(entry_id, message)
        return [] if isinstance(message, Flow) else self.decide("predictions", entry_id)

    def fold_execution(self, entry_id: str, message: Execution) -> list[Decided]:
        """One entry of the executions stream."""
        self.take_execution(entry_id, message)
        return self.decide("executions", entry_id)

    def fold_control(self, entry_id: str, message: Control) -> list[Decided]:
        """One order from a person."""
        self.take_control(entry_id, message)
        return self.decide("control", entry_id)

    def shutdown(self) -> list[Decided]:
        """We are told to stop: cancel what is open. Positions stay."""
        return self.decide("shutdown", self.market_id)

    # --- the folds themselves: also used to rebuild the state from the ledger -------------------------------

    def take_market(self, entry_id: str, message: Market) -> None:
        """Fold one market entry without deciding."""
        self.market_id, self.now_ns = entry_id, message.recv_ns
        if isinstance(message, Lob):
            bids, asks = unpack_tiers(message.bids[:16]), unpack_tiers(message.asks[:16])
            self.touch = (bids[0] if bids else 0, asks[0] if asks else 0)
            self.tick_e9, self.book_ns, self.feed = message.tick_e9, message.recv_ns, "live"
        elif isinstance(message, FeedStatus):
            self.feed = message.state

    def take_prediction(self, entry_id: str, message: Prediction | Flow) -> None:
        """Fold one prediction or flow without deciding. A flow counts from the next prediction on, so that
        the cursor of a decision, which names predictions, says which flow it knew."""
        if isinstance(message, Flow):
            self._next_flow = message
            return
        self.prediction_id, self.prediction = entry_id, message
        self.flow = self._next_flow

    def take_execution(self, entry_id: str, message: Execution) -> None:
        """Fold one execution without deciding."""
        self.execution_id = entry_id
        at_ms = parse_id(message.as_of)[0]
        if isinstance(message, Fill):
            if self.orders.book(message):
                self.position.apply_fill(
                    message.side, message.price_ticks, message.size_lots, message.fee, at_ms
                )
        elif isinstance(message, OrderUpdate):
            order = self.orders.update(message)
            if not order.is_live and not order.reported_lots:
                self._fruitless_ms[order.purpose] = at_ms
        elif isinstance(message, Reconciled):
            self.is_reconciled = message.agrees

    def take_control(self, entry_id: str, message: Control) -> None:
        """Fold one control entry without deciding."""
        self.control_id = entry_id
        if isinstance(message, Resume):
            self.mode = risk.NORMAL
        elif isinstance(message, Halt):
            self.mode = max(self.mode, risk.HALTED)
        elif isinstance(message, ReduceOnly):
            self.mode = max(self.mode, risk.REDUCE_ONLY)
        elif isinstance(message, Flatten):
            self.mode = risk.FLATTENING
        elif isinstance(message, Gate) and message.symbol == self.config.identity.symbol:
            (self.edges.add if message.verdict == SHOWN else self.edges.discard)(message.version)

    def take_decision(self, entry_id: str, decision: Decision) -> None:
        """Fold a decision, just made or read back from the ledger."""
        self.decision_id = entry_id
        at_ms = parse_id(entry_id)[0]
        for request in decision.requests:
            if request.action == "cancel":
                order = self.orders.by_client.get(request.client_id)
                if order is not None:
                    order.cancel_ms = at_ms
                continue
            self._last_side = request.side
            if request.refusal:
                self._refused_ms[request.purpose, request.side, request.refusal] = at_ms
                continue
            self._refused_ms.clear()
            self.orders.place(entry_id, request)
            self._sent_ms.append(at_ms)
        while self._sent_ms and self._sent_ms[0] <= at_ms - risk.RATE_MS:
            self._sent_ms.popleft()

    # --- facts ----------------------------------------------------------------------------------------------

    def stamp(self, fact: Fact) -> list[tuple[str, Execution]]:
        """The entries that record `fact`, with their ids; none where it is no news. Changes nothing."""
        entries = []
        last = self.execution_id
        for message in executions_of(fact, self):
            last = next_id(last, self.market_id)
            entries.append((last, message))
        return entries

    # --- deciding -------------------------------------------------------------------------------------------

    def decide(self, stream: str, entry_id: str) -> list[Decided]:
        """Evaluate after the entry that caused it was folded, and fold what was decided."""
        decided = self.evaluate(stream, entry_id)
        if decided is None:
            return []
        self.take_decision(decided.entry_id, decided.decision)
        return [decided]

    def evaluate(self, stream: str, entry_id: str) -> Decided | None:
        """What would be decided now. Changes nothing."""
        view = View(
            cause=stream,
            now_ms=parse_id(self.market_id)[0],
            prediction=self.prediction,
            position_lots=self.position.lots,
            opened_ms=self.position.opened_ms,
            live_orders=len(self.orders.live),
            fruitless_ms=self._fruitless_ms,
            last_side=self._last_side,
            flow=self.flow,
            resting=tuple(
                Resting(
                    order.client_id,
                    order.side,
                    order.open_lots,
                    parse_id(order.decision_id)[0],
                    order.cancel_ms,
                )
                for order in self.orders.live.values()
            ),
        )
        if stream == "shutdown":
            wants = self._cancels(view.now_ms, self.orders.live.values())
        elif self.mode == risk.FLATTENING:
            wants = self._flatten(view)
        else:
            wants = self._want(self.config.plan, view)
        return self._decision(f"{stream}/{entry_id}", wants) if wants else None

    def _flatten(self, view: View) -> tuple[Want, ...]:
        """Cancel what opens; once nothing is under way, close what is held. What closes may go on."""
        if self.orders.live:
            opening = [order for order in self.orders.live.values() if not order.is_reduce_only]
            return self._cancels(view.now_ms, opening)
        return strategy.close("flatten", view)

    def _cancels(self, now_ms: int, orders: Iterable[Order]) -> tuple[Want, ...]:
        return tuple(
            Want("cancel", client_id=order.client_id)
            for order in orders
            if order.cancel_ms is None or now_ms - order.cancel_ms >= RECANCEL_MS
        )

    def _decision(self, cause: str, wants: tuple[Want, ...]) -> Decided | None:
        decision_id = next_id(self.decision_id, self.market_id)
        now_ms = parse_id(decision_id)[0]
        requests: list[Request] = []
        approved: list[Approved] = []
        for want in wants:
            request = self._request(want, decision_id, len(requests))
            exposure = self._exposure(request, now_ms)
            verdict = risk.check(request, exposure, self.config.limits, self.config.instrument)
            if isinstance(verdict, Refused):
                last_ms = self._refused_ms.get((want.purpose, want.side, verdict.reason))
                if last_ms is not None and now_ms - last_ms < REPEAT_MS:
                    continue
                request = msgspec.structs.replace(request, refusal=verdict.reason)
            else:
                approved.append(verdict)
            requests.append(request)
        if not requests:
            return None
        scale = self.config.instrument.scale
        decision = Decision(
            decided_ns=self.now_ns,
            cause=cause,
            market_id=self.market_id,
            prediction_id=self.prediction_id,
            execution_id=self.execution_id,
            control_id=self.control_id,
            tick_e9=scale.tick_e9,
            lot_e9=scale.lot_e9,
            requests=tuple(requests),
        )
        return Decided(decision_id, decision, tuple(approved))

    def _request(self, want: Want, decision_id: str, place: int) -> Request:
        return Request(
            action="cancel" if want.purpose == "cancel" else "place",
            client_id=want.client_id or self.config.identity.client_id(decision_id, place),
            side=want.side,
            kind=want.kind,
            time_in_force=want.time_in_force,
            price_ticks=want.price_ticks,
            size_lots=want.size_lots,
            reduce_only=want.reduce_only,
            purpose=want.purpose,
            refusal="",
        )

    def _exposure(self, request: Request, now_ms: int) -> Exposure:
        live = self.orders.live.values()
        prediction = self.prediction
        touch = self.touch[1] if request.side > 0 else self.touch[0]
        instrument = self.config.instrument
        return Exposure(
            now_ns=self.now_ns,
            book_ns=self.book_ns,
            feed=self.feed,
            prediction_ns=prediction.recv_ns if prediction else None,
            expires_ns=prediction.expires_ns if prediction else 0,
            position_lots=self.position.lots,
            open_buy_lots=sum(order.open_lots for order in live if order.side > 0),
            open_sell_lots=sum(order.open_lots for order in live if order.side < 0),
            orders_10s=sum(1 for at_ms in self._sent_ms if at_ms > now_ms - risk.RATE_MS),
            reference_ticks=instrument.price_ticks(touch, self.tick_e9, request.side) if self.tick_e9 else 0,
            mode=self.mode,
            is_reconciled=self.is_reconciled,
            has_edge=prediction is not None and prediction.model in self.edges,
        )
