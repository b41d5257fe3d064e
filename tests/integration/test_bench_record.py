"""The benchmark of the recorder writes what it says, and faster than 20 symbols come."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.record import measure
from research.market import market_entries
from services.recorder.audit import Pages, check_files
from services.recorder.reader import files_of, read
from shared import codec
from shared.messages import FeatureVector, Flow, Lob

pytestmark = pytest.mark.recorded


def test_what_is_measured_is_what_is_written(btc: Path, tmp_path: Path) -> None:
    figures = measure(btc, tmp_path / "run", 2, lambda what, share: None)
    written = list(read(files_of(tmp_path / "run", "market:{S01}")))
    features = list(read(files_of(tmp_path / "run", "features:{S01}")))
    assert written == [(entry_id, codec.encode(message)) for _, entry_id, message in market_entries([btc])]
    books = {entry_id for entry_id, data in written if isinstance(codec.decode(data), Lob)}
    vectors = [entry_id for entry_id, data in features if isinstance(codec.decode(data), FeatureVector)]
    assert vectors == [entry_id for entry_id, _ in written if entry_id in books]
    flows = {entry_id for entry_id, data in features if isinstance(codec.decode(data), Flow)}
    assert len(flows) == 6  # one at each full minute
    assert figures["by_stream"] == {
        "market": 2 * len(written), "features": 2 * len(features), "predictions": 2 * len(features),
    }  # fmt: skip
    assert figures["entries"] == sum(figures["by_stream"].values())
    size = sum(path.stat().st_size for path in (tmp_path / "run").rglob("*.parquet"))
    assert figures["bytes_per_entry"] == pytest.approx(size / figures["entries"], abs=0.06)
    assert figures["ratio"] > 1.0
    pages = Pages(tmp_path / "run", "S00")
    assert not list(check_files(tmp_path / "run", "market:{S00}", pages.add, lambda _: None))
    assert not list(pages.problems())
    assert [page.date for page in pages.folded] == ["2024-08-08", "2024-08-09"]
    assert pages.folded[0].covered_ns > 340 * 10**9
