"""Where the tasks of a training run: joblib, with a backend by setting.

`loky` (the default) are processes of this machine; `threading` and `sequential` need no pickling; `dask` are
the workers of a Dask cluster: the one at `scheduler`, or one started here. Rows and predictions are files, so
workers on other machines must see the same folders. A result does not depend on the backend.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import joblib
import pyarrow as pa
from threadpoolctl import threadpool_limits

from shared.errors import BadSetting

BACKENDS = ("loky", "threading", "sequential", "dask")
START_SECONDS = 60.0  # for the workers of a cluster

# glibc's, where it is the C library.
TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None

T = TypeVar("T")


@dataclass(frozen=True)
class Backend:
    """Where, and how many tasks at once. Raises BadSetting for what there is not."""

    name: str = "loky"
    jobs: int = 2
    scheduler: str = ""  # of Dask, such as tcp://10.0.0.5:8786; empty: a cluster of our own

    def __post_init__(self) -> None:
        if self.name not in BACKENDS:
            raise BadSetting(f"training backend {self.name!r} is none of {', '.join(BACKENDS)}")
        if self.jobs < 1:
            raise BadSetting(f"{self.jobs} training jobs are none")
        if self.scheduler and self.name != "dask":
            raise BadSetting(f"a Dask scheduler is of no use to backend {self.name}")


class Crew:
    """Runs tasks while `working`."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs

    def run(self, tasks: Iterable[Callable[[], T]], count: int, progress: Callable[[float], None]) -> list[T]:
        """The results of all `count` tasks, in their order; `progress` is told the share that is done. Tasks
        are taken from the iterable as workers become free. The first error ends all."""
        found: list[T] = []
        parallel = joblib.Parallel(n_jobs=self._jobs, return_as="generator", pre_dispatch="2*n_jobs")
        for result in parallel(joblib.delayed(_alone)(task) for task in tasks):
            found.append(result)
            progress(len(found) / max(1, count))
        return found


@contextmanager
def working(backend: Backend, start_seconds: float = START_SECONDS) -> Iterator[Crew]:
    """A crew. Raises BadSetting where Dask is asked for and is not installed or not reached."""
    if backend.name == "dask":
        with _cluster(backend, start_seconds), joblib.parallel_config(backend="dask"):
            yield Crew(backend.jobs)
        return
    with joblib.parallel_config(backend=backend.name):
        yield Crew(1 if backend.name == "sequential" else backend.jobs)


@contextmanager
def _cluster(backend: Backend, start_seconds: float) -> Iterator[None]:
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise BadSetting("backend dask needs the package distributed: pip install lobflow[dask]") from error
    if backend.scheduler:
        try:
            client = Client(backend.scheduler, timeout=start_seconds, set_as_default=True)
        except (OSError, ValueError) as error:
            raise BadSetting(f"no Dask scheduler at {backend.scheduler}: {error}") from error
        with client:
            yield
        return
    with (
        LocalCluster(
            n_workers=backend.jobs, threads_per_worker=1, dashboard_address=None, memory_limit=None
        ) as cluster,
        Client(cluster, set_as_default=True) as client,
    ):
        client.wait_for_workers(backend.jobs, timeout=start_seconds)
        yield


def _alone(task: Callable[[], T]) -> T:
    """One task with one thread: as many tasks as cores run at once, and sums do not depend on the machine."""
    # Gives back what it frees: a pool of its own would keep it, in each worker.
    pa.set_memory_pool(pa.system_memory_pool())
    with threadpool_limits(limits=1):
        result = task()
    if TRIM is not None:
        TRIM(0)  # the C library would keep what a task freed, and every worker its own
    return result


def task(function: Callable[..., T], *args: Any, **named: Any) -> Callable[[], T]:
    """A call for later that can be sent to another process: `function` is of a module."""
    return partial(function, *args, **named)
