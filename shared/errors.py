"""The exceptions of lobflow.

LobflowError                 anything an operator can act on; its text is the one line they see
├── BadSetting               a setting is missing or wrong; names it
├── BadInput                 a file or frame is not what it must be; names the file and line
│   └── BadFrame             one venue frame that cannot be used; parked and counted, never fatal
├── BusError                 Redis is absent or answers what it must not
│   └── Conflict             an id of ours is taken by other bytes: two producers, or a broken invariant
└── VenueError               the venue answered with an error code, or not in its protocol
"""

from __future__ import annotations


class LobflowError(Exception):
    """Base of all errors an operator can act on."""


class BadSetting(LobflowError):
    """A setting is missing or wrong."""


class BadInput(LobflowError):
    """A file is not what it must be."""


class BadFrame(BadInput):
    """One venue frame that cannot be used; it is parked with its bytes and counted."""


class BusError(LobflowError):
    """Redis is absent, or answered what it must not."""


class Conflict(BusError):
    """An id is taken by other bytes than ours, or lies below the stream's last."""


class VenueError(LobflowError):
    """The venue refused a request. `code` is its error code, `status` the HTTP status."""

    def __init__(self, message: str, *, code: int = 0, status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
