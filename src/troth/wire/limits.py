"""Every limit of the wire in two structs: how much, how many, how long."""

from msgspec import Struct

KIB = 1024
MIB = 1024 * KIB


class ServerLimits(Struct, frozen=True):
    """The listening side. Sizes in bytes, times in milliseconds."""

    target_bytes: int = 8 * KIB
    header_bytes: int = 16 * KIB  # one header line
    headers_bytes: int = 32 * KIB  # all of them
    headers_count: int = 100
    body_bytes: int = 32 * MIB
    unasked_bytes: int = 256 * KIB  # of a body that nobody has asked for yet
    pipelined_bytes: int = 64 * KIB  # of requests that wait for the one before
    skipped_bytes: int = 64 * KIB  # of an unread body that is discarded to keep a connection
    unsent_bytes: int = 256 * KIB  # to a slow reader, until its stream is paused

    headers_ms: int = 10_000
    body_silent_ms: int = 15_000
    body_grace_ms: int = 10_000  # after it the body must have come at `body_bytes_per_second`
    body_bytes_per_second: int = 1 * KIB
    idle_ms: int = 75_000
    stalled_ms: int = 60_000
    linger_ms: int = 3_000  # how long a refused client may still send before it is cut off

    connections: int = 12_000
    connections_per_address: int = 500
    in_flight: int = 10_000
    backlog: int = 4_096

    hosts: frozenset[str] = frozenset()  # names without port, lowercase; none: any
    trusted: frozenset[str] = frozenset()  # addresses of proxies: not counted, believed


class ClientLimits(Struct, frozen=True):
    """The answering side. Sizes in bytes, times in milliseconds."""

    connections_per_origin: int = 10_000
    waiting_per_origin: int = 1_000
    head_bytes: int = 64 * KIB
    idle_ms: int = 50_000
    resolved_fresh_ms: int = 60_000  # asked again after that
    resolved_kept_ms: int = 600_000  # used so long when the resolver fails
