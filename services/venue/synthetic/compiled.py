"""How the market compiles; see `shared.compiled`. It consists of the files named here.

`STAMP` names the compiled code and the parameters: a market's state means nothing to another.
"""

from __future__ import annotations

from shared.compiled import compiler, digest

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
FILES = [f"{__file__.removesuffix('compiled.py')}{name}.py" for name in KERNEL]
STAMP = digest(FILES)

compiled = compiler(FILES)
