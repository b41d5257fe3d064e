"""Asking the monitor to let another model serve, and waiting until it does. Over REST alone."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from shared.errors import LobflowError

ANSWER_SECONDS = 10.0
PAUSE_SECONDS = 0.25


class Refused(LobflowError):
    """The monitor said no, or did not answer in time."""


class Monitor:
    """The REST interface at `url`, as in http://127.0.0.1:8000."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def status(self) -> dict[str, Any]:
        """How the system is. Raises Refused."""
        found: dict[str, Any] = self._ask("/api/v1/status")
        return found

    def serves(self, symbol: str) -> str | None:
        """The version that made the newest prediction; None before any. Raises Refused."""
        rows = self.status()["symbols"]
        return next((row["model"] for row in rows if row["symbol"] == symbol), None)

    def controls(self) -> list[dict[str, Any]]:
        """What was ordered, newest first. Raises Refused."""
        found: list[dict[str, Any]] = self._ask("/api/v1/control?limit=1000")["controls"]
        return found

    def order(
        self, symbol: str, version: str, who: str, why: str, within_seconds: float, from_id: str | None = None
    ) -> str:
        """Order that a version serves from an id on, by default the monitor's choice. Returns the id.

        A monitor that is not up yet, or knows no market entry yet, is asked again. Raises Refused.
        """
        deadline = time.monotonic() + within_seconds
        order = {"action": "promote", "who": who, "why": why, "symbol": symbol, "version": version}
        if from_id is not None:
            order["from_id"] = from_id
        while True:
            try:
                return str(self._ask("/api/v1/control", order)["from_id"])
            except Refused:
                if time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE_SECONDS)

    def promote(self, symbol: str, version: str, who: str, why: str, within_seconds: float) -> str:
        """Order it and wait until a prediction is the version's. Returns the first id it applies to. Raises
        Refused."""
        deadline = time.monotonic() + within_seconds
        from_id = self.order(symbol, version, who, why, within_seconds)
        while True:
            try:
                serves = self.serves(symbol)
            except Refused as error:  # a monitor that was started again meanwhile
                serves = f"nobody knows ({error}) what"
            if serves == version:
                return from_id
            if time.monotonic() > deadline:
                raise Refused(
                    f"{symbol}: {version} was promoted from id {from_id}, and after {within_seconds:g} s "
                    f"{serves or 'no model'} serves"
                )
            time.sleep(PAUSE_SECONDS)

    def _ask(self, path: str, body: dict[str, str] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data, {"Content-Type": "application/json"})
        try:
            with urlopen(request, timeout=ANSWER_SECONDS) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise Refused(
                f"{self.url}{path}: {error.code} {error.read(500).decode(errors='replace')}"
            ) from error
        except (URLError, OSError) as error:
            raise Refused(f"{self.url}{path}: {getattr(error, 'reason', error)}") from error
