"""What a call is made of: where it goes, how long it may take, how it can fail, who is told."""

import enum
from typing import Protocol

from msgspec import Struct


class Origin(Struct, frozen=True, cache_hash=True):
    """An upstream's address. From configuration only, never from a caller."""

    scheme: str  # http or https
    host: str
    port: int
    server_name: str  # what the certificate must say


class Deadlines(Struct, frozen=True, gc=False):
    """Milliseconds for the stages of one call."""

    connect_ms: int = 3_000
    tls_ms: int = 5_000
    first_byte_ms: int = 60_000
    between_ms: int = 60_000
    whole_ms: int = 1_800_000


class Failure(enum.Enum):
    """Why a call did not come to its end."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS = "tls"
    RESET = "reset"  # before the answer's head
    CUT = "cut"  # in the middle of the answer
    FIRST_BYTE_TIMEOUT = "first_byte_timeout"
    BETWEEN_TIMEOUT = "between_timeout"
    WHOLE_TIMEOUT = "whole_timeout"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"  # the answer's head
    ENCODED = "encoded"


class Receiver(Protocol):
    """Who is told about the answer. Plain calls; `ended` or `failed` comes last, once.

    After `Call.close` nothing more comes. No call is made from within `Pool.send`.
    """

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Take status and headers (lowercase names, repeats joined with a comma)."""
        ...

    def piece(self, data: bytes) -> None:
        """Take decoded bytes of the body."""
        ...

    def ended(self) -> None:
        """The answer is whole."""
        ...

    def failed(self, failure: Failure) -> None:
        """The answer will not come, or not whole."""
        ...


class Nobody:
    """The receiver of a call that is over."""

    __slots__ = ()

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Hear nothing."""

    def piece(self, data: bytes) -> None:
        """Hear nothing."""

    def ended(self) -> None:
        """Hear nothing."""

    def failed(self, failure: Failure) -> None:
        """Hear nothing."""


NOBODY: Receiver = Nobody()
