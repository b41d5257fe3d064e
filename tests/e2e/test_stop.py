"""A replay that is told to stop leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.recorded, pytest.mark.redis, pytest.mark.timeout(120)]

DEADLINE_SECONDS = 60.0


def processes_of(session: Path) -> list[str]:
    """Command lines of processes whose environment or title names a folder: ours, all the way down."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                # Redis writes its title over its environment; the title holds the path of its socket.
                if str(session).encode() in (entry / "environ").read_bytes() + command:
                    found.append(command.decode())
            except OSError:
                continue  # it ended meanwhile, or is not ours to look at
    return [command for command in found if command]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_everything_stops_with_the_command(tmp_path: Path, btc: Path, number: signal.Signals) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}  # marks every child; sockets and data lie there too
    command = subprocess.Popen(
        [
            # As in the background of a script, where a shell has Ctrl-C be ignored.
            "sh",
            "-c",
            'trap "" INT; exec "$@"',
            "sh",
            sys.executable,
            "-m",
            "lobflow.cli",
            "replay",
            str(btc),
            "--speed",
            "2",
            "--port",
            "0",
            "-o",
            str(tmp_path / "out"),
        ],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(processes_of(tmp_path)) < 9:  # the command, Redis and seven services
            assert command.poll() is None
            assert time.monotonic() < deadline, processes_of(tmp_path)
            time.sleep(0.1)
        command.send_signal(number)
        assert command.wait(DEADLINE_SECONDS) == 130
        assert processes_of(tmp_path) == []
    finally:
        command.terminate()
        command.wait(DEADLINE_SECONDS)
