"""`python -m services.features.compile`: compile the kernel into numba's cache, once, at installation.

Afterwards every process loads it from there. The cache lies beside the module unless NUMBA_CACHE_DIR names
another directory, as it must where the installation is read-only.
"""

from __future__ import annotations

import sys
import time


def main() -> int:
    """Import the kernel, which compiles what the cache does not hold. Returns the exit code."""
    start = time.perf_counter()
    from services.features import kernel

    seconds = time.perf_counter() - start
    functions = [kernel.reset, kernel.on_lob, kernel.on_trade, kernel.emit, kernel.run]
    loaded = sum(bool(function.stats.cache_hits) for function in functions)  # type: ignore[attr-defined]
    print(
        f"features kernel: {loaded} of {len(functions)} functions were cached, {seconds:.1f} s with imports"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
