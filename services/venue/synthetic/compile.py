"""`python -m services.venue.synthetic.compile`: the synthetic market; see `shared.compiling`."""

from __future__ import annotations

import sys
from typing import Any

from shared.compiling import fill_cache


def load() -> list[Any]:
    """The functions that others call; each brings those that it calls itself."""
    from services.venue.synthetic import flow, ours

    return [flow.run, ours.place, ours.cancel]


if __name__ == "__main__":
    sys.exit(fill_cache("synthetic market", load))
