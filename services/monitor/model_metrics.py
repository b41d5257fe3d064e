"""The models' figures as Prometheus metrics: how each version stands, drifts, and what the gate says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.monitor.core import SymbolState
from services.monitor.model_views import role

STANDINGS = {
    "hit_rate": ("lobflow_model_hit_ratio", "Right directions among those that moved"),
    "skill": ("lobflow_model_skill", "Hit rate less what the shares of up and down give alone"),
    "ic": ("lobflow_model_correlation", "Of prediction and outcome"),
    "net_edge": ("lobflow_model_net_edge", "Mean after two taker fees and two half spreads, quote asset"),
    "rows": ("lobflow_model_rows", "Labelled rows of the last hour that it predicted"),
}
LABELS = ["symbol", "version", "role", "horizon_seconds", "coverage"]


class ModelMetrics(Collector):
    """For a prometheus-client registry; what is not known is left out."""

    def __init__(self, states: Mapping[str, SymbolState]) -> None:
        self.states = states

    def collect(self) -> Iterator[Metric]:
        """All families as they stand."""
        families = {field: GaugeMetricFamily(*names, labels=LABELS) for field, names in STANDINGS.items()}
        drift = GaugeMetricFamily(
            "lobflow_model_drift_psi",
            "Population stability index against training",
            labels=["symbol", "version", "quantity"],
        )
        names = ["symbol", "version"]
        shown = GaugeMetricFamily("lobflow_gate_shown", "1 where an edge after costs was shown", labels=names)
        trades = GaugeMetricFamily("lobflow_gate_trades", "Trades that it rests on", labels=names)
        lower = GaugeMetricFamily(
            "lobflow_gate_lower_bps", "Lower bound of a trade after costs", labels=names
        )
        for symbol, state in self.states.items():
            models = state.models
            for row in models.standings():
                place = [
                    symbol,
                    row.name,
                    role(row.name, models.champion),
                    str(row.horizon_s),
                    f"{row.asked:g}",
                ]
                for field, family in families.items():
                    value = float(getattr(row, field))
                    if isfinite(value):
                        family.add_metric(place, value)
            for one in models.drift():
                drift.add_metric([symbol, one.model, one.name], one.psi)
            if models.champion:
                verdict = models.verdict(models.champion)
                shown.add_metric([symbol, models.champion], float(verdict.is_shown))
                trades.add_metric([symbol, models.champion], verdict.trades)
                if verdict.lower_bps is not None:
                    lower.add_metric([symbol, models.champion], verdict.lower_bps)
        yield from (*families.values(), drift, shown, trades, lower)
