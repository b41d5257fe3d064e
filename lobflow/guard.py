"""Ends what does not watch us itself, should we be killed."""

from __future__ import annotations

import os
import signal
import subprocess

# The pipe's other end is ours alone: it closes with us, however we end. Works where there is a shell.
# `read` is the shell's own: nothing it needs may be missing while what it guards lives.
SCRIPT = 'while read -r _; do :; done; sleep "$1"; kill -s TERM -- "$2" 2> /dev/null'


class Guard:
    """A shell that terminates `target` `seconds` after this process is gone. A negative target is a process
    group."""

    def __init__(self, target: int, seconds: float) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", SCRIPT, "lobflow-guard", f"{seconds:g}", str(target)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={"PATH": os.defpath},
        )

    def dismiss(self) -> None:
        """There is nothing to guard any more."""
        os.killpg(self._process.pid, signal.SIGKILL)  # with the `sleep` that it may wait for
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
