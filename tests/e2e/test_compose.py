"""`docker compose up` on a real engine: healthy, trading, scraped, unprivileged; nothing is left behind.

Run by `make test-compose`. The engine is the one that docker finds: DOCKER_HOST, else the default socket.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from lobflow.replay import free_port
from shared.streams import Stream

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800)]

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/__main__.py"))
LASTING = {*SERVICES, "shadows", "redis", "prometheus", "grafana"}
# Panels that a start of minutes leaves empty: drift takes five minutes, a bound takes trades on two days, and
# quotes take the strategy `maker`.
LATER = {
    "max by (symbol, version) (lobflow_model_drift_psi)",
    "lobflow_gate_lower_bps",
    "lobflow_quote_expected_fill_ratio",
    "lobflow_quote_fill_ratio",
}
ONCE = {"redis-users", "first-model"}
DEADLINE_SECONDS = 240.0
LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))

WRITE_EVERY_STREAM = """
import json, os, redis
url = open(os.environ["LOBFLOW_SECRETS_DIR"] + "/LOBFLOW_REDIS_URL").read()
bus, allowed = redis.Redis.from_url(url, protocol=2), []
for key in json.loads(os.environ["KEYS"]):
    try:
        bus.xadd(key, {"d": b"probe"})
        allowed.append(key)
        bus.delete(key)
    except redis.exceptions.NoPermissionError:
        bus.xrange(key)
print(json.dumps(allowed))
"""


class Stack:
    """One project of the compose file, with ports and a name of its own."""

    def __init__(self) -> None:
        self.name = f"lobflow-test-{uuid.uuid4().hex[:8]}"
        self.ports = {
            name: free_port() for name in ("LOBFLOW_MONITOR_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT")
        }
        own = {name: value for name, value in os.environ.items() if not name.startswith("LOBFLOW_")}
        ports = {name: str(port) for name, port in self.ports.items()}
        self.environment = {
            **own,
            **ports,
            "COMPOSE_PROJECT_NAME": self.name,
            "COMPOSE_DISABLE_ENV_FILE": "1",
            "LOBFLOW_TAG": self.name,
        }

    def docker(self, *words: str, check: bool = True, seconds: float = 60.0) -> str:
        """What a docker command says; its errors in the failure."""
        done = subprocess.run(
            ["docker", *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check and done.returncode:
            said = (done.stdout + done.stderr)[-3000:]
            pytest.fail(f"docker {' '.join(words)} ended with {done.returncode}: {said}")
        return done.stdout + ("" if check else done.stderr)

    def compose(self, *words: str, check: bool = True, seconds: float = 600.0) -> str:
        """The same of `docker compose`."""
        return self.docker("compose", "--ansi", "never", *words, check=check, seconds=seconds)

    def up(self) -> None:
        """Start everything and wait until it is healthy; the logs are in the failure."""
        done = subprocess.run(
            ["docker", "compose", "--ansi", "never", "up", "-d", "--wait"],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if done.returncode == 0:
            return
        said = done.stdout + done.stderr
        pytest.fail(f"{said[-3000:]}\n{self.compose('logs', '--tail', '20', check=False)[-6000:]}")

    def containers(self) -> dict[str, Any]:
        """Every container of the project as `docker inspect` has it, by the name of its service."""
        ids = self.docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={self.name}").split()
        rows = json.loads(self.docker("inspect", *ids)) if ids else []
        return {row["Config"]["Labels"]["com.docker.compose.service"]: row for row in rows}

    def get(self, port: str, path: str) -> Any:
        """The JSON at a published port."""
        with LOCAL.open(f"http://127.0.0.1:{self.ports[port]}{path}", timeout=10) as answer:
            return json.load(answer)

    def query(self, expression: str) -> list[Any]:
        """What Prometheus answers now."""
        text = urllib.parse.urlencode({"query": expression})
        answer = self.get("PROMETHEUS_PORT", f"/api/v1/query?{text}")
        assert answer["status"] == "success", expression
        rows: list[Any] = answer["data"]["result"]
        return rows

    def trades(self) -> int:
        """How many round trips the monitor knows."""
        return int(self.get("LOBFLOW_MONITOR_PORT", "/api/v1/trades")["total"])


def until(look: Callable[[], T], done: Callable[[T], bool]) -> T:
    """Look until it is as it should be, and return what was seen last."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not done(seen := look()):
        assert time.monotonic() < deadline, f"after {DEADLINE_SECONDS:g} s still: {seen!r}"
        time.sleep(0.5)
    return seen


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The whole system, started once; taken down with its volumes, of which nothing may be left."""
    if shutil.which("docker") is None:
        pytest.skip("no docker command")
    for words in (("info", "--format", "{{.ServerVersion}}"), ("compose", "version")):
        done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            pytest.skip(f"docker {words[0]}: {done.stderr.strip()[:200]}")
    project = Stack()
    try:
        project.compose("build", "--quiet", seconds=900.0)
        project.up()
        yield project
    finally:
        project.compose("down", "-v", "--remove-orphans", check=False)
        project.docker("image", "rm", f"lobflow:{project.name}", check=False)
    assert not project.containers()
    assert project.docker("volume", "ls", "-q", "--filter", f"name={project.name}_") == ""


def test_all_are_healthy_and_what_runs_once_has_ended_well(stack: Stack) -> None:
    found = stack.containers()
    assert set(found) == LASTING | ONCE | {"trainer"}
    for name in LASTING:
        assert found[name]["State"]["Health"]["Status"] == "healthy", name
        assert found[name]["RestartCount"] == 0, name
    for name in ONCE:
        assert (found[name]["State"]["Status"], found[name]["State"]["ExitCode"]) == ("exited", 0), name
    assert found["trainer"]["State"]["Status"] == "running"


def test_the_monitor_shows_a_round_trip(stack: Stack) -> None:
    assert until(stack.trades, lambda total: total > 0) > 0


def test_prometheus_scrapes_every_service_and_understands_every_rule(stack: Stack) -> None:
    def up() -> dict[str, str]:
        return {row["metric"]["instance"]: row["value"][1] for row in stack.query('up{job="lobflow"}')}

    everything_up = dict.fromkeys(SERVICES, "1")
    assert until(up, lambda seen: seen == everything_up) == everything_up

    def rules() -> list[Any]:
        groups = stack.get("PROMETHEUS_PORT", "/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    seen = until(rules, lambda rows: bool(rows) and all(row["health"] != "unknown" for row in rows))
    assert [row["name"] for row in seen if row["health"] != "ok"] == []
    assert [row["name"] for row in seen if row["state"] == "firing"] == []


def test_every_panel_of_the_dashboard_has_something_to_show(stack: Stack) -> None:
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/lobflow.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    assert len(expressions) > 20
    # Nobody need have been refused anything yet.
    expected = {text for text in expressions if not re.search("refusals|rejects", text)} - LATER
    assert set(expressions) > LATER
    assert (
        until(lambda: {text for text in expected if not stack.query(text)}, lambda empty: not empty) == set()
    )
    for text in set(expressions) - expected:
        stack.query(text)


def test_grafana_is_healthy(stack: Stack) -> None:
    assert stack.get("GRAFANA_PORT", "/api/health")["database"] == "ok"


def test_nobody_is_root_or_writes_to_a_root_file_system(stack: Stack) -> None:
    for name, row in stack.containers().items():
        assert row["HostConfig"]["ReadonlyRootfs"], name
        assert row["HostConfig"]["CapDrop"] == ["ALL"], name
        assert row["Config"]["User"].split(":")[0] not in ("", "0", "root"), name
        for bindings in (row["NetworkSettings"]["Ports"] or {}).values():
            assert {binding["HostIp"] for binding in bindings or ()} <= {"127.0.0.1"}, name
    for name in LASTING:
        uids = stack.compose("exec", "-T", name, "grep", "-h", "^Uid:", "/proc/1/status").split()
        assert set(uids[1:]).isdisjoint({"0"}), name
        said = stack.compose("exec", "-T", name, "sh", "-c", "echo x > /etc/probe", check=False)
        assert "Read-only file system" in said or "read-only" in said.lower(), f"{name}: {said}"


@pytest.mark.parametrize(
    "module", ["services.features.compile", "services.venue.synthetic.compile", "services.collector.compile"]
)
def test_a_cold_container_compiles_no_kernel(stack: Stack, module: str) -> None:
    said = stack.compose("run", "--rm", "-T", "--no-deps", "venue", "python", "-m", module)
    found = re.search(r"(\d+) of (\d+) \w+ were cached", said)
    assert found is not None, said
    assert found[1] == found[2] != "0", said


@pytest.mark.parametrize("service", [name for name in SERVICES if name != "venue"])
def test_redis_lets_a_service_write_its_own_streams_only(stack: Stack, service: str) -> None:
    keys = {
        f"probe:{stream.label}" + (":{PROBE}" if stream.value.is_per_symbol else ""): stream.value.producer
        for stream in Stream
    }
    keys |= {f"probe:health:{name}:0": name for name in SERVICES}
    said = stack.compose(
        "exec", "-T", "-e", f"KEYS={json.dumps(list(keys))}", service, "python", "-c", WRITE_EVERY_STREAM
    )
    assert json.loads(said) == [key for key, producer in keys.items() if producer == service]


def test_redis_tells_a_stranger_nothing(stack: Stack) -> None:
    assert "NOPERM" in stack.compose(
        "exec", "-T", "redis", "redis-cli", "XREVRANGE", "live:account", "+", "-"
    )


def test_a_second_start_goes_on_from_its_volumes(stack: Stack) -> None:
    before = stack.trades()
    assert before > 0
    stack.compose("down")
    assert not stack.containers()
    stack.up()
    assert until(stack.trades, lambda total: total > before) > before
    assert "drawn now: 0" in stack.compose("logs", "redis-users")
    assert "Traceback" not in stack.compose("logs", *sorted(LASTING))
