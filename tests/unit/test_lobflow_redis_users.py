"""Each stream is written by its producer alone, passwords are drawn once, and stay where they belong."""

from __future__ import annotations

import hashlib
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lobflow.redis_users import SERVICES, SETTING, write, written
from shared.errors import BadInput
from shared.settings import load
from shared.streams import Stream, health_key, key, parked_key

ROOT = Path(__file__).parents[2]
SERVER = "redis://redis:6379/0"


def writers(name: str) -> list[str]:
    """Who may write a key. Redis's globs and these agree on patterns of stars and braces."""
    return [service for service in SERVICES if any(fnmatchcase(name, glob) for glob in written(service))]


@pytest.mark.parametrize("run", ["live", "r-2024.08_x"])
@pytest.mark.parametrize("stream", Stream, ids=lambda stream: stream.label)
def test_a_stream_is_written_by_its_producer_alone(run: str, stream: Stream) -> None:
    name = key(run, stream, "BTCUSDT" if stream.value.is_per_symbol else "")
    assert writers(name) == [stream.value.producer]


@pytest.mark.parametrize("service", SERVICES)
def test_health_and_what_was_put_aside_are_written_by_their_service_alone(service: str) -> None:
    assert writers(health_key("live", service, "1")) == [service]
    assert writers(parked_key("live", service)) == [service]


def test_only_the_collector_takes_its_lease() -> None:
    assert writers("live:lease:collector") == ["collector"]


def test_every_service_that_uses_redis_has_a_user() -> None:
    there = {path.parent.name for path in (ROOT / "services").glob("*/__main__.py")}
    assert {*SERVICES, "venue"} == there


def test_passwords_are_drawn_once_and_the_acl_holds_their_digests(tmp_path: Path) -> None:
    acl, folders = tmp_path / "acl" / "users.acl", tmp_path / "bus"
    assert write(acl, folders, SERVER) == len(SERVICES)
    text = acl.read_text()
    urls = {service: (folders / service / SETTING).read_text() for service in SERVICES}
    for service, url in urls.items():
        parts = urlsplit(url)
        assert (parts.username, parts.hostname, parts.port) == (service, "redis", 6379)
        assert parts.password
        assert len(parts.password) >= 40
        assert parts.password not in text
        assert hashlib.sha256(parts.password.encode()).hexdigest() in text
        assert (folders / service / SETTING).stat().st_mode & 0o777 == 0o400
    assert len(set(urls.values())) == len(SERVICES)
    assert write(acl, folders, SERVER) == 0
    assert acl.read_text() == text


def test_a_service_that_came_later_is_added(tmp_path: Path) -> None:
    acl, folders = tmp_path / "users.acl", tmp_path / "bus"
    write(acl, folders, SERVER)
    lines = set(acl.read_text().splitlines())
    (folders / "recorder" / SETTING).unlink()
    assert write(acl, folders, SERVER) == 1
    assert {line.split()[1] for line in set(acl.read_text().splitlines()) ^ lines} == {"recorder"}


def test_a_url_without_a_password_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bus" / "model" / SETTING
    path.parent.mkdir(parents=True)
    path.write_text(SERVER)
    with pytest.raises(BadInput, match="model/LOBFLOW_REDIS_URL: a Redis URL without a password"):
        write(tmp_path / "users.acl", tmp_path / "bus", SERVER)


def test_a_service_reads_its_url_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "users.acl", tmp_path, SERVER)
    monkeypatch.delenv(SETTING, raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("LOBFLOW_NO_DOTENV", "1")
    monkeypatch.setenv("LOBFLOW_SECRETS_DIR", str(tmp_path / "model"))
    assert load().redis_url == (tmp_path / "model" / SETTING).read_text()
