"""How the market compiles: explicit signatures, no fast math, and a cache that notices a change in any file.

numba's cache looks at the age of the file that holds a function, not at the files of what it calls. The flow
calls the matching, which calls the draws; so the stamp of each cache entry is the digest of all these files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


KERNEL = (
    "arrivals",
    "compiled",
    "draws",
    "flow",
    "levels",
    "matching",
    "ours",
    "parameters",
    "premium",
    "state",
)


def _digest() -> tuple[str, int]:
    files = [Path(__file__).with_name(f"{name}.py") for name in KERNEL]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest(), len(files)


STAMP = _digest()


def compiled(signature: object) -> Callable[[F], F]:
    """`njit` with types for the checker; the explicit signature compiles, or loads, at import."""

    def compile_(function: F) -> F:
        dispatcher = njit(function)
        dispatcher.enable_caching()
        dispatcher._cache._cache_file._source_stamp = STAMP
        dispatcher.compile(signature)
        dispatcher.disable_compile()
        return cast(F, dispatcher)

    return compile_
