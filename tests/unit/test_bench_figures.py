"""Figures of the benchmark from its stamps."""

from __future__ import annotations

from pathlib import Path

from bench.tick_to_order import percentiles, read_stamps


def test_percentiles_are_of_ids_that_went_all_the_way(tmp_path: Path) -> None:
    lines = []
    for n in range(100):
        lines += [f"received {n}-0 {n * 1_000_000}", f"collector {n}-0 {n * 1_000_000 + 1000 * (n + 1)}"]
    lines.append("received 999-0 5")  # never sent on
    (tmp_path / "system.collector.0").write_text("\n".join(lines))
    (tmp_path / "system.trader.0").write_text(
        "\n".join(f"sent {n}-0 {n * 1_000_000 + 500_000}" for n in range(100))
    )
    stamps = read_stamps(tmp_path, "system.*")
    figures = percentiles(stamps, ("received", "collector", "sent"), 0)
    assert (figures["orders"], figures["p50_us"], figures["p99_us"]) == (100, 500.0, 500.0)
    assert figures["hops"]["received>collector"] == {"p50_us": 51.0, "p99_us": 100.0}
    assert percentiles(stamps, ("received", "collector", "sent"), 10)["orders"] == 90


def test_nothing_measured_is_said() -> None:
    assert percentiles({"received": {}, "sent": {}}, ("received", "sent"), 0) == {"orders": 0}
