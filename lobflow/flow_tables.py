"""The tables of `lobflow flow` for a terminal, from its JSON."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

REMARK = (
    "Minutes of data prove nothing about profit. Distances are Kolmogorov-Smirnov; errors are standard "
    "errors, of probes over blocks as long as one probe lives. Volume of a second is no place in the book: "
    "the gross optimum is the article's, and takes no fee, queue or cancel into account."
)


def show(console: Console, told: dict[str, Any]) -> None:
    """Everything, top to bottom."""
    rows = ", ".join(f"{count} rows of {name}" for name, count in told["rows"].items())
    console.print(
        f"{told['symbol']}: {rows} over {told['seconds']:.0f} s; "
        f"tick {told['tick']:g} {told['quote']}, lot {told['lot']:g} {told['sizes_in']}"
    )
    if any(told["holes"].values()):
        holes = ", ".join(f"{count} in {name}" for name, count in told["holes"].items())
        console.print(f"trades are missing, by their ids: holes of a second and more: {holes}; left out")
    flows = told["flows"]
    console.print(_sizes(flows))
    console.print(_fits(flows))
    console.print(_windows(flows))
    console.print(_counts(flows))
    console.print(_shocks(flows))
    console.print(_impact(flows))
    for side in told["rested"]:
        console.print(_rested(side, told["probes"]))
        _answer(console, side)
    if not told["rested"]:
        console.print("no books in the data: no probes, no net value, no resting price")
    console.print(REMARK, style="dim")


def _table(title: str, names: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for name in names:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _of(flow: dict[str, Any]) -> tuple[str, str]:
    return flow["aggregation"], flow["side"]


def _number(value: float | None, form: str = ".4g") -> str:
    return "-" if value is None else format(value, form)


def _with_error(value: float | None, error: float | None, form: str = ".3g") -> str:
    return f"{_number(value, form)} ± {_number(error, '.2g')}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100.0 * value:.1f} %"


def _sizes(flows: list[dict[str, Any]]) -> Table:
    table = _table(
        "Taker orders: P(q > d) = (1 + (1 + 20^(-d/m)) d/m)^alpha",
        ("from", "side"),
        ("orders", "mean", "interval, ms", "variation", "alpha", "distance", "plain alpha", "distance"),
    )
    for flow in flows:
        article, plain = flow["sizes"]["article"], flow["sizes"]["plain"]
        table.add_row(
            *_of(flow),
            str(flow["orders"]),
            _with_error(article["mean"], article["mean_error"]),
            _number(flow["interval_ms"]),
            _number(flow["interval_variation"], ".2f"),
            _with_error(article["alpha"], article["alpha_error"]),
            _number(article["distance"], ".3f"),
            _number(plain["alpha"], ".3g"),
            _number(plain["distance"], ".3f"),
        )
    return table


def _fits(flows: list[dict[str, Any]]) -> Table:
    table = _table(
        "Laws of size fitted to one window, judged on the next (log score: nats per order, higher is better)",
        ("from", "side", "law"),
        ("pairs", "distance", "next", "log score"),
    )
    for flow in flows:
        for place, fit in enumerate(flow["size_fits"]):
            table.add_row(
                *(_of(flow) if place == 0 else ("", "")),
                fit["law"],
                str(fit["pairs"]),
                _number(fit["distance"], ".3f"),
                _number(fit["next_distance"], ".3f"),
                _number(fit["next_log_score"], ".3f"),
            )
    return table


def _windows(flows: list[dict[str, Any]]) -> Table:
    table = _table(
        "Volume of windows with trades, and one law for all of them by a duration D",
        ("from", "side"),
        (
            "T, s",
            "N > 0",
            "mean",
            "alpha",
            "distance",
            "plain",
            "D derived",
            "distance",
            "D fitted",
            "distance",
        ),
    )
    for flow in flows:
        durations = {each["seconds"]: each for each in flow["durations"]}
        for place, window in enumerate(flow["windows"]):
            duration = durations[window["seconds"]]
            table.add_row(
                *(_of(flow) if place == 0 else ("", "")),
                f"{window['seconds']:g}",
                _share(window["filled_share"]),
                _number(window["article"]["mean"]),
                _number(window["article"]["alpha"], ".2f"),
                _number(window["article"]["distance"], ".3f"),
                _number(window["plain"]["distance"], ".3f"),
                f"{duration['derived_ms']:.0f} ms",
                _number(duration["derived_distance"], ".3f"),
                f"{duration['fitted_ms']:.0f} ms",
                _number(duration["fitted_distance"], ".3f"),
            )
    return table


def _counts(flows: list[dict[str, Any]]) -> Table:
    table = _table(
        "Compound law: counts times sizes; distances of the volume by law of counts",
        ("from", "side"),
        ("T, s", "Poisson", "negative binomial", "Hawkes", "Hawkes: base /s", "branching", "decay /s"),
    )
    for flow in flows:
        by_length: dict[float, dict[str, Any]] = {}
        for each in flow["counts"]:
            by_length.setdefault(each["seconds"], {})[each["name"]] = each
        for place, (seconds, laws) in enumerate(by_length.items()):
            process = laws["Hawkes"]
            told = [
                _with_error(process["parameters"][name], process["errors"][name])
                for name in ("base", "branching", "decay")
            ]
            table.add_row(
                *(_of(flow) if place == 0 else ("", "")),
                f"{seconds:g}",
                *(
                    _number(laws[name]["distance"], ".3f")
                    for name in ("Poisson", "negative binomial", "Hawkes")
                ),
                *(told if place == 0 else ("", "", "")),
            )
    return table


def _shocks(flows: list[dict[str, Any]]) -> Table:
    table = _table(
        "Price shock of one order: share of orders; more size that goes with a tick more, 0 < shock < 10",
        ("from", "side"),
        ("0 ticks", "1", "2", "3", "4", "5", "size a tick", "2 s: a tick"),
    )
    for flow in flows:
        rows = {row["ticks"]: row for row in flow["shocks"]}
        table.add_row(
            *_of(flow),
            *(_share(rows[ticks]["share"]) if ticks in rows else "-" for ticks in range(6)),
            _number(flow["shock_size_a_tick"], ".3g"),
            _number(flow["change_volume_a_tick"], ".3g"),
        )
    return table


def _impact(flows: list[dict[str, Any]]) -> Table:
    table = _table(
        "Impact of the volume of a second, dp = a Q + b, and the gross optimum of P(V > Q) dp(Q)",
        ("from", "side", "centers"),
        ("a", "b", "R²", "even at", "Q*", "Q*, plain"),
    )
    for flow in flows:
        for place, center in enumerate(("code", "table")):
            line = flow["impact"].get(center)
            if line is None:
                table.add_row(*_of(flow), center, "-", "-", "-", "-", "no impact line", "")
                continue
            optima = line["optimum"]
            table.add_row(
                *(_of(flow) if place == 0 else ("", "")),
                center,
                _with_error(line["slope"], line["slope_error"]),
                _with_error(line["intercept"], line["intercept_error"]),
                _number(line["r2"], ".2f"),
                _number(optima["article"]["break_even"]),
                *(
                    _number(optima[form]["quantity"])
                    if optima[form]["answer"] == "optimum"
                    else optima[form]["answer"].removesuffix(" optimum")
                    for form in ("article", "plain")
                ),
            )
    return table


def _rested(side: dict[str, Any], probes: dict[str, Any]) -> Table:
    table = _table(
        f"Orders resting as {side['side']}: {probes['latency_ms']} ms latency, {probes['lifetime_s']:g} s, "
        f"left {probes['horizon_s']:g} s after a fill as {probes['leaves_as']}; per coin",
        (),
        (
            "ticks",
            "price",
            "probes",
            "canceled",
            "predicted",
            "filled",
            "gross edge",
            "costs",
            "net",
            "lower bound",
            "net /s",
        ),
    )
    for depth in side["depths"]:
        table.add_row(
            str(depth["ticks"]),
            f"{depth['price']:.10g}",
            str(depth["probes"]),
            _share(depth["canceled"]),
            _share(depth["predicted"]),
            _share(depth["fill_rate"]),
            _with_error(depth["edge"], depth["edge_error"]),
            _number(depth["cost"], ".3g"),
            _with_error(depth["net"], depth["net_error"]),
            _number(depth["net_lower"], ".3g"),
            _number(depth["net_per_second"], ".3g"),
        )
    return table


def _answer(console: Console, side: dict[str, Any]) -> None:
    gross = (
        "no gross optimum to rest at"
        if side["gross_price"] is None
        else f"gross optimum {side['gross_price']:.10g}"
    )
    console.print(f"{side['side']} at the last book: {side['answer']}; {gross}")
    console.print(
        f"  leaving as a taker: mean spread {_number(side['exit_spread'])}, "
        f"slippage {_number(side['exit_slippage'], '.3g')}"
    )
    calibration = side["calibration"]
    if calibration is not None:
        console.print(
            f"  fill rate on {calibration['probes']} later probes: predicted "
            f"{_share(calibration['predicted'])}, "
            f"realized {_share(calibration['realized'])}; Brier {calibration['brier_predicted']:.3f}, "
            f"recalibrated {calibration['brier_recalibrated']:.3f}, by the depth's share "
            f"{calibration['brier_depth_share']:.3f}"
        )
