"""Walking by days gives what walking over all rows in memory gives, and never looks ahead."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from bench.synthetic_rows import make
from research import fit as in_memory
from research.days.backend import Backend, working
from research.days.forward import Walked, walk
from research.days.job import Job, job
from research.rows.layout import DAY_NS, PAGE
from research.rows.store import Store
from research.scores import Outcomes
from research.table import table
from services.features import schema
from shared.errors import BadInput
from shared.units import SECOND

MODELS = ("linear", "ridge")  # sparse kinds: see test_days_fits, their folds are other ones here
H = 5
REACH_NS = H * SECOND + 100_000_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return make(tmp_path_factory.mktemp("drawn") / "rows", 3, (5, 10, 15), around_midnight=2000)


def walked(store: Store, work: Path, models: tuple[str, ...] = MODELS, backend: str = "sequential") -> Walked:
    work.mkdir()
    with working(Backend(backend, 2)) as crew:
        return walk(store, job(store, "flow", models, work, (H,)), crew, 0.5)


@pytest.fixture(scope="module")
def result(store: Store, tmp_path_factory: pytest.TempPathFactory) -> tuple[Walked, Job]:
    work = tmp_path_factory.mktemp("walk") / "work"
    return walked(store, work), job(store, "flow", MODELS, work, (H,))


class Rows:
    """All rows of a store in memory, those with whole features and a label."""

    def __init__(self, store: Store, asked: Job) -> None:
        names = ("recv_ns", "clean_ns", f"y.{H}", f"known.{H}", f"late.{H}", "mid", "spread", "imbalance_1")
        columns = [day.columns(names) for day in store.days]
        told = {name: np.concatenate([one[name] for one in columns]) for name in names}
        mask = told[f"known.{H}"] & (told["clean_ns"] >= asked.columns.window_ns)
        self.X = np.concatenate([day.features(asked.columns.read) for day in store.days])[mask]
        self.recv_ns, self.y, self.imbalance = (
            told[name][mask] for name in ("recv_ns", f"y.{H}", "imbalance_1")
        )
        self.after = Outcomes(
            H, self.recv_ns, self.y, told[f"late.{H}"][mask], told["mid"][mask], told["spread"][mask]
        )


def features(asked: Job) -> in_memory.Features:
    return in_memory.described("flow", asked.columns.names, schema.SIGMAS, ())


def test_the_table_is_that_of_all_rows(store: Store, result: tuple[Walked, Job]) -> None:
    found, asked = result
    assert found.days == tuple(day.date for day in store.days[1:])
    rows = Rows(store, asked)
    moves = {model: np.full(len(rows.y), np.nan) for model in MODELS}
    for day in store.days[1:]:
        training = rows.recv_ns + REACH_NS < day.start_ns
        test = (rows.recv_ns >= day.start_ns) & (rows.recv_ns < day.start_ns + DAY_NS)
        for model in MODELS:
            one = in_memory.fit(
                model, rows.X[training], rows.y[training], rows.recv_ns[training], H, features(asked)
            )
            moves[model][test] = one.predict(rows.X[test])
            told = next(p for p in found.predicted if (p.date, p.model) == (day.date, model))
            assert told.rows == training.sum()
            if model == "ridge":
                assert told.alpha == pytest.approx(one.alpha, rel=1e-9)
    tested = np.isfinite(moves["linear"])
    expected = table(
        rows.after.rows(tested),
        {model: values[tested] for model, values in moves.items()},
        {"imbalance 1": rows.imbalance[tested]},
        0.5,
    )
    scores = {(row.selection, row.name): row for row in found.scores}
    for row in expected.scores:
        mine = scores[row.selection, row.name]
        assert mine.rows == row.rows
        for name in ("coverage", "hit_rate", "skill", "zero_share", "ic", "r2", "gross_edge", "net_edge"):
            assert getattr(mine, name) == pytest.approx(getattr(row, name), abs=1e-9, nan_ok=True), name
        # Blocks are longer than in memory, where half a minute may do.
        assert 0.5 < (mine.high - mine.low) / (row.high - row.low) < 2.0
    differences = {(row.selection, row.name, row.against): row for row in found.pairs}
    one = differences["20 %", "ridge", "imbalance 1"]
    gap = scores["20 %", "ridge"].hit_rate - scores["20 %", "imbalance 1"].hit_rate
    assert one.difference == pytest.approx(gap, abs=1e-12)
    assert one.low < one.difference < one.high


def test_no_prediction_depends_on_the_day_it_is_of(
    store: Store, result: tuple[Walked, Job], tmp_path: Path
) -> None:
    _, asked = result
    changed = store._replace(
        folder=tmp_path / "rows",
        days=tuple(day._replace(path=tmp_path / "rows" / day.path.name) for day in store.days),
    )
    shutil.copytree(store.folder, changed.folder)
    last = changed.days[-1]
    rows = pq.read_table(last.path)
    page = pq.read_metadata(last.path).metadata[PAGE]
    for name in (f"y.{H}", f"late.{H}"):
        at = rows.column_names.index(name)
        rows = rows.set_column(at, name, pc.multiply(rows.column(name), -3.0))
    pq.write_table(rows.replace_schema_metadata({PAGE: page}), last.path)
    models = (*MODELS, "lasso", "boosting")
    walked(store, tmp_path / "here", models)
    walked(changed, tmp_path / "there", models)
    for model in models:
        name = asked.moves_path(last.date, H, model).name
        here, there = np.load(tmp_path / "here" / name), np.load(tmp_path / "there" / name)
        np.testing.assert_array_equal(here, there)
        assert np.nanstd(here) > 0.0


def test_the_backend_changes_no_byte(store: Store, result: tuple[Walked, Job], tmp_path: Path) -> None:
    found, _ = result
    other = walked(store, tmp_path / "work", backend="loky")
    assert other.predicted == found.predicted
    for mine, its in ((other.scores, found.scores), (other.pairs, found.pairs)):
        assert [row.plain() for row in mine] == [row.plain() for row in its]


def test_auto_walks_with_the_prior_and_the_fit(store: Store, tmp_path: Path) -> None:
    found = walked(store, tmp_path / "work", ("auto",))
    assert {row.kind for row in found.predicted} == {"shrunk"}
    best = next(row for row in found.scores if (row.name, row.selection) == ("auto", "20 %"))
    assert best.skill_low > 0.0


def test_what_cannot_be_walked_is_named(store: Store, tmp_path: Path) -> None:
    one = store._replace(days=store.days[:1])
    with pytest.raises(BadInput, match="walking by days needs two"):
        walked(one, tmp_path / "work")
    with pytest.raises(BadInput, match="no label for 7 s"):
        job(store, "flow", MODELS, tmp_path, (7,))
    with pytest.raises(BadInput, match="stage set seed"):
        job(store, "seed", MODELS, tmp_path)
