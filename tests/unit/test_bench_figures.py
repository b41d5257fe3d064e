"""Figures of the benchmark from its stamps."""

from __future__ import annotations

import json
from pathlib import Path

from bench import book
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


def test_book_is_measured_beyond_a_loss_that_a_later_snapshot_ends(tmp_path: Path) -> None:
    def diff(update_id: int) -> dict[str, object]:
        ids = {"U": update_id, "u": update_id, "pu": update_id - 1}
        levels = {"b": [["99.0", str(update_id)]], "a": [["101.0", "1"]]}
        return {"stream": "btcusdt@depth@100ms", "data": {"e": "depthUpdate", "E": 1, **ids, **levels}}

    def snapshot(update_id: int) -> dict[str, object]:
        return {"lastUpdateId": update_id, "bids": [["99.0", "1"]], "asks": [["101.0", "1"]]}

    rows = [diff(1), snapshot(1), diff(2), diff(3), diff(5), diff(6), snapshot(6), diff(7), diff(8)]
    path = tmp_path / "btcusdt.txt"
    path.write_text("".join(f"{10**18 + at} {json.dumps(row)}\n" for at, row in enumerate(rows)))
    told: list[float] = []
    found = book.measure([path], None, 2, told.append)
    # 5 is the loss; 6 comes out with the snapshot, before the clock of the next part starts.
    assert (found["frames"], found["entries"], told) == (6, 4, [0.5, 1.0])
