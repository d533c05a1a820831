"""Heads that came before: a client says the same in each, but for the length of its body.

What a head says is remembered under a hash of its bytes without that length, once its owner has
recognized who asks. Of its headers only `KEPT` stay: no credential, no address, nothing that
nobody reads. Any other byte makes another hash, and that head is read from its first line on.
"""

from hashlib import blake2b

from troth.wire.framing import LENGTH_DIGITS, Head, HeadReader, Note
from troth.wire.limits import ServerLimits

MOST = 1_024
LENGTHS = (b"\r\nContent-Length: ", b"\r\ncontent-length: ")
KEPT = (b"anthropic-version", b"content-encoding", b"content-type", b"host")
NEVER_KEPT = frozenset((b"expect", b"idempotency-key", b"x-forwarded-for"))
"""What is meant for one request, or is an address: a head with one of them is not remembered,
nor is one with a query."""


class Alike:
    """Heads that differ in the length of their body alone."""

    __slots__ = ("_digest", "_known")

    def __init__(self, known: dict[bytes, Head], digest: bytes) -> None:
        self._digest = digest
        self._known = known

    def keep(self, head: Head, note: Note) -> None:
        """Remember what one of them says, and what its owner has found in it."""
        if head.query or not NEVER_KEPT.isdisjoint(head.headers):
            return
        known = self._known
        if len(known) >= MOST:
            known.clear()
        known[self._digest] = _like(
            head,
            {name: head.headers[name] for name in KEPT if name in head.headers},
            "",
            0,
            note,
        )


class KnownHeads:
    """Reads heads: those that came before by their hash, all others whole."""

    __slots__ = ("_known", "_longest", "_reader")

    def __init__(self, limits: ServerLimits, paths: frozenset[str] = frozenset()) -> None:
        self._known: dict[bytes, Head] = {}
        self._longest = limits.header_bytes - LENGTH_DIGITS
        self._reader = HeadReader(limits, paths)

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._known)

    def read(self, raw: bytes, peer: str) -> Head:
        """Read a head, given without its empty line.

        Raises:
            Refusal: the bytes are not a head that can be served safely.
        """
        before, mark, rest = raw.partition(LENGTHS[0])
        if not mark:
            before, mark, rest = raw.partition(LENGTHS[1])
        digits, _, behind = rest.partition(b"\r\n")
        if not digits.isdigit() or len(digits) > LENGTH_DIGITS or len(raw) > self._longest:
            return self._reader.read(raw, peer)
        digest = blake2b(b"".join((before, mark, behind))).digest()
        known = self._known.get(digest)
        if known is None:
            return self._reader.read(raw, peer, Alike(self._known, digest))
        return _like(known, known.headers, peer, int(digits), known.note, raw)


def _like(  # noqa: PLR0917 - what differs between heads that are alike
    head: Head,
    headers: dict[bytes, bytes],
    peer: str,
    length: int,
    note: Note | None,
    raw: bytes = b"",
) -> Head:
    """Return a head that says the same of another body."""
    return Head(
        head.method,
        head.path,
        head.query,
        headers,
        peer,
        length,
        length > 0,
        expects_continue=False,
        is_chunked=False,
        is_http10=head.is_http10,
        wants_close=head.wants_close,
        note=note,
        raw=raw,
    )
