"""The analysis in units of people and machines: prices in quote currency, sizes in base currency."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from research.flow.analysis import Form, SideAnalysis
from research.flow.rested import SideRested
from research.names import Names, names_of
from services.features.flow.optimum import Optimum
from services.trader.quoting import Value
from shared.units import Scale

SIDES = {1: "buy", -1: "sell"}  # of takers
RESTING = {1: "bid", -1: "ask"}


class Units(NamedTuple):
    """One tick in quote currency, one lot in base currency, for what is no whole number of them; what is one
    goes through `price` and `size`, which give the float nearest to the decimal."""

    scale: Scale
    names: Names

    @classmethod
    def of(cls, scale: Scale, symbol: str) -> Units:
        """Of one symbol."""
        return cls(scale, names_of(symbol))

    @property
    def tick(self) -> float:
        """In quote currency."""
        return self.scale.price(1)

    @property
    def lot(self) -> float:
        """In base currency."""
        return self.scale.size(1)

    def price(self, ticks: int) -> float:
        """Whole ticks."""
        return self.scale.price(ticks)

    def size(self, lots: int) -> float:
        """Whole lots."""
        return self.scale.size(lots)


def side(found: SideAnalysis, aggregation: str, units: Units) -> dict[str, Any]:
    """One side of one aggregation. Alphas, shares and distances have no unit; moves and slopes are in quote
    currency (per unit of base), of sells with the sign turned round."""
    lot, tick = units.lot, units.tick
    return {
        "aggregation": aggregation,
        "side": SIDES[found.side],
        "orders": len(found.orders.times_ms),
        "rows": int(found.orders.rows.sum()),
        "interval_ms": found.interval_ms,
        "interval_variation": found.interval_variation,
        "sizes": {name: _form(form, lot) for name, form in found.sizes.items()},
        "size_fits": [
            {
                "law": score.name,
                "pairs": score.pairs,
                "distance": score.distance,
                "next_distance": score.next_distance,
                # A density per lot is one per unit after ln(lot) is taken off.
                "next_log_score": score.next_log_score - math.log(lot),
                "parameters_lots": score.parameters,
                "errors": score.errors,
            }
            for score in found.fits
        ],
        "windows": [
            {
                "seconds": window.seconds,
                "windows": window.windows,
                "filled_share": window.filled_share,
                **{name: _form(form, lot) for name, form in window.forms.items()},
            }
            for window in found.windows
        ],
        "durations": [each._asdict() for each in found.durations],
        "counts": [each._asdict() for each in found.compounds],
        "shocks": [
            {"ticks": row.ticks, "count": row.times, "share": row.share, "mean_size": row.mean_lots * lot}
            for row in found.shocks
        ],
        "shock_size_a_tick": found.shock_lots_a_tick * lot,
        "changes_2s": [
            {"ticks": row.ticks, "count": row.times, "share": row.share, "mean_volume": row.mean_lots * lot}
            for row in found.changes
        ],
        "change_volume_a_tick": found.change_lots_a_tick * lot,
        "impact": {
            "step": units.size(found.groups.step_lots),
            "groups": [
                [
                    units.size(int(number) * found.groups.step_lots),
                    int(count),
                    int(change) / int(count) * tick,
                ]
                for number, count, change in zip(*found.groups[1:], strict=True)
            ],
            **{
                name: {
                    "slope": each.line.slope * tick / lot,
                    "slope_error": each.line.slope_error * tick / lot,
                    "intercept": each.line.intercept * tick,
                    "intercept_error": each.line.intercept_error * tick,
                    "r2": each.line.r2,
                    "optimum": {form: optimum(found_at, units) for form, found_at in each.optima.items()},
                }
                for name, each in found.impacts.items()
            },
        },
    }


def optimum(found: Optimum, units: Units) -> dict[str, Any]:
    """The gross optimum."""
    return {
        "answer": found.answer,
        "quantity": found.quantity * units.lot,
        "gain": found.gain * units.tick,
        "break_even": found.break_even * units.lot,
    }


def _form(form: Form, lot: float) -> dict[str, float]:
    return {
        "mean": form.law.mean * lot,
        "mean_error": form.errors["mean"] * lot,
        "alpha": form.law.alpha,
        "alpha_error": form.errors["alpha"],
        "distance": form.distance,
    }


def rested(found: SideRested, units: Units) -> dict[str, Any]:
    """Orders resting on one side, by depth; values per unit of base, in quote currency."""
    tick = units.tick
    return {
        "side": RESTING[found.side],
        "answer": found.answer,
        "quote": None if found.quoted is None else _value(found.quoted, units),
        "gross_price": None if found.gross_price_ticks is None else units.price(found.gross_price_ticks),
        "replenishment": found.needs.replenishment,
        "canceled": found.needs.canceled,
        "exit_spread": found.costs.spread_ticks * tick,
        "exit_slippage": found.costs.slippage_ticks * tick,
        "calibration": None if found.calibration is None else found.calibration._asdict(),
        "depths": [
            {
                **_value(value, units),
                "probes": probes,
                "fills": fills,
                "predicted": predicted,
                "canceled": found.needs.canceled_at[place],
                "edge_error": error * tick,
                "fill_rates": {name: rates[place] for name, rates in found.fill_rates.items()},
            }
            for place, (value, (probes, fills, predicted, error)) in enumerate(
                zip(found.values, found.probes, strict=True)
            )
        ],
    }


def _value(value: Value, units: Units) -> dict[str, Any]:
    tick = units.tick
    return {
        "ticks": value.ticks,
        "price": units.price(value.price_ticks),
        "fill_rate": value.fill_rate,
        "edge": value.edge_ticks * tick,
        "cost": value.cost_ticks * tick,
        "net": value.net_ticks * tick,
        "net_error": value.error_ticks * tick,
        "net_lower": value.lower_ticks * tick,
        "net_per_second": value.net_ticks_s * tick,
    }
