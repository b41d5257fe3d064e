"""A venue with a synthetic market that is killed goes on exactly as one that never stopped."""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from services.venue import checkpoint, resuming
from services.venue.account_api import AccountApi
from services.venue.keeper import Keeper, number_of
from services.venue.opening import Opened
from services.venue.orders import Refusal
from services.venue.resuming import open_synthetic
from services.venue.synthetic.compiled import STAMP
from shared.errors import BadInput
from shared.settings import Settings, load
from shared.units import MS, SECOND

PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # each example opens markets: shrinking takes minutes
START_NS = 1_700_000_000 * SECOND
LOG = logging.getLogger("test")
REQUESTS = st.lists(
    st.tuples(
        st.integers(1, 800),  # milliseconds after the request before it
        st.sampled_from(("MARKET", "touch", "behind", "reduce", "cancel", "checkpoint", "sleep")),
        st.sampled_from(("BUY", "SELL")),
        st.integers(1, 60),  # lots of 0.001
    ),
    min_size=1,
    max_size=12,
)


SYMBOLS = ("ETHUSDT", "BTCUSDT")


def opened(settings: Settings) -> Opened:
    """A venue at a time of day that does not go on: how slow the machine is changes nothing."""
    return open_synthetic(settings, LOG, lambda: START_NS)


def settings_of(folder: Path, **more: object) -> Settings:
    return load(symbols=("BTCUSDT",), venue_state_dir=folder, venue_seed=5, **more)


def go_on(venue: Opened, until_ns: int) -> None:
    while (event := venue.source.take(until_ns)) is not None:
        venue.exchange.play(event)


def state(venue: Opened) -> bytes:
    source = venue.source
    return checkpoint.encode(venue.exchange, source, STAMP[0], 5, 0)  # type: ignore[arg-type]


async def act(venue: Opened, script: list[tuple[int, str, str, int]]) -> int:
    """Carry out a script as the venue does: promise, journal, effect. Returns the time it has come to."""
    keeper, exchange, api = venue.keeper, venue.exchange, AccountApi(venue.exchange)
    assert isinstance(keeper, Keeper)
    now_ns = venue.source.start_ns
    for number, (wait_ms, what, side, lots) in enumerate(script):
        now_ns = venue.source.align(now_ns + wait_ms * MS)
        keeper.allow(now_ns)
        go_on(venue, now_ns)
        if what == "checkpoint":
            if keeper._writing is not None:  # as `allow` does: one is written at a time
                await keeper._writing
            if venue.source.is_settled:  # type: ignore[attr-defined]
                await keeper._next()
            continue
        if what == "sleep":  # of the machine, for some seconds
            until_ns = now_ns + 7 * SECOND
            at_ns = venue.source.pause(until_ns, exchange.play)
            assert at_ns is not None
            keeper.effect(at_ns, "pause", {"until": str(until_ns)})
            now_ns = venue.source.horizon_ns
            continue
        call, params = api.place, {"symbol": "BTCUSDT", "side": side, "quantity": f"0.{lots:03}"}
        bid, ask = (exchange.markets["BTCUSDT"].levels(sign, 3)[-1][0] for sign in (1, -1))
        if what == "cancel":
            call, params = api.cancel_all, {"symbol": "BTCUSDT"}
        elif what in ("MARKET", "reduce"):
            params |= {"type": "MARKET", "reduceOnly": "true" if what == "reduce" else "false"}
        else:
            ticks = {("touch", "BUY"): ask, ("touch", "SELL"): bid, ("behind", "BUY"): bid}.get(
                (what, side), ask
            )
            params |= {"type": "LIMIT", "timeInForce": "GTC", "price": f"{ticks // 10}.{ticks % 10}"}
        params["newClientOrderId"] = f"c-{number}"
        keeper.effect(now_ns, call.__name__, params)
        call(params, now_ns)
    if keeper._writing is not None:
        await keeper._writing
    return now_ns


async def allowed(venue: Opened, until_ns: int) -> None:
    """Let the market go on as the venue does, to the end of what is written beside it."""
    assert isinstance(venue.keeper, Keeper)
    venue.keeper.allow(until_ns)
    go_on(venue, until_ns)
    if venue.keeper._writing is not None:
        await venue.keeper._writing


@settings(max_examples=20, deadline=None, phases=PHASES)
@given(script=REQUESTS, killed_after_ms=st.integers(0, 900))
def test_a_killed_venue_goes_on_as_if_nothing_had_been(
    script: list[tuple[int, str, str, int]], killed_after_ms: int
) -> None:
    with TemporaryDirectory() as name:
        folder, copy = Path(name) / "venue", Path(name) / "copy"
        first = opened(settings_of(folder))
        now_ns = asyncio.run(act(first, script))
        if killed_after_ms > 100:  # else it is killed before anything more was promised
            asyncio.run(allowed(first, now_ns + killed_after_ms * MS))
        if killed_after_ms % 3 == 0:  # while it was writing
            newest = max(folder.glob("journal-*"), key=number_of)
            newest.write_bytes(newest.read_bytes() + b'{"at_ns":17955')
            (folder / "checkpoint.new").write_bytes(b"half of one")
        shutil.copytree(folder, copy)  # what a process that is killed now leaves behind
        second = opened(settings_of(copy))
        # The one that goes on may have been run up to its promise; bring the other there too.
        ends_ns = max(first.source.horizon_ns, second.source.horizon_ns)
        for each in (first, second):
            go_on(each, ends_ns)
        assert first.exchange.account == second.exchange.account
        assert first.exchange.history.state() == second.exchange.history.state()
        assert first.exchange.markets["BTCUSDT"].levels(1, 500) == second.exchange.markets["BTCUSDT"].levels(
            1, 500
        )
        if first.source.is_settled:  # type: ignore[attr-defined]
            assert state(first) == state(second)


@settings(max_examples=4, deadline=None, phases=PHASES)
@given(script=REQUESTS, stops=st.booleans())
def test_another_seed_and_symbol_keep_the_account_and_open_at_the_price(
    script: list[tuple[int, str, str, int]], stops: bool
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        first = opened(settings_of(folder))
        now_ns = asyncio.run(act(first, script))
        asyncio.run(allowed(first, now_ns + SECOND))
        assert first.keeper is not None
        if stops:
            asyncio.run(first.keeper.close())
        again = opened(load(symbols=SYMBOLS, venue_state_dir=folder, venue_seed=6))
        go_on(first, again.source.horizon_ns)  # as far as it had promised to go
        assert again.exchange.account.wallet == first.exchange.account.wallet
        assert again.exchange.account.positions == first.exchange.account.positions
        assert again.exchange.history.fills == first.exchange.history.fills
        assert again.source.next_ns is None
        go_on(again, again.source.horizon_ns + SECOND)
        assert set(again.exchange.markets) == set(SYMBOLS)
        assert not again.exchange.open_orders()
        old, new = (each.exchange.markets["BTCUSDT"] for each in (first, again))
        assert abs(new.levels(1, 1)[0][0] - old.levels(1, 1)[0][0]) < 2000
        assert new.last_update_id > old.last_update_id
        assert again.exchange.history.last_order_id == first.exchange.history.last_order_id


def test_other_code_goes_on_after_a_stop_and_refuses_after_a_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    script = [(100, "MARKET", "BUY", 5), (100, "behind", "BUY", 5)]
    for stops in (True, False):
        with TemporaryDirectory() as name:
            folder = Path(name)
            first = opened(settings_of(folder))
            asyncio.run(act(first, script))
            assert isinstance(first.keeper, Keeper)
            if stops:
                asyncio.run(first.keeper.close())
            with monkeypatch.context() as other:
                other.setattr(resuming, "STAMP", ("another kernel", 1))
                if not stops:
                    with pytest.raises(BadInput, match="its code has changed since"):
                        opened(settings_of(folder))
                    continue
                again = opened(settings_of(folder))
            assert again.exchange.account == first.exchange.account
            assert [order.status for order in again.exchange.history.orders.values()] == [
                "FILLED",
                "CANCELED",
            ]


def test_an_order_beyond_the_grid_is_refused_now_and_again() -> None:
    with TemporaryDirectory() as name:
        first = opened(settings_of(Path(name)))
        api, now_ns = AccountApi(first.exchange), first.source.start_ns
        params = {
            "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01",
            "price": "40000", "newClientOrderId": "far",
        }  # fmt: skip
        assert first.keeper is not None
        first.keeper.effect(now_ns, "place", params)
        refused = api.place(params, now_ns)
        assert isinstance(refused, Refusal)
        assert refused.code == -4013
        second = opened(settings_of(Path(name)))
        assert second.exchange.history.last_order_id == 0
