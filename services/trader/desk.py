"""The shell of one symbol: reads its streams, folds, writes the ledger, sends what was approved.

Everything that may change the core goes through the merge and one folding loop, `pump`, which any task may
call and which only one runs at a time. A decision is written before its requests are sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from services.trader.account import AccountBook
from services.trader.answers import CANCEL_UNKNOWN, Outcome, placed
from services.trader.core import Decided, TraderCore
from services.trader.facts import Fact, OrderFact
from services.trader.fitted import trust_said
from services.trader.gateway import Gateway
from services.trader.identity import next_id
from services.trader.merge import AccountChange, Merge
from services.trader.orders import Status
from services.trader.risk import Approved
from shared import bus, codec
from shared.bus import Link
from shared.errors import BadFrame, BadInput
from shared.messages import Execution, Flow, Message, Prediction
from shared.runner import BATCH, BLOCK_MS, Context, sleep_unless
from shared.streams import ZERO_ID, Stream

BACKLOG_LIMIT = 20_000  # market entries held while something else is waited for
HEARTBEAT_MS = 100
RESOLVE_SECONDS = (0.1, 0.2, 0.5, 1.0)
RESOLVE_MARGIN_MS = 1_000  # after recvWindow: no request can be accepted any more


class Send(NamedTuple):
    """A request that is sent once its decision is written."""

    work: Callable[[str, Approved, str, dict[str, str]], Awaitable[None]]
    name: str
    approved: Approved
    cause: str  # the id of the entry it was decided at
    extra: dict[str, str]


class Desk:
    """One symbol. `tell` sends a text on the user stream; `account` is given to one desk of all."""

    def __init__(
        self,
        context: Context,
        core: TraderCore,
        merge: Merge,
        gateway: Gateway,
        link: Link,
        tell: Callable[[str], Awaitable[None]],
    ) -> None:
        self.core = core
        self.merge = merge
        self.gateway = gateway
        self.symbol = core.config.identity.symbol
        self.scale = core.config.instrument.scale
        self.account: AccountBook | None = None
        self.account_id = ZERO_ID
        self.tasks: set[asyncio.Task[None]] = set()  # requests under way
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._context = context
        self._counters = context.telemetry.counters
        self._stamps = context.telemetry.stamps
        self._link = link
        self._tell = tell
        self._keys = {
            stream: context.key(stream, self.symbol) for stream in (Stream.MARKET, Stream.PREDICTIONS)
        }
        self._executions = context.key(Stream.EXECUTIONS, self.symbol)
        self._decisions = context.key(Stream.DECISIONS, self.symbol)
        self._is_idle = asyncio.Event()  # cleared while the folding loop runs
        self._is_asked_again = False  # somebody had more to fold while it ran
        self._is_idle.set()

    # --- the streams in -------------------------------------------------------------------------------------

    async def read(self, link: Link, market_cursor: bytes, prediction_cursor: bytes) -> None:
        """Read the symbol's two streams, in one round trip, and fold them, until stopped."""
        market_key, prediction_key = self._keys[Stream.MARKET], self._keys[Stream.PREDICTIONS]
        cursors = {market_key: market_cursor, prediction_key: prediction_cursor}
        positions, stop = self._context.positions, self._context.stop
        while not stop.is_set():
            for key, entries in await self._next(link, cursors):
                cursors[key] = entries[-1][0]
                rows = await self._decoded(key, entries)
                if key == market_key:
                    self.merge.push_streams(rows, ())  # type: ignore[arg-type]
                else:
                    self.merge.push_streams((), rows)  # type: ignore[arg-type]
                self._counters["handled"] += len(entries)
                if not self._context.settings.lockstep:
                    self._context.note_lag(entries[-1][0])
            await self.pump()
            positions[f"market:{self.symbol}"] = self.core.market_id
            positions[f"predictions:{self.symbol}"] = self.core.prediction_id

    async def _next(self, link: Link, cursors: dict[str, bytes]) -> list[tuple[str, list[bus.Entry]]]:
        market = {key: cursors[key] for key in (self._keys[Stream.MARKET],)}
        predictions = {key: cursors[key] for key in (self._keys[Stream.PREDICTIONS],)}
        if not self.merge.needs_every_entry:
            # Decisions happen at a prediction, or at the tenth of a second at which a heartbeat would come.
            return await bus.read_along(link, predictions, market, BATCH, HEARTBEAT_MS)
        # Predictions are always read: what waits may be waiting for one of them.
        wanted = predictions if self.merge.backlog >= BACKLOG_LIMIT else cursors
        return await bus.read(link, wanted, BATCH, BLOCK_MS)

    async def _decoded(self, key: str, entries: Sequence[bus.Entry]) -> list[tuple[str, Message]]:
        rows: list[tuple[str, Message]] = []
        for entry_id, data in entries:
            try:
                rows.append((entry_id.decode(), codec.decode(data)))
            except BadInput as error:
                await self._context.park(f"{key} {entry_id.decode()}: {error}", data)
        return rows

    # --- the folding loop -----------------------------------------------------------------------------------

    async def pump(self) -> None:
        """Fold everything that can be folded now. Where another task is at it, that one folds ours too."""
        if not self._is_idle.is_set():
            self._is_asked_again = True
            return
        self._is_idle.clear()
        try:
            while True:
                self._is_asked_again = False
                await self._fold_all()
                text = self.merge.cursor()
                if text is not None:
                    await self._tell(text)
                elif not self._is_asked_again:
                    return
        finally:
            self._is_idle.set()

    async def _fold_all(self) -> None:
        """Fold what there is, write what came of it, then send: a round trip per stream, not per entry."""
        merge, executions, decided, sends = self.merge, list[bus.Entry](), list[Decided](), list[Send]()
        while (step := merge.pop()) is not None:
            made, found = self._fold(step.kind, step.entry_id, step.what)
            executions += found
            decided += made
            for one in made:  # the merge must know of a request before it gives out anything more
                sends += [self._to_send(one, approved) for approved in one.approved]
            if step.kind == "account":
                await self._publish_executions(executions)
                await self.publish_account()
        await self._publish_executions(executions)
        if decided:
            await self._carry_out(decided, sends)

    def _fold(self, kind: str, entry_id: str, what: object) -> tuple[list[Decided], list[bus.Entry]]:
        core = self.core
        executions: list[bus.Entry] = []
        decided: list[Decided] = []
        if kind == "market":
            return core.fold_market(entry_id, what), executions  # type: ignore[arg-type]
        if kind == "predictions":
            assert isinstance(what, (Prediction, Flow))
            decided = core.fold_prediction(entry_id, what)
            if isinstance(what, Flow) and core.config.strategy == "maker":
                said = trust_said(what, core.prediction, core.config.plan)
                self._context.log.info("trust in predictions", extra={"with": said})
            return decided, executions
        if kind == "control":
            return core.fold_control(entry_id, what), executions  # type: ignore[arg-type]
        if kind == "shutdown":
            return core.shutdown(), executions
        if isinstance(what, AccountChange):
            if self.account is not None:
                self.account.apply(what.change, what.exchange_ns)
            return decided, executions
        for execution_id, execution in core.stamp(what):  # type: ignore[arg-type]
            executions.append((execution_id.encode(), codec.encode(execution)))
            decided += core.fold_execution(execution_id, execution)
            self._note(execution)
        return decided, executions

    def _note(self, execution: Execution) -> None:
        name = type(execution).__name__.lower()
        self._counters[f"{name}s" if name != "reconciled" else name] += 1

    async def _publish_executions(self, executions: list[bus.Entry]) -> None:
        if executions:
            await bus.publish(self._link, self._executions, executions)
            self._counters["executions"] += len(executions)
            executions.clear()

    def _to_send(self, made: Decided, approved: Approved) -> Send:
        is_cancel = approved.request.action == "cancel"
        name = ("cancel:" if is_cancel else "") + approved.request.client_id
        cause = made.decision.cause.partition("/")[2]
        return Send(
            self._cancel if is_cancel else self._place, name, approved, cause, self.merge.sending(name)
        )

    async def _carry_out(self, decided: Sequence[Decided], sends: Sequence[Send]) -> None:
        """Write the decisions, then send what they approved, each request in a task of its own."""
        entries = [(made.entry_id.encode(), codec.encode(made.decision)) for made in decided]
        await bus.publish(self._link, self._decisions, entries)
        if self._stamps:
            for made in decided:
                self._stamps.mark("decided", made.decision.cause.partition("/")[2])
        for send in sends:
            self.spawn(send.work(send.name, send.approved, send.cause, send.extra))
        self._counters["decisions"] += len(decided)
        self._counters["refused"] += sum(
            bool(one.refusal) for made in decided for one in made.decision.requests
        )

    async def publish_account(self) -> None:
        """Write the account as it stands, where this desk keeps it."""
        if self.account is not None:
            self.account_id = next_id(self.account_id, self.core.market_id)
            entry = (self.account_id.encode(), codec.encode(self.account.message()))
            await bus.publish(self._link, self._context.key(Stream.ACCOUNT), [entry])

    # --- requests -------------------------------------------------------------------------------------------

    def spawn(self, work: Awaitable[None]) -> None:
        """Run one request beside the folding; its failure ends the service (see `failed`)."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self.failed.done():
            self.failed.set_exception(error)

    async def _place(self, name: str, approved: Approved, cause: str, extra: dict[str, str]) -> None:
        outcome = await self.gateway.place(self.symbol, approved, self.scale, cause, extra)
        self._counters["orders_sent"] += 1
        client_id = approved.request.client_id
        await self._answered(name, outcome, client_id)
        if outcome.kind == "unknown":
            await self.resolve(client_id, outcome.sent_ms)

    async def _cancel(self, name: str, approved: Approved, cause: str, extra: dict[str, str]) -> None:
        outcome = await self.gateway.cancel(self.symbol, approved, cause, extra)
        self._counters["cancels_sent"] += 1
        client_id = approved.request.client_id
        if outcome.kind == "order":
            await self._answered(name, outcome, client_id)
            return
        # Nothing is concluded from a cancel that failed: the order's own record says what became of it.
        self.merge.push_answer(name, outcome.headers, ())
        await self.pump()
        if outcome.kind == "unknown" or outcome.code == CANCEL_UNKNOWN:
            await self.resolve(client_id, outcome.sent_ms)

    async def _answered(self, name: str, outcome: Outcome, client_id: str) -> None:
        facts: tuple[OrderFact, ...] = ()
        try:
            facts = placed(client_id, outcome, self.scale)
        except BadFrame as error:
            await self._context.park(f"answer to {name}: {error}", str(outcome.order).encode())
            facts = (OrderFact(client_id, "unknown", 0, reason=str(error)),)
        self._counters[f"answers_{outcome.kind}"] += 1
        self.merge.push_answer(name, outcome.headers, facts)
        await self.pump()

    async def resolve(self, client_id: str, sent_ms: int) -> None:
        """Ask until it is known what became of an order sent at `sent_ms` (venue time). Never sends again."""
        attempt = 0
        while self._is_open_question(client_id):
            outcome = await self.gateway.query(self.symbol, client_id)
            if outcome.kind == "order":
                try:
                    facts = placed(client_id, outcome, self.scale)
                except BadFrame as error:  # asked again: nothing is concluded from what cannot be read
                    await self._context.park(f"query of {client_id}: {error}", str(outcome.order).encode())
                else:
                    await self.tell_facts(facts)
                    return
            too_late_ms = sent_ms + self.gateway.recv_window_ms + RESOLVE_MARGIN_MS
            if outcome.kind == "missing" and outcome.sent_ms > too_late_ms:
                fact = OrderFact(client_id, "not_placed", 0, reason=outcome.reason)
                await self.tell_facts((fact,))
                return
            await sleep_unless(self._context.stop, RESOLVE_SECONDS[min(attempt, 3)])
            if self._context.stop.is_set():
                return
            attempt += 1

    def _is_open_question(self, client_id: str) -> bool:
        order = self.core.orders.by_client.get(client_id)
        return (
            order is None or order.status in (Status.PENDING, Status.UNKNOWN) or order.cancel_ms is not None
        )

    async def tell_facts(self, facts: Sequence[Fact]) -> None:
        """Fold facts that have no place in a replay's order."""
        if facts:
            self.merge.push_event({}, facts)
            await self.pump()

    async def settle(self, seconds: float) -> None:
        """Cancel what is open and wait a little for the answers. Positions stay."""
        self.merge.push_shutdown()
        await self.pump()
        await self._is_idle.wait()
        if self.tasks:
            await asyncio.wait(set(self.tasks), timeout=seconds)
        for task in set(self.tasks):
            task.cancel()
