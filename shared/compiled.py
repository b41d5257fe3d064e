"""How kernels of several files compile: explicit signatures, no fast math, and a cache that notices changes.

numba's cache looks at the age of the file that holds a function, not at the files of what it calls. So the
stamp of each cache entry is the digest of all files of the kernel, this one included.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def compiler(
    files: Sequence[str], division: Literal["python", "numpy"] = "python"
) -> Callable[..., Callable[[F], F]]:
    """A decorator for the functions of a kernel that consists of `files`: it takes a signature, and compiles
    the function, or loads it from the cache, at import. `inline` "always" is for what is called per byte.
    `division` "numpy" leaves out the look at each divisor, which keeps loops from being done four at a time:
    for kernels that look themselves where one may be 0."""
    stamp = digest(files)

    def with_signature(signature: object, inline: Literal["never", "always"] = "never") -> Callable[[F], F]:
        def compile_(function: F) -> F:
            dispatcher = njit(function, inline=inline, error_model=division)
            dispatcher.enable_caching()
            dispatcher._cache._cache_file._source_stamp = stamp
            dispatcher.compile(signature)
            dispatcher.disable_compile()
            return cast(F, dispatcher)

        return compile_

    return with_signature


def digest(files: Sequence[str]) -> tuple[str, int]:
    """What names the code of a kernel: a digest of its files and of this one, and how many they are."""
    everything = [*files, __file__]
    return hashlib.sha256(b"\0".join(_bytes(file) for file in everything)).hexdigest(), len(everything)


def _bytes(path: str) -> bytes:
    """What a file of the program holds. Like an import, this reads code and no data."""
    with open(path, "rb") as file:
        return file.read()
