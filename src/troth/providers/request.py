"""A request to an upstream, built from nothing: no byte of the caller's head is in it."""

from collections.abc import Sequence
from typing import Final

import msgspec

from troth.catalog.offering import Upstream
from troth.kernel.secret import Secret

ANTHROPIC_VERSION: Final = "2023-06-01"

_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


class UpstreamRequest(msgspec.Struct, frozen=True):
    """A complete request: head with its length, body in parts."""

    head: bytes
    body: Sequence[bytes]


def heading(upstream: Upstream, path: str, credential: Secret) -> bytes:
    """Return the head of a POST to a path below the upstream's base, up to its length."""
    host = upstream.host
    if upstream.port != _DEFAULT_PORTS[upstream.scheme]:
        host = f"{host}:{upstream.port}"
    head = (
        f"POST {upstream.base_path}{path} HTTP/1.1\r\nhost: {host}\r\n"
        f"{_credential(upstream, credential)}content-type: application/json\r\n"
        f"accept-encoding: identity\r\nuser-agent: troth\r\ncontent-length: "
    )
    return head.encode("latin-1")


def request(head: bytes, body: Sequence[bytes]) -> UpstreamRequest:
    """Return the whole request of a heading and a body."""
    return UpstreamRequest(b"%b%d\r\n\r\n" % (head, sum(map(len, body))), body)


def _credential(upstream: Upstream, credential: Secret) -> str:
    """Return the line that carries our credential; none where the upstream needs none."""
    if upstream.dialect == "anthropic":
        version = f"anthropic-version: {ANTHROPIC_VERSION}\r\n"
        if credential.is_empty:
            return version
        return f"x-api-key: {credential.reveal()}\r\n{version}"
    return "" if credential.is_empty else f"authorization: Bearer {credential.reveal()}\r\n"
