"""How the collector's kernel compiles; see `shared.compiled`. It consists of the files named here."""

from __future__ import annotations

from shared.compiled import compiler

KERNEL = ("compiled", "ladder", "levels", "scanner", "state")

compiled = compiler([f"{__file__.removesuffix('compiled.py')}{name}.py" for name in KERNEL])
