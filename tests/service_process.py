"""A service as a process of its own, with nothing of our environment but what is asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from lobflow.processes import inherited
from shared.settings import to_environment


def started(service: str, settings: Mapping[str, object], folder: Path) -> subprocess.Popen[bytes]:
    """Start it; what it writes is appended to its log in `folder`."""
    with (folder / f"{service}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", f"services.{service}"],
            env={**inherited(), **to_environment(dict(settings))},
            stdout=log,
            stderr=log,
        )
