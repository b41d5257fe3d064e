"""How the collector's kernel compiles; see `shared.compiled`. It consists of the files named here."""

from __future__ import annotations

from pathlib import Path

from shared.compiled import compiler

KERNEL = ("compiled", "ladder", "levels", "scanner", "state")

compiled = compiler([Path(__file__).with_name(f"{name}.py") for name in KERNEL])
