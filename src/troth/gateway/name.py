"""Between route and reserve, where the caller names its request: one name is charged once.

What a caller names comes in the header `idempotency-key`. The desk is asked before anything is set
aside or forwarded, so that all gateways agree; without the header nobody is asked.
"""

import re
from hashlib import blake2b
from typing import Final

from troth.catalog.model import Endpoint
from troth.gateway.ports import Naming
from troth.gateway.receive import digest_of
from troth.gateway.world import World
from troth.kernel.content import Content
from troth.kernel.errors import InvalidValue
from troth.wire import Head

_HEADER: Final = b"idempotency-key"
_FORM: Final = re.compile(rb"[!-~]{1,255}")
_BYTES: Final = 16


class Claim:
    """A request's name: once claimed it is given back unless the request was forwarded."""

    __slots__ = ("_digest", "_is_held", "_world", "is_forwarded", "naming")

    def __init__(self, naming: Naming, digest: bytes, world: World) -> None:
        self.naming = naming
        self.is_forwarded = False
        self._digest = digest
        self._world = world
        self._is_held = False

    async def claim(self) -> None:
        """Ask the desk for the name.

        Raises:
            AlreadyRunning, AlreadyCharged, NameReused: it was claimed before.
            Overloaded: the desk does not answer.
        """
        await self._world.names.claim(self.naming, self.form)
        self._is_held = True

    def form(self, key: bytes) -> bytes:
        """Return the keyed hash that stands for endpoint and body."""
        return blake2b(self._digest, key=key, digest_size=_BYTES, person=b"request form").digest()

    def leave(self) -> None:
        """The request is over: what was never forwarded may be sent again under its name."""
        if self._is_held and not self.is_forwarded:
            self._world.names.free(self.naming)


def name(
    head: Head, body: Content, endpoint: Endpoint, world: World, *, naming: tuple[str, bytes]
) -> Claim | None:
    """Return the name that a head gives, not yet claimed; None where it gives none.

    `naming` is whose it is and the request's bytes. Of endpoint and body the desk hears a hash,
    taken here because the body is let go of once it was read.

    Raises:
        InvalidValue: the name is too long, or not of visible ASCII.
    """
    given = head.headers.get(_HEADER)
    if not given:
        return None
    if not _FORM.fullmatch(given):
        raise InvalidValue("idempotency-key", "give at most 255 visible ASCII characters")
    org, raw = naming
    return Claim(Naming(org, given.decode(), raw), digest_of(endpoint, body), world)
