"""The core's figures as Prometheus metrics, made when they are scraped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.monitor.core import MonitorCore
from services.monitor.money import from_e9, from_half_e18
from services.monitor.scores import share
from shared.messages import Health
from shared.units import SECOND

SIDES = {1: "bid", -1: "ask"}  # of resting orders


class CoreMetrics(Collector):
    """For a prometheus-client registry. Money is in the quote asset; what is not known is left out."""

    def __init__(self, core: MonitorCore, health: Mapping[str, Health]) -> None:
        self.core = core
        self.health = health

    def collect(self) -> Iterator[Metric]:
        """All families as they stand."""
        pnl = GaugeMetricFamily(
            "lobflow_pnl", "Profit and loss in the quote asset", labels=["symbol", "part"]
        )
        position = GaugeMetricFamily("lobflow_position", "Signed position, base currency", labels=["symbol"])
        mid = GaugeMetricFamily("lobflow_mid_price", "Middle of the newest book", labels=["symbol"])
        win = GaugeMetricFamily("lobflow_win_ratio", "Round trips that won after fees", labels=["symbol"])
        hit = GaugeMetricFamily(
            "lobflow_hit_ratio", "Predictions with the right direction", labels=["symbol", "horizon_seconds"]
        )
        trips = CounterMetricFamily("lobflow_round_trips", "Closed round trips", labels=["symbol", "result"])
        fills = CounterMetricFamily("lobflow_fills", "Fills", labels=["symbol"])
        refusals = CounterMetricFamily(
            "lobflow_refusals", "Requests refused by our own limits", labels=["symbol", "reason"]
        )
        rejects = CounterMetricFamily(
            "lobflow_venue_rejects", "Orders refused by the venue", labels=["symbol", "reason"]
        )
        for symbol, state in self.core.symbols.items():
            parts = state.pnl()
            for name in ("gross", "unrealized", "fees", "net"):
                amount = getattr(parts, name)
                if amount is not None:
                    pnl.add_metric([symbol, name], float(amount))
            position.add_metric([symbol], float(from_e9(state.ledger.position_e9)))
            if state.quote is not None:
                mid.add_metric([symbol], float(from_half_e18(state.quote.twice_mid_e9 * 10**9)))
            results = state.results
            won = share(results.wins, results.trips - results.wins)
            if won is not None:
                win.add_metric([symbol], won)
            trips.add_metric([symbol, "win"], results.wins)
            trips.add_metric([symbol, "loss"], results.trips - results.wins)
            fills.add_metric([symbol], state.ledger.fills)
            for horizon_s, tally in sorted(state.scores.tallies.items()):
                rate = share(tally.hits, tally.misses)
                if rate is not None:
                    hit.add_metric([symbol, str(horizon_s)], rate)
            for reason, count in sorted(state.orders.refusals.items()):
                refusals.add_metric([symbol, reason], count)
            for reason, count in sorted(state.orders.rejects.items()):
                rejects.add_metric([symbol, reason], count)
        yield from (pnl, position, mid, win, hit, trips, fills, refusals, rejects)
        yield from self._quotes()
        yield from self._services()
        yield from self._parity()

    def _parity(self) -> Iterator[Metric]:
        """What copies of `features` say of their look at what was published."""
        for name, text in (
            ("parity_compared", "Published feature vectors computed again"),
            ("parity_mismatches", "Published feature vectors that differ from recomputed ones"),
        ):
            family = CounterMetricFamily(f"lobflow_{name}", text, labels=["symbol", "instance"])
            for _, health in sorted(self.health.items()):
                for symbol in self.core.symbols:
                    if (count := health.counters.get(f"{name}:{symbol}")) is not None:
                        family.add_metric([symbol, health.instance], count)
            yield family

    def _quotes(self) -> Iterator[Metric]:
        """Fill rates of probes and of our own orders, by depth, beside what was expected of them."""
        labels = ["symbol", "side", "ticks"]
        predicted = GaugeMetricFamily(
            "lobflow_probe_predicted_fill_ratio", "Fill rate of probes by the law of volume", labels=labels
        )
        probes = GaugeMetricFamily("lobflow_probe_fill_ratio", "Probes that were filled", labels=labels)
        edge = GaugeMetricFamily(
            "lobflow_probe_edge",
            "By how much the mid is better than a fill, a horizon later",
            labels=labels,
        )
        quotes = CounterMetricFamily(
            "lobflow_quotes", "Our resting orders that have ended", labels=[*labels, "result"]
        )
        expected = GaugeMetricFamily(
            "lobflow_quote_expected_fill_ratio",
            "Fill rate expected of our resting orders",
            labels=labels,
        )
        realized = GaugeMetricFamily(
            "lobflow_quote_fill_ratio", "Our resting orders that were filled", labels=labels
        )
        trust = GaugeMetricFamily(
            "lobflow_prediction_trust",
            "How far the moves of the last minutes came true, 0 to 1; NaN: too little evidence",
            labels=["symbol", "horizon_seconds", "model"],
        )
        for symbol, state in self.core.symbols.items():
            flow = state.quotes.flow
            for fitted in flow.trusts if flow else ():
                trust.add_metric([symbol, str(fitted.horizon_s), fitted.model], fitted.trust)
            for side in flow.sides if flow else ():
                for depth in side.depths:
                    if flow is None or not depth.probes:
                        continue
                    names = [symbol, SIDES[side.side], str(depth.ticks)]
                    predicted.add_metric(names, depth.predicted)
                    probes.add_metric(names, depth.fills / depth.probes)
                    if depth.fills:
                        edge.add_metric(names, depth.edge_ticks * flow.tick_e9 / 1e9)
            for (side_of, ticks), tally in sorted(state.quotes.tallies.items()):
                names = [symbol, SIDES[side_of], str(ticks)]
                quotes.add_metric([*names, "filled"], tally.filled)
                quotes.add_metric([*names, "unfilled"], tally.quotes - tally.filled)
                realized.add_metric(names, tally.filled / tally.quotes)
                if tally.foretold:
                    expected.add_metric(names, tally.expected / tally.foretold)
        yield from (predicted, probes, edge, quotes, expected, realized, trust)

    def _services(self) -> Iterator[Metric]:
        labels = ["observed_service", "instance"]
        ready = GaugeMetricFamily("lobflow_service_ready", "By its newest health entry", labels=labels)
        seen = GaugeMetricFamily(
            "lobflow_service_seen_seconds", "Time of its newest health entry", labels=labels
        )
        memory = GaugeMetricFamily("lobflow_service_resident_bytes", "As it says itself", labels=labels)
        lag = GaugeMetricFamily(
            "lobflow_service_lag_seconds", "Its input's age when handled, as it says itself", labels=labels
        )
        for _, health in sorted(self.health.items()):
            names = [health.service, health.instance]
            ready.add_metric(names, float(health.state == "ready"))
            seen.add_metric(names, health.at_ns / SECOND)
            memory.add_metric(names, health.rss_bytes)
            lag.add_metric(names, health.lag_ns / SECOND)
        yield from (ready, seen, memory, lag)
