"""How the kernel of the features compiles; see `shared.compiled`. It consists of the files named here."""

from __future__ import annotations

from numba import int64, types

from services.features.state import State
from shared.compiled import compiler

KERNEL = ("compiled", "emission", "kernel", "state")

compiled = compiler([f"{__file__.removesuffix('compiled.py')}{name}.py" for name in KERNEL], "numpy")

I1, I2 = int64[::1], int64[:, ::1]
STATE = types.NamedTuple((I1, I1, I2, I2, I2, I1, I1, I1, I1), State)  # type: ignore[no-untyped-call]
