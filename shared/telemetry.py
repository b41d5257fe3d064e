"""What a service says of itself: structured logs, counters, `/metrics`, `/healthz`, `/readyz`.

`/healthz` answers 200 while the process runs; `/readyz` answers 200 only while nothing in `not_ready` stands
against it. Counters are plain integers on the hot path and become Prometheus metrics when scraped.
"""

from __future__ import annotations

import json
import logging
import resource
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from shared.errors import BadSetting


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, service, text, and what came as `extra={"with": {...}}`."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self.service = service

    def format(self, record: logging.LogRecord) -> str:
        """The line of one record."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "service": self.service,
            "text": record.getMessage(),
            **getattr(record, "with", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def start_logging(service: str, level: str) -> logging.Logger:
    """The service's logger, writing JSON lines to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    return logging.getLogger(service)


class Telemetry:
    """Counters and readiness of one process."""

    def __init__(self, service: str, stamps: Path | None = None) -> None:
        self.service = service
        self.counters: defaultdict[str, int] = defaultdict(int)  # totals, by name
        self.labeled: defaultdict[tuple[str, str, str], int] = defaultdict(int)  # (name, label, its value)
        self.gauges: dict[str, float] = {}  # values that rise and fall, by name
        self.not_ready: dict[str, str] = {"start": "starting"}  # what stands against readiness, and why
        self.stamps = Stamps(stamps) if stamps else None
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self.count_from_zero("parked", "redis_losses")

    def count_from_zero(self, *names: str) -> None:
        """Show counters before they first count: one that appears at 1 shows Prometheus no increase, and what
        is to alarm at its first would not."""
        for name in names:
            self.counters[name] += 0

    def collect(self) -> Iterator[Metric]:
        """For prometheus-client: counters, memory and readiness as they stand."""
        for name, value in sorted(self.counters.items()):
            family = CounterMetricFamily(f"lobflow_{name}", name.replace("_", " "), labels=["service"])
            family.add_metric([self.service], value)
            yield family
        families: dict[tuple[str, str], CounterMetricFamily] = {}
        for (name, label, which), value in sorted(self.labeled.items()):
            if (name, label) not in families:
                families[name, label] = CounterMetricFamily(
                    f"lobflow_{name}", name.replace("_", " "), labels=["service", label]
                )
            families[name, label].add_metric([self.service, which], value)
        yield from families.values()
        gauges = {"resident_bytes": rss_bytes(), "ready": float(not self.not_ready), **self.gauges}
        for name, number in sorted(gauges.items()):
            gauge = GaugeMetricFamily(f"lobflow_{name}", name.replace("_", " "), labels=["service"])
            gauge.add_metric([self.service], number)
            yield gauge

    def bus_state(self, is_up: bool) -> None:
        """For `Link(on_state=...)`: a lost Redis makes the service not ready."""
        if is_up:
            self.not_ready.pop("redis", None)
        else:
            self.not_ready["redis"] = "connection lost"
            self.counters["redis_losses"] += 1
            logging.getLogger(self.service).warning("Redis connection lost, trying again")

    def routes(self) -> list[web.RouteDef]:
        """The three routes, for a service that has an aiohttp server of its own."""
        return [
            web.get("/metrics", self._metrics),
            web.get("/healthz", self._healthz),
            web.get("/readyz", self._readyz),
        ]

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.json_response({"service": self.service, "alive": True})

    async def _readyz(self, request: web.Request) -> web.Response:
        status = 503 if self.not_ready else 200
        return web.json_response({"service": self.service, "against": self.not_ready}, status=status)


class Stamps:
    """Monotonic times of chosen ids, kept in memory and written at the end: for `lobflow bench` only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: list[tuple[str, bytes | str, int]] = []

    def mark(self, hop: str, entry_id: bytes | str, at_ns: int | None = None) -> None:
        """Note that `hop` is done with `entry_id` now, or at the monotonic time `at_ns`."""
        self._rows.append((hop, entry_id, time.monotonic_ns() if at_ns is None else at_ns))

    def write(self) -> None:
        """One line a mark: hop, id, monotonic nanoseconds."""
        with self.path.open("w") as file:
            for hop, entry_id, at_ns in self._rows:
                file.write(
                    f"{hop} {entry_id.decode() if isinstance(entry_id, bytes) else entry_id} {at_ns}\n"
                )


async def serve(app: web.Application, host: str, port: int, setting: str) -> tuple[web.AppRunner, int]:
    """Serve `app`; port 0 takes any free one. Returns the runner to clean up and the port.

    A busy port raises BadSetting with the name of the setting that chose it.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise BadSetting(f"{setting}: cannot listen on {host}:{port}: {error.strerror}") from error
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    return runner, listener.getsockname()[1]


def rss_bytes() -> int:
    """Resident memory of this process now."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except FileNotFoundError:  # no /proc: macOS gives the peak in bytes instead
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
