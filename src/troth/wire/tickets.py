"""Tickets of one upstream: with one of them, TLS begins anew without certificates.

They are kept in memory, for TLS 1.3 alone, where what is exchanged afterwards is as secret as after
a whole handshake. They come from connections whose certificate was verified, and serve an hour: so
often at least it is verified again. An upstream that does not know a ticket any more asks for a
whole handshake by itself.
"""

import ssl
import weakref

KEPT_NS = 3_600_000_000_000


class Tickets:
    """The ticket of the connection to one upstream that was verified last."""

    __slots__ = ("_newest", "_ticket", "_verified_ns")

    def __init__(self) -> None:
        self._newest: weakref.ref[ssl.SSLObject] | None = None
        self._ticket: ssl.SSLSession | None = None
        self._verified_ns = 0

    def take(self, now_ns: int) -> ssl.SSLSession | None:
        """Return what a new connection may begin with. `now_ns` is monotonic."""
        if now_ns - self._verified_ns >= KEPT_NS:
            self.drop()
        self.look()
        return self._ticket

    def stands(self, tls: ssl.SSLObject, now_ns: int) -> None:
        """Note a connection whose handshake is over."""
        if tls.version() == "TLSv1.3" and not tls.session_reused:
            self._newest = weakref.ref(tls)
            self._ticket = None  # it was not taken, or there was none
            self._verified_ns = now_ns

    def look(self) -> None:
        """See whether a ticket has come: upstreams send them after the handshake.

        To be called before a connection goes, too: what it holds is not kept for its ticket.
        """
        tls = None if self._newest is None else self._newest()
        session = None if tls is None else tls.session
        if session is not None and session.has_ticket:
            self._ticket = session

    def drop(self) -> None:
        """Begin with nothing."""
        self._newest = self._ticket = None
