"""Training tasks on a real Dask cluster of two workers: one of our own, and one that runs already."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from bench.synthetic_rows import make
from lobflow.replay import free_port
from research.days.backend import Backend, task, working
from research.days.forward import Walked, walk
from research.days.job import job
from research.rows.store import Store
from shared.errors import BadSetting


def pid(number: int) -> tuple[int, int]:
    return number, os.getpid()


def test_a_cluster_of_our_own_has_two_workers() -> None:
    with working(Backend("dask", 2)) as crew:
        found = crew.run((task(pid, number) for number in range(40)), 40, lambda share: None)
    assert [number for number, _ in found] == list(range(40))
    assert len({process for _, process in found} - {os.getpid()}) == 2


def test_a_cluster_that_runs_is_used() -> None:
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with Client(cluster, set_as_default=False) as client:
            workers = set(client.run(os.getpid).values())
        with working(Backend("dask", 2, cluster.scheduler_address)) as crew:
            found = crew.run((task(pid, number) for number in range(40)), 40, lambda share: None)
    assert {process for _, process in found} == workers


def test_a_scheduler_that_is_not_there_is_named() -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    crew = working(Backend("dask", 2, address), start_seconds=0.5)
    with pytest.raises(BadSetting, match=f"no Dask scheduler at {address}"):
        crew.__enter__()


def walked(store: Store, work: Path, backend: str) -> Walked:
    work.mkdir()
    with working(Backend(backend, 2)) as crew:
        return walk(store, job(store, "flow", ("ridge", "auto"), work, (5,)), crew, 0.5)


def test_a_walk_on_two_workers_is_the_walk_in_one_process(tmp_path: Path) -> None:
    store = make(tmp_path / "rows", 3, (5,), around_midnight=600)
    here, there = walked(store, tmp_path / "here", "sequential"), walked(store, tmp_path / "there", "dask")
    assert here.predicted == there.predicted
    assert [row.plain() for row in here.scores] == [row.plain() for row in there.scores]
    for path in (tmp_path / "here").iterdir():
        assert path.read_bytes() == (tmp_path / "there" / path.name).read_bytes()
