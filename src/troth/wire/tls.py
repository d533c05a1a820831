"""TLS contexts with a floor. Verification of upstreams has no off switch."""

import ssl
from typing import Literal

Floor = Literal["1.2", "1.3"]

FLOORS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
# Forward secrecy and authenticated encryption only; TLS 1.3 has nothing else.
CIPHERS_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20"


def server_context(certificate: str, key: str, floor: Floor) -> ssl.SSLContext:
    """Return the listening side's context; `certificate` and `key` are paths of PEM files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _raise_floor(context, floor)
    context.load_cert_chain(certificate, key)
    return context


def client_context(floor: Floor, extra_ca: str | None = None) -> ssl.SSLContext:
    """Return the answering side's context; `extra_ca` is a PEM file trusted beside the system's."""
    context = ssl.create_default_context()
    _raise_floor(context, floor)
    if extra_ca is not None:
        context.load_verify_locations(extra_ca)
    return context


def _raise_floor(context: ssl.SSLContext, floor: Floor) -> None:
    context.minimum_version = FLOORS[floor]
    context.set_ciphers(CIPHERS_1_2)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
