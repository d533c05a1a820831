"""From where does a request come, and may it? Judged by the head alone, on every path."""

import ipaddress
from functools import lru_cache

from troth.wire import Head

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def peer_of(head: Head, proxies: frozenset[str]) -> str:
    """Return the client's address: behind a trusted proxy, what that proxy says it is.

    Of a chain of proxies the last one that is not trusted counts: what stands before it in
    `x-forwarded-for` is only what it claims.
    """
    peer = plain_address(head.peer)
    if peer not in proxies:
        return peer
    for hop in reversed(head.headers.get(b"x-forwarded-for", b"").split(b",")):
        found = plain_address(hop.strip().decode("latin-1"))
        if found and found not in proxies:
            return found
    return peer


def plain_address(text: str) -> str:
    """Return an address without a port, and one of IPv4 that came over an IPv6 socket as IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return text.removeprefix("::ffff:") if "." in text else text


def is_inside(peer: str, networks: tuple[str, ...]) -> bool:
    """Tell whether an address stands in one of the blocks; what is no address does not."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in _parsed(networks))


@lru_cache(maxsize=4096)
def _parsed(networks: tuple[str, ...]) -> tuple[Network, ...]:
    """Parse a key's blocks once; they were checked when the key was made."""
    return tuple(ipaddress.ip_network(block) for block in networks)
