"""`python -m services.venue.synthetic.compile`: compile the market into numba's cache, at installation."""

from __future__ import annotations

import sys
import time


def main() -> int:
    """Import the market, which compiles what the cache does not hold. Returns the exit code."""
    start = time.perf_counter()
    from services.venue.synthetic import flow, ours

    seconds = time.perf_counter() - start
    entries = [flow.run, ours.place, ours.cancel]
    loaded = sum(bool(entry.stats.cache_hits) for entry in entries)  # type: ignore[attr-defined]
    print(f"synthetic market: {loaded} of {len(entries)} entries were cached, {seconds:.1f} s with imports")
    return 0


if __name__ == "__main__":
    sys.exit(main())
