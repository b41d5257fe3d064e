"""The files of the deployment agree with each other and with the code; no docker is needed to see it."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from services.monitor.core import MonitorCore
from services.monitor.metrics import CoreMetrics
from services.monitor.model_metrics import ModelMetrics
from shared.settings import NO_DOTENV, SECRETS_DIR, Settings
from shared.telemetry import Telemetry

ROOT = Path(__file__).parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/__main__.py"))
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
PARTS: dict[str, dict[str, Any]] = COMPOSE["services"]
SETTINGS = {"LOBFLOW_" + name.upper() for name in Settings.model_fields}
ONCE = {"redis-users", "first-model", "trainer"}
BESIDE = {"shadows": "model"}  # a further process of a service
ALERTS = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/lobflow.json").read_text())
EXPRESSIONS = [rule["expr"] for rule in RULES] + [
    target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())
]
COUNTERS = re.compile(r"\bcount(er)?s$")


def counted(folder: Path) -> set[str]:
    """Patterns of the names that the code of a folder counts under: `counters["x"] += 1` and the like."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Subscript) and COUNTERS.search(ast.unparse(node.value).replace("_", " ")):
                found |= _names(node.slice)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = ast.unparse(node.func.value).replace("_", " ")
                if node.func.attr == "count_from_zero":
                    found |= {name for argument in node.args for name in _names(argument)}
                elif node.func.attr == "update" and COUNTERS.search(owner):
                    found |= {word.arg for word in node.keywords if word.arg}
    return found


def _names(node: ast.expr) -> set[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {re.escape(node.value)}
    if isinstance(node, ast.JoinedStr):
        return {
            "".join(
                re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"\w+"
                for part in node.values
            )
        }
    if isinstance(node, ast.IfExp):
        return _names(node.body) | _names(node.orelse)
    return set()


COUNTED = {name: counted(ROOT / "services" / name) | counted(ROOT / "shared") for name in SERVICES}
CORE = MonitorCore(("BTCUSDT",))
EXPOSED = {
    line.split()[2]
    + ("_total" if line.split()[3] == "counter" and not line.split()[2].endswith("_total") else "")
    for source in (CoreMetrics(CORE, {}), ModelMetrics(CORE.symbols), Telemetry("any"))
    for line in generate_latest(source).decode().splitlines()  # type: ignore[arg-type]
    if line.startswith("# TYPE ")
}


def counts(service: str, metric: str) -> bool:
    """Whether a service counts what this metric shows."""
    name = metric.removeprefix("lobflow_").removesuffix("_total")
    return any(re.fullmatch(pattern, name) for pattern in COUNTED[service])


def environment(part: str) -> dict[str, Any]:
    """The environment of a part, by name."""
    found: dict[str, Any] = PARTS[part].get("environment", {})
    return found


def test_every_service_runs_as_itself() -> None:
    for name in SERVICES:
        assert PARTS[name]["command"] == ["python", "-m", f"services.{name}"]
        assert PARTS[name]["restart"] == "unless-stopped"
    for name, service in BESIDE.items():
        assert PARTS[name]["command"] == ["python", "-m", f"services.{service}.{name}"]
        assert environment(name)["LOBFLOW_INSTANCE"] == name  # its health is not the service's own
    assert set(PARTS) == {*SERVICES, *ONCE, *BESIDE, "redis", "prometheus", "grafana"}


def test_one_image_built_once() -> None:
    ours = {name for name, part in PARTS.items() if part["image"] == PARTS["venue"]["image"]}
    assert ours == {*SERVICES, *ONCE, *BESIDE}
    assert [name for name in PARTS if "build" in PARTS[name]] == ["redis-users"]
    bases = re.findall(r"^FROM +(\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert bases == ["python:3.13-slim"]


@pytest.mark.parametrize("name", PARTS)
def test_nobody_is_privileged(name: str) -> None:
    part = PARTS[name]
    assert part["read_only"] is True
    assert str(part["user"]).split(":")[0] not in ("0", "root")
    assert part["cap_drop"] == ["ALL"]
    assert part["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "pid", "ipc", "devices"} & set(part)
    assert not any("docker.sock" in str(volume) for volume in part.get("volumes", ()))


@pytest.mark.parametrize("name", PARTS)
def test_what_is_published_is_on_loopback(name: str) -> None:
    for port in PARTS[name].get("ports", ()):
        assert str(port).startswith("127.0.0.1:")


@pytest.mark.parametrize("name", sorted(set(PARTS) - ONCE))
def test_what_lasts_has_a_health_check_and_starts_when_others_are_healthy(name: str) -> None:
    assert PARTS[name]["healthcheck"]["test"]
    for other, how in PARTS[name].get("depends_on", {}).items():
        ends = other in ONCE
        assert how["condition"] == ("service_completed_successfully" if ends else "service_healthy")


def test_volumes_are_declared_and_mounted() -> None:
    mounted = {
        volume.split(":")[0]
        for part in PARTS.values()
        for volume in part.get("volumes", ())
        if not volume.startswith(("./", "/"))
    }
    assert mounted == set(COMPOSE["volumes"])
    for part in PARTS.values():
        for volume in part.get("volumes", ()):
            if volume.startswith("./"):
                assert (ROOT / volume.split(":")[0]).exists(), volume
                assert volume.endswith(":ro"), volume


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_reads_its_own_secrets_only(name: str) -> None:
    folders = [volume for volume in PARTS[name].get("volumes", ()) if volume.startswith("bus-")]
    assert folders == ([] if name == "venue" else [f"bus-{name}:/bus/{name}:ro"])
    assert environment(name).get(SECRETS_DIR) == (None if name == "venue" else f"/bus/{name}")
    secrets = {"LOBFLOW_API_KEY", "LOBFLOW_API_SECRET"} & set(environment(name))
    assert bool(secrets) == (name == "trader")


@pytest.mark.parametrize("name", SERVICES)
def test_every_variable_is_a_setting(name: str) -> None:
    assert set(environment(name)) <= SETTINGS | {NO_DOTENV, SECRETS_DIR}


def test_every_variable_of_the_example_reaches_somebody() -> None:
    offered = set(re.findall(r"^# ?(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    text = (ROOT / "docker-compose.yml").read_text()
    fixed = {"LOBFLOW_REDIS_URL", "LOBFLOW_MODEL_DIR", "LOBFLOW_RECORD_DIR"}  # compose has its own
    passed = set(re.findall(r"\$\{(\w+)", text)) | {
        name for part in (*SERVICES, *BESIDE) for name, value in environment(part).items() if value is None
    }
    assert offered - fixed <= passed
    assert {name for name in offered if name.startswith("LOBFLOW_")} <= SETTINGS


def test_prometheus_scrapes_every_service_where_it_listens() -> None:
    (job,) = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    (targets,) = job["static_configs"]
    ports = {name: environment(name)["LOBFLOW_METRICS_PORT"] for name in SERVICES}
    assert sorted(targets["targets"]) == sorted(f"{name}:{port}" for name, port in ports.items())
    assert all(environment(name)["LOBFLOW_HOST"] == "0.0.0.0" for name in SERVICES)


def test_grafana_is_provisioned_with_one_source_and_one_dashboard() -> None:
    provisioning = ROOT / "deploy/grafana/provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((provisioning / "dashboards/lobflow.yml").read_text())["providers"]
    folder = provider["options"]["path"]
    assert f"./deploy/grafana/dashboards:{folder}:ro" in PARTS["grafana"]["volumes"]
    assert [path.name for path in (ROOT / "deploy/grafana/dashboards").iterdir()] == ["lobflow.json"]
    used = {
        target["datasource"]["uid"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())
    }
    assert used == {source["uid"]}


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells
    titles = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert titles == ["PnL", "Data", "Bus and services", "Model", "Execution", "Resting orders"]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_of_panels_and_alerts_exists(expression: str) -> None:
    names = set(re.findall(r"\blobflow_\w+", expression))
    assert names or "up{" in expression
    for name in names:
        assert name in EXPOSED or any(counts(service, name) for service in SERVICES), name
    for name, service in re.findall(r'\b(lobflow_\w+)\{service="(\w+)"', expression):
        assert counts(service, name), f"{service} does not count {name}"


def test_a_metric_that_nobody_exports_would_be_noticed() -> None:
    assert "lobflow_pnl" in EXPOSED
    assert "lobflow_round_trips_total" in EXPOSED
    assert counts("collector", "lobflow_bbo_checked_total")
    assert not counts("collector", "lobflow_orders_sent_total")
    assert not any(counts(service, "lobflow_nothing_total") for service in SERVICES)
