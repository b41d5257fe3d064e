"""Staging: the rows of the dataset in memory over gaps and midnight, whatever the blocks; used again."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from research import microprice
from research.dataset import Dataset, load
from research.rows.layout import FRAME, Plan, plan
from research.rows.stage import stage
from research.rows.store import Store, opened
from research.table import outcomes
from services.features import schema
from services.recorder.archive import Archive
from services.recorder.core import Limits
from shared import codec
from shared.errors import BadInput
from shared.messages import FeedStatus, Heartbeat, Lob, Message
from shared.units import MS

MIDNIGHT_MS = 1_723_161_600_000
PLAN = plan("flow", (5, 10))


def lob(seq: int, at_ms: int, bid: int, epoch: int) -> Lob:
    tiers = range(20)
    return Lob(
        seq=seq,
        epoch=epoch,
        exchange_ns=0,
        recv_ns=at_ms * MS,
        update_id=seq,
        tick_e9=100_000_000,
        lot_e9=1_000_000,
        bids=codec.pack_tiers([part for i in tiers for part in (bid - i, 1000 + (seq * 37 + i) % 900)]),
        asks=codec.pack_tiers([part for i in tiers for part in (bid + 1 + i, 1000 + (seq * 53 + i) % 900)]),
    )


def market(seed: int, span_s: int) -> list[Message]:
    """Books at odd times around midnight, with holes, lost entries, gaps and silences."""
    draw = np.random.default_rng(seed)
    at_ms, bid, seq, epoch = MIDNIGHT_MS - 500 * span_s, 600_000, 0, 1
    out: list[Message] = []
    while at_ms < MIDNIGHT_MS + 500 * span_s:
        at_ms += int(draw.choice([0, 40, 100, 350, 1000, 2700], p=[0.05, 0.3, 0.4, 0.15, 0.09, 0.01]))
        bid += int(draw.integers(-3, 4))
        what = draw.random()
        if what < 0.01:
            out.append(FeedStatus(seq, epoch, 0, at_ms * MS, "gap", "pu"))
            epoch += 1
            out.append(FeedStatus(seq + 1, epoch, 0, at_ms * MS, "live", ""))
            seq += 2
        elif what < 0.2:
            out.append(Heartbeat(seq, epoch, 0, at_ms * MS))
            seq += 1
        else:
            seq += int(what > 0.995)  # one is lost
            out.append(lob(seq, at_ms, bid, epoch))
            seq += 1
    return out


def recorded(folder: Path, messages: list[Message], symbol: str = "BTCUSDT") -> Path:
    rows = [(f"{m.recv_ns // MS}-{n}".encode(), codec.encode(m)) for n, m in enumerate(messages)]  # type: ignore[attr-defined]
    with Archive(folder, Limits()) as archive:
        archive.resume(f"market:{{{symbol}}}")
        archive.add(f"market:{{{symbol}}}", rows, 0.0)
    return folder


def column(store: Store, name: str) -> np.ndarray:
    return np.concatenate([day.columns([name])[name] for day in store.days])


def check_equal(store: Store, data: Dataset, rows_of: Plan) -> None:
    assert store.rows() == len(data.recv_ns)
    for name in FRAME:
        np.testing.assert_array_equal(column(store, name), getattr(data, name), err_msg=name)
    for name, at in zip(rows_of.names, schema.indices(rows_of.names), strict=True):
        np.testing.assert_array_equal(column(store, f"x.{name}"), data.values[:, at], err_msg=name)
    for h in rows_of.horizons_s:
        after, known = outcomes(data, h)
        np.testing.assert_array_equal(column(store, f"known.{h}"), known)
        np.testing.assert_array_equal(column(store, f"y.{h}")[known], after.moves)
        np.testing.assert_array_equal(column(store, f"late.{h}")[known], after.delayed)
    quotes = microprice.no_counts()
    breaks: list[int] = []
    for day in store.days:
        quotes = quotes.plus(day.page().quotes)
        breaks += day.page().breaks_ns
    np.testing.assert_array_equal(microprice.solved(quotes), microprice.adjustment(data.quotes))
    assert breaks == data.track.breaks_ns.tolist()
    assert (store.source.sha256, store.source.entries) == (data.sha256, data.entries)


@pytest.mark.parametrize("seed", range(4))
def test_rows_are_those_in_memory_over_gaps_and_midnight(tmp_path: Path, seed: int) -> None:
    run = recorded(tmp_path / "run", market(seed, 240))
    data = load([run])
    for block in (1, 7, 100, 8192):
        store = stage([run], tmp_path / f"rows-{block}", PLAN, block=block)
        assert [day.date for day in store.days] == ["2024-08-08", "2024-08-09"]
        check_equal(store, data, PLAN)
    known = store.days[0].columns(["known.5", "recv_ns"])
    last = known["recv_ns"] > (MIDNIGHT_MS - 5000) * MS
    assert last.any()


def test_a_coarser_grid_and_the_seed_set(tmp_path: Path) -> None:
    run = recorded(tmp_path / "run", market(9, 60))
    coarse = plan("seed", (5,), sample_ms=2500)
    check_equal(stage([run], tmp_path / "rows", coarse, block=50), load([run], sample_ms=2500), coarse)


def test_staged_rows_are_used_again_until_something_changes(tmp_path: Path) -> None:
    run = recorded(tmp_path / "run", market(1, 60))
    first = stage([run], tmp_path / "rows", PLAN)
    made = {day.path: day.path.stat().st_mtime_ns for day in first.days}
    assert stage([run], tmp_path / "rows", PLAN) == first
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert stage([run], tmp_path / "rows", PLAN._replace(horizons_s=(5,))).folder != first.folder
    other = recorded(tmp_path / "other", market(2, 60))
    assert stage([other], tmp_path / "rows", PLAN).source.source != first.source.source


def test_what_a_killed_process_left_is_made_anew(tmp_path: Path) -> None:
    run = recorded(tmp_path / "run", market(1, 60))
    first = stage([run], tmp_path / "rows", PLAN)
    draft = tmp_path / "rows" / f".{first.folder.name}.draft"
    first.folder.rename(draft)
    (draft / "source.json").unlink()
    again = stage([run], tmp_path / "rows", PLAN)
    assert again == first
    assert not draft.exists()
    check_equal(again, load([run]), PLAN)


def test_a_symbol_is_chosen_and_what_cannot_be_staged_is_named(tmp_path: Path) -> None:
    run = recorded(tmp_path / "run", market(1, 60))
    recorded(run, market(2, 60), "ETHUSDT")
    with pytest.raises(BadInput, match="the data hold BTCUSDT, ETHUSDT; name one"):
        stage([run], tmp_path / "rows", PLAN)
    check_equal(stage([run], tmp_path / "rows", PLAN, "ETHUSDT"), load([run], "ETHUSDT"), PLAN)
    with pytest.raises(BadInput, match="the data hold no SOLUSDT"):
        stage([run], tmp_path / "rows", PLAN, "SOLUSDT")
    with pytest.raises(BadInput, match="no such file"):
        stage([tmp_path / "absent"], tmp_path / "rows", PLAN)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="no market data"):
        stage([tmp_path / "empty"], tmp_path / "rows", PLAN)
    beats = recorded(tmp_path / "beats", [Heartbeat(0, 1, 0, MIDNIGHT_MS * MS)])
    with pytest.raises(BadInput, match="no valid book"):
        stage([beats], tmp_path / "new", PLAN)
    assert [path.name for path in (tmp_path / "new").iterdir() if not path.name.endswith(".lock")] == []


def test_damaged_rows_are_refused(tmp_path: Path) -> None:
    store = stage([recorded(tmp_path / "run", market(1, 60))], tmp_path / "rows", PLAN)
    day = store.days[0]
    with pytest.raises(BadInput, match=r"no column x\.spread"):
        day.features(["spread"])
    day.path.write_bytes(day.path.read_bytes()[:-20])
    with pytest.raises(BadInput, match="no file of staged rows"):
        day.page()
    day.path.unlink()
    with pytest.raises(BadInput, match="no such file"):
        opened(store.folder)
    (store.folder / "source.json").unlink()
    with pytest.raises(BadInput, match="no staged rows"):
        opened(store.folder)


def test_memory_does_not_grow_with_the_time_that_is_staged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("research.rows.writing.GROUP_ROWS", 100)
    monkeypatch.setattr("services.recorder.reader.BATCH_ROWS", 200)

    def peak(name: str, span_s: int) -> int:
        run, messages = tmp_path / name, market(5, span_s)
        for at in range(0, len(messages), 500):  # files of the same size, more of them
            recorded(run, messages[at : at + 500])
        tracemalloc.start()
        try:
            stage([run], tmp_path / f"rows-{name}", PLAN, block=200)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak("first", 400)  # what is imported and cached at the first time
    short, long = peak("short", 400), peak("long", 4000)
    assert long < 1.3 * short
