"""`python -m services.collector.compile`: compile scanner and book into numba's cache, at installation.

Afterwards every process loads them from there. The cache lies beside the modules unless NUMBA_CACHE_DIR names
another directory, as it must where the installation is read-only.
"""

from __future__ import annotations

import sys
import time


def main() -> int:
    """Import the kernel, which compiles what the cache does not hold. Returns the exit code."""
    start = time.perf_counter()
    from services.collector import ladder, levels, scanner

    seconds = time.perf_counter() - start
    entries = [scanner.scan, levels.set_levels, levels.write_tiers, ladder._apply, ladder._take]
    loaded = sum(bool(entry.stats.cache_hits) for entry in entries)  # type: ignore[attr-defined]
    print(f"collector kernel: {loaded} of {len(entries)} entries were cached, {seconds:.1f} s with imports")
    return 0


if __name__ == "__main__":
    sys.exit(main())
