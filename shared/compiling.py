"""What `python -m services.<service>.compile` does: have numba fill its cache at installation.

Afterwards every process loads the kernel from there. The cache lies beside the modules unless NUMBA_CACHE_DIR
names another directory, as it must where the installation is read-only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any


def fill_cache(what: str, load: Callable[[], Iterable[Any]]) -> int:
    """Import a kernel by `load`, which compiles what the cache does not hold, and say how much it held.
    `load` returns the compiled functions. Returns the exit code."""
    start = time.perf_counter()
    functions = list(load())
    seconds = time.perf_counter() - start
    held = sum(bool(function.stats.cache_hits) for function in functions)
    print(f"{what}: {held} of {len(functions)} functions were cached, {seconds:.1f} s with imports")
    return 0
