"""Users of a shared Redis: each service may write its own streams only. `python -m lobflow.redis_users`.

Writes an ACL file for `redis-server --aclfile` (digests of passwords, no passwords) and, for each service, a
folder with the file `LOBFLOW_REDIS_URL`, for `LOBFLOW_SECRETS_DIR`. Passwords are drawn once and then kept,
so it may run before every start. Needs Redis 7 for its permissions by key.
"""

from __future__ import annotations

import hashlib
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from shared.errors import BadInput, LobflowError
from shared.streams import Stream

SETTING = "LOBFLOW_REDIS_URL"
SERVICES = ("collector", "features", "model", "trader", "monitor", "recorder")
PASSWORD_BYTES = 32
# Whoever has no password may ask whether the server is there (health checks), and nothing else.
NOBODY = "user default reset on nopass -@all +ping"
# Scripts run with the rights of whoever sends them; SCAN tells names of keys, never what they hold.
COMMANDS = "-@all +@connection +@stream +@read +eval +set +del -@dangerous +info"


def rules(services: Mapping[str, str]) -> str:
    """The ACL file for services and their passwords. Run ids are of 40 characters without a colon, and no
    other part of a key can hold `:<stream>:`, so a pattern of one stream matches no key of another."""
    lines = [NOBODY]
    for service, password in sorted(services.items()):
        digest = hashlib.sha256(password.encode()).hexdigest()
        keys = " ".join(f"~{pattern}" for pattern in written(service))
        lines.append(f"user {service} reset on #{digest} {COMMANDS} {keys} %R~*")
    return "\n".join(lines) + "\n"


def written(service: str) -> list[str]:
    """Glob patterns of the keys that a service writes, in any run."""
    streams = [stream for stream in Stream if stream.value.producer == service]
    patterns = [f"*:{row.label}:{{*}}" if row.value.is_per_symbol else f"*:{row.label}" for row in streams]
    return [*patterns, f"*:health:{service}:*", f"*:parked:{service}", f"*:lease:{service}"]


def write(acl: Path, folders: Path, server: str) -> int:
    """Write whatever is missing. `server` is the URL without user. Returns how many passwords were drawn."""
    drawn = 0
    passwords = {}
    for service in SERVICES:
        path = folders / service / SETTING
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            host = urlsplit(server)
            url = (
                f"{host.scheme}://{service}:{secrets.token_urlsafe(PASSWORD_BYTES)}@{host.netloc}{host.path}"
            )
            _replace(path, url, 0o400)
            drawn += 1
        password = urlsplit(path.read_text()).password
        if not password:
            raise BadInput(f"{path}: a Redis URL without a password; remove the file to have one drawn")
        passwords[service] = password
    acl.parent.mkdir(parents=True, exist_ok=True)
    _replace(acl, rules(passwords), 0o444)
    return drawn


def _replace(path: Path, text: str, mode: int) -> None:
    """Whole or not at all: a start that was cut off leaves no half of a password."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.chmod(mode)
    temporary.replace(path)


def main(
    acl: Annotated[Path, typer.Option(help="the ACL file to write")],
    folders: Annotated[Path, typer.Option(help="where the folder of each service goes")],
    server: Annotated[str, typer.Option(help="Redis as the services reach it, without user")],
) -> None:
    """Draw a password for each service that has none, and write Redis's ACL file."""
    try:
        drawn = write(acl, folders, server)
    except (LobflowError, OSError) as error:
        print(f"redis users: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    print(f"Redis users: {len(SERVICES)}, passwords drawn now: {drawn}")


if __name__ == "__main__":
    typer.run(main)
