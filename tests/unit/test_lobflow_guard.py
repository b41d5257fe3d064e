"""A guard ends what it guards when the process that set it is gone, and only then."""

from __future__ import annotations

import signal
import subprocess
import sys

from lobflow.guard import Guard

SET_AND_BE_KILLED = """
import os, signal, sys
from lobflow.guard import Guard
Guard(int(sys.argv[1]), 0)
os.kill(os.getpid(), signal.SIGKILL)
"""


def lasting() -> subprocess.Popen[bytes]:
    """A process group that waits to be ended."""
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)


def test_a_group_ends_when_its_guard_s_owner_is_killed() -> None:
    with lasting() as target:
        owner = subprocess.run([sys.executable, "-c", SET_AND_BE_KILLED, str(-target.pid)], check=False)
        assert owner.returncode == -signal.SIGKILL
        assert target.wait(10) == -signal.SIGTERM


def test_a_dismissed_guard_leaves_its_target_alone() -> None:
    with lasting() as target:
        Guard(target.pid, 0).dismiss()
        assert target.poll() is None
        target.communicate(b"\n", 10)
        assert target.returncode == 0
