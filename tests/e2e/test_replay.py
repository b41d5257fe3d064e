"""A recording through the whole system: what comes out, and that nothing done to the system changes it."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from lobflow.replay import Options, Replay, Result, run, run_id_of
from lobflow.report import Report, build
from research.dataset import load
from research.export import save
from research.market import market_entries
from research.train import train_horizons
from services.recorder.reader import files, read
from services.trader.core import Config
from services.trader.identity import Identity
from services.trader.instrument import Instrument
from services.trader.quoting import Costs
from services.trader.rederive import Recorded, by_cursors, in_order
from services.trader.risk import Limits
from services.trader.strategy import Plan, Quoting
from shared.codec import decode, encode
from shared.messages import Fill
from shared.streams import Stream
from shared.units import E9, SECOND, Scale

pytestmark = [pytest.mark.recorded, pytest.mark.redis, pytest.mark.timeout(300)]

SHORT_SECONDS = 120
SYMBOLS = ("BTCUSDT", "ETHUSDT")
DERIVED = ("market", "features", "predictions", "decisions", "executions", "account")


@dataclass(frozen=True)
class Run:
    """One finished replay."""

    options: Options
    result: Result
    report: Report

    def rows(self, stream: Stream, symbol: str) -> list[tuple[str, bytes]]:
        return list(read(files(self.options.out / "data", self.result.run_id, stream, symbol)))


def cut(source: Path, target: Path, seconds: int) -> Path:
    """The first seconds of a recording."""
    with gzip.open(source, "rb") as lines, gzip.open(target, "wb", compresslevel=1) as out:
        until = None
        for line in lines:
            at_ns = int(line.partition(b" ")[0])
            until = at_ns + seconds * SECOND if until is None else until
            if at_ns > until:
                break
            out.write(line)
    return target


def replayed(options: Options, drill: Callable[[Replay], Awaitable[None]] | None = None) -> Run:
    """Run one replay with things done to it on the way."""
    result = asyncio.run(run(options, drill))
    return Run(options, result, build(options, result))


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory, btc: Path, eth: Path) -> Options:
    """Two symbols, the first 120 seconds, and a model of each fitted on the first half of that."""
    folder = tmp_path_factory.mktemp("short")
    recordings = tuple(cut(path, folder / path.name, SHORT_SECONDS) for path in (btc, eth))
    for symbol in SYMBOLS:
        save(train_horizons(load(recordings, symbol).part(0.0, 0.5)), folder / "model" / symbol)
    return Options(files=recordings, model=folder / "model", out=folder / "plain")


@pytest.fixture(scope="module")
def plain(short: Options) -> Run:
    """The replay that the others are compared with."""
    return replayed(short)


def again(short: Options, name: str, **changes: Any) -> Options:
    """The same replay in another folder, run in another way."""
    return replace(short, out=short.out.parent / name, **changes)


def assert_same(one: Run, other: Run) -> None:
    """Every derived stream is equal, id by id and byte by byte."""
    assert one.result.run_id == other.result.run_id
    for stream in Stream:
        for symbol in SYMBOLS if stream.value.is_per_symbol else ("",):
            assert one.rows(stream, symbol) == other.rows(stream, symbol), f"{stream.label} {symbol}"
    digests, others = one.report.summary["digests"], other.report.summary["digests"]
    assert {name: digests[name] for name in DERIVED} == {name: others[name] for name in DERIVED}


def test_loop_closes_and_the_venue_agrees_to_the_last_digit(plain: Run) -> None:
    summary = plain.report.summary
    assert summary["round_trips"] > 0
    assert summary["fills"] >= 2 * summary["round_trips"]
    assert summary["pnl_equal"]
    assert (summary["gaps"], summary["crossed"], summary["parked"], summary["restarts"]) == (0, 0, 0, 0)
    assert summary["bbo_checked"] == summary["bbo_agree"] > 100
    assert summary["features"] == summary["predictions"] == summary["market"]["Lob"]
    assert 0 < summary["predictions_valid"] < summary["predictions"]
    assert summary["max_rss_mb"] < 250
    assert {row["symbol"] for row in summary["hit_rates"]} == set(SYMBOLS)
    assert (plain.options.out / "trades.csv").read_text().count("\n") == summary["round_trips"] + 1


def test_one_id_leads_from_the_book_to_the_trade(plain: Run) -> None:
    for symbol in SYMBOLS:
        books = [
            key for key, data in plain.rows(Stream.MARKET, symbol) if type(decode(data)).__name__ == "Lob"
        ]
        assert kinds(plain.rows(Stream.FEATURES, symbol), "FeatureVector") == books
        assert kinds(plain.rows(Stream.PREDICTIONS, symbol), "Prediction") == books
        known = {key for key, _ in plain.rows(Stream.MARKET, symbol)}
        causes = [decode(data).cause for _, data in plain.rows(Stream.DECISIONS, symbol)]  # type: ignore[union-attr]
        assert causes
        assert {cause.partition("/")[2] for cause in causes} <= known


def test_market_stream_is_what_the_same_code_gives_offline(plain: Run) -> None:
    offline: dict[str, list[tuple[str, bytes]]] = {symbol: [] for symbol in SYMBOLS}
    for symbol, entry_id, message in market_entries(plain.options.files):
        offline[symbol].append((entry_id, encode(message)))
    for symbol in SYMBOLS:
        assert plain.rows(Stream.MARKET, symbol) == offline[symbol]


def test_speed_changes_nothing(short: Options, plain: Run) -> None:
    assert_same(plain, replayed(again(short, "paced", speed=10.0)))


def test_kill_9_of_features_and_model_changes_nothing(short: Options, plain: Run) -> None:
    waiting = {0.55: "features", 0.65: "model", 0.75: "features"}

    async def kill(replay: Replay) -> None:
        share = progress(replay)
        for at in [at for at in waiting if share >= at]:
            replay.processes.kill(waiting.pop(at))

    killed = replayed(again(short, "killed", speed=20.0), kill)
    assert killed.result.restarts == 3
    assert_same(plain, killed)


def test_restart_of_redis_changes_nothing(short: Options, plain: Run) -> None:
    restarted: list[int] = []

    async def restart(replay: Replay) -> None:
        if progress(replay) >= 0.6 and not restarted:
            assert replay.redis is not None
            restarted.append(1)
            await asyncio.to_thread(replay.redis.stop)
            await asyncio.to_thread(replay.redis.start)

    after = replayed(again(short, "redis", speed=20.0), restart)
    assert restarted
    assert after.result.restarts == 0
    assert_same(plain, after)


def test_two_copies_change_nothing_and_either_may_die(short: Options, plain: Run) -> None:
    waiting = {0.55: "features-1", 0.7: "model"}

    async def kill(replay: Replay) -> None:
        for at in [at for at in waiting if progress(replay) >= at]:
            replay.processes.kill(waiting.pop(at))

    both = replayed(again(short, "copies", copies=2, speed=20.0), kill)
    assert both.result.restarts == 2
    assert_same(plain, both)


def config_of(run: Run, symbol: str, tick_e9: int, strategy: str, quoting: Quoting | None = None) -> Config:
    """What the trader of `run` was put together with."""
    instrument = Instrument(symbol, Scale(tick_e9, E9 // 1000), 1, 10**6, 5 * E9)
    return Config(
        identity=Identity(run.result.run_id, symbol),
        instrument=instrument,
        limits=Limits(max_position_lots=100, max_orders_10s=100, stale_ms=1000),
        plan=Plan(instrument=instrument, size_lots=10, period_s=10, threshold=None, quoting=quoting),
        strategy=strategy,
    )


def recorded_of(streams: dict[Stream, list[tuple[str, Any]]]) -> Recorded:
    """One symbol's streams, with nothing ordered by a person."""
    return Recorded(
        market=streams[Stream.MARKET],
        predictions=streams[Stream.PREDICTIONS],
        executions=streams[Stream.EXECUTIONS],
        control=[],
        decisions=streams[Stream.DECISIONS],
    )


def test_decisions_follow_from_the_recorded_streams_alone(plain: Run) -> None:
    for symbol, tick_e9 in zip(SYMBOLS, (E9 // 10, E9 // 100), strict=True):
        config = config_of(plain, symbol, tick_e9, "threshold")
        streams = {stream: _decoded(plain, stream, symbol) for stream in Stream if stream.value.is_per_symbol}
        recorded = recorded_of(streams)
        assert recorded.decisions
        assert by_cursors(config, recorded) == []
        assert in_order(config, recorded) == []


def test_maker_quotes_and_its_decisions_follow_from_the_streams(short: Options) -> None:
    extra: dict[str, object] = {"maker_demonstration": True}
    made = replayed(again(short, "maker", strategy="maker", extra=extra))
    assert made.report.summary["pnl_equal"]
    for symbol, tick_e9 in zip(SYMBOLS, (E9 // 10, E9 // 100), strict=True):
        flows = kinds(made.rows(Stream.FEATURES, symbol), "Flow")
        assert flows
        assert kinds(made.rows(Stream.PREDICTIONS, symbol), "Flow") == flows
        streams = {stream: _decoded(made, stream, symbol) for stream in Stream if stream.value.is_per_symbol}
        requests = [request for _, decision in streams[Stream.DECISIONS] for request in decision.requests]
        sent = [request for request in requests if not request.refusal]
        rested = [request for request in sent if request.purpose == "demonstration"]
        assert {request.time_in_force for request in rested} == {"GTX"}
        assert {request.side for request in rested} == {1, -1}
        assert any(request.action == "cancel" for request in sent)
        fills = [one for _, one in streams[Stream.EXECUTIONS] if isinstance(one, Fill)]
        assert any(fill.is_maker for fill in fills)
        quoting = Quoting(Costs(0.0002, 0.0005), 100, is_demonstration=True)
        config = config_of(made, symbol, tick_e9, "maker", quoting)
        recorded = recorded_of(streams)
        assert by_cursors(config, recorded) == []
        assert in_order(config, recorded) == []


def test_run_id_names_what_is_replayed_and_not_how_fast(short: Options) -> None:
    assert run_id_of(short) == run_id_of(again(short, "other", speed=3.0, copies=2))
    assert run_id_of(short) != run_id_of(again(short, "other", period=5))


def progress(replay: Replay) -> float:
    """Share of the market time that has passed."""
    status = replay.status
    if status.get("state") != "running":
        return 0.0
    start_ns, end_ns = int(status["start_ns"]), int(status["end_ns"])
    return (int(status["market_ns"]) - start_ns) / (end_ns - start_ns)


def kinds(rows: list[tuple[str, bytes]], kind: str) -> list[str]:
    """The ids of the entries of one kind."""
    return [entry_id for entry_id, data in rows if type(decode(data)).__name__ == kind]


def _decoded(plain: Run, stream: Stream, symbol: str) -> list[tuple[str, Any]]:
    return [(key, decode(data)) for key, data in plain.rows(stream, symbol)]


def test_spot_recording_in_two_files_is_replayed_and_traded(tmp_path: Path, recordings: Path) -> None:
    files = tuple(recordings / "spot-raw" / f"ethusdt_{day}.gz" for day in ("20240808", "20240809"))
    save(train_horizons(load(files).part(0.0, 0.5)), tmp_path / "model")
    spot = replayed(Options(files=files, model=tmp_path / "model", out=tmp_path / "out"))
    summary = spot.report.summary
    assert summary["round_trips"] > 0
    assert summary["pnl_equal"]
    assert (summary["gaps"], summary["crossed"], summary["parked"]) == (0, 0, 0)
    assert summary["bbo_checked"] == summary["bbo_agree"] > 0
