"""What the tests share: a real Redis, a run id of one's own, the real recordings."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from lobflow.private_redis import PrivateRedis, find_server
from shared.errors import BusError

ROOT = Path(__file__).parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a Redis where there is none to start."""
    try:
        find_server()
    except BusError as error:
        for item in items:
            needs_one = "redis_server" in getattr(item, "fixturenames", ())
            if needs_one or item.get_closest_marker("redis") is not None:
                item.add_marker(pytest.mark.skip(reason=str(error)))


@pytest.fixture(scope="session")
def redis_server() -> Iterator[PrivateRedis]:
    """One private Redis for the whole session; use `run_id` to keep tests apart."""
    with PrivateRedis() as server:
        yield server


@pytest.fixture
def run_id() -> str:
    """A run id that no other test uses."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of real recordings; skips where there is none."""
    folder = Path(os.environ.get("LOBFLOW_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "usdm-raw").is_dir():
        pytest.skip(f"no recordings at {folder}; set LOBFLOW_DATA")
    return folder


@pytest.fixture(scope="session")
def btc(recordings: Path) -> Path:
    """345 s of BTCUSDT, raw frames."""
    return recordings / "usdm-raw" / "btcusdt_20240808.gz"


@pytest.fixture(scope="session")
def eth(recordings: Path) -> Path:
    """345 s of ETHUSDT, raw frames."""
    return recordings / "usdm-raw" / "ethusdt_20240808.gz"
