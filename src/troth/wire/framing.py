"""The framing guard: which bytes are a request head, and which are refused.

The grammar is written out here, strictly, instead of being left to a lenient parser: the bytes
that were checked are the bytes that are used. Whoever refuses a head closes the connection, so
that nothing smuggled behind it is ever served.
"""

import re
from typing import NamedTuple, Protocol

from msgspec import Struct

from troth.wire.limits import ServerLimits

# HTAB, SP, visible ASCII and obs-text; the line ends are accounted for separately.
FIELD_BYTES = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
HOST_BYTES = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]"
TARGET_BYTES = bytes(set(range(0x21, 0x7F)) - {ord("#")})
REMEMBERED_LINES = 64
FIRST_LINE_REST = 64  # method, version and blanks
BLANKS = b" \t"
MOST_LINES = 1_024
LINE_ENDS = tuple(b"\r\n" * count for count in range(MOST_LINES))

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
METHOD = re.compile(rb"[A-Z]{1,20}")
VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]")
LENGTH_DIGITS = 15

VERSIONS = {b"HTTP/1.1": False, b"HTTP/1.0": True}  # whether it is the old one
METHODS = {
    name.encode(): name for name in ("GET", "POST", "HEAD", "OPTIONS", "DELETE", "PUT", "PATCH")
}
NEVER_SERVED = frozenset(("CONNECT", "TRACE"))
ONCE = frozenset(
    (
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"idempotency-key",
        b"origin",
        b"transfer-encoding",
        b"x-api-key",
    )
)
# Names that clients send all the time, in both spellings: known names need no check.
USUAL = (
    "Host Connection Accept Accept-Encoding Accept-Language Authorization Content-Type "
    "Content-Length Content-Encoding Transfer-Encoding User-Agent Expect Origin Referer Cookie "
    "Idempotency-Key X-Api-Key Anthropic-Version Anthropic-Beta OpenAI-Organization "
    "OpenAI-Project OpenAI-Beta HTTP-Referer X-Title X-Request-Id X-Stainless-Lang "
    "X-Stainless-Package-Version X-Stainless-OS X-Stainless-Arch X-Stainless-Runtime "
    "X-Stainless-Runtime-Version X-Stainless-Async X-Stainless-Retry-Count "
    "X-Stainless-Read-Timeout X-Stainless-Timeout X-Stainless-Helper-Method "
    "X-Forwarded-For X-Forwarded-Proto X-Real-Ip Forwarded Via Traceparent Tracestate"
)
KNOWN = {
    spelling: name.lower().encode()
    for name in USUAL.split()
    for spelling in (name.encode(), name.lower().encode())
}

BAD_FRAMING = "bad_framing"
HEADERS_TOO_LARGE = "headers_too_large"
URL_TOO_LONG = "url_too_long"
METHOD_NOT_ALLOWED = "method_not_allowed"
BODY_TOO_LARGE = "request_too_large"


class Refusal(Exception):
    """A head or a chunk that is not served. Carries a status and a stable code, never bytes."""

    def __init__(self, status: int, code: str = BAD_FRAMING) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


Note = tuple[str, bytes]
"""Who was recognized by a head, in the words of whoever did."""


class Likeness(Protocol):
    """Heads that differ in the length of their body alone."""

    def keep(self, head: "Head", note: Note) -> None:
        """Remember what one of them says, and what was found in it."""
        ...


class Head(Struct, frozen=True, gc=False):  # holds no cycle
    """The head of one request.

    `path` and `query` are as they came, percent signs and all. `headers` has lowercase names;
    repeats are joined with a comma, save for those that may stand only once. `peer` is the
    client's address. `content_length` is None without the header.

    One that was remembered (`known_heads`) has a `note` and few of its headers: `whole` has all.
    Any other may be remembered through its `likeness`, if it has one.
    """

    method: str
    path: str
    query: str
    headers: dict[bytes, bytes]
    peer: str
    content_length: int | None
    has_body: bool
    expects_continue: bool
    is_chunked: bool
    is_http10: bool
    wants_close: bool
    likeness: Likeness | None = None
    note: Note | None = None
    raw: bytes = b""

    def whole(self) -> "Head":
        """Return the head with all its headers, as one that never came before."""
        if self.note is None:
            return self
        return HeadReader(ServerLimits(headers_count=MOST_LINES)).read(self.raw, self.peer)


class FirstLine(NamedTuple):
    """A request line."""

    method: str
    path: str
    query: str
    is_http10: bool


class HeadReader:
    """Reads request heads. First lines of known `paths` are read once and remembered.

    No other line is kept: what was asked for by mistake can be anything.
    """

    __slots__ = ("_first_lines", "_limits", "_paths")

    def __init__(self, limits: ServerLimits, paths: frozenset[str] = frozenset()) -> None:
        self._limits = limits
        self._paths = paths
        self._first_lines: dict[bytes, FirstLine] = {}

    def read(self, raw: bytes, peer: str, likeness: Likeness | None = None) -> Head:
        """Read a head, given without its empty line.

        Raises:
            Refusal: the bytes are not a head that can be served safely.
        """
        lines = raw.split(b"\r\n")
        count = len(lines) - 1
        if count > self._limits.headers_count:
            raise Refusal(431, HEADERS_TOO_LARGE)
        if raw.translate(None, FIELD_BYTES) != LINE_ENDS[count]:
            raise Refusal(400)
        first = lines.pop(0)
        line = self._first_lines.get(first) or self._unknown_line(first, lines)
        size = len(raw) - len(first)
        if size > self._limits.header_bytes:
            self._check_sizes(size, lines)
        headers: dict[bytes, bytes] = {}
        for field in lines:
            name, blank, value = field.partition(b": ")
            key = KNOWN.get(name)
            if key is None or not blank or key in headers:
                _add_unusual(headers, field)
            else:
                headers[key] = value.strip(BLANKS)
        host = headers.get(b"host")
        if not host or host.translate(None, HOST_BYTES):
            raise Refusal(400)
        return _frame(line, headers, peer, likeness)

    def _unknown_line(self, first: bytes, behind: list[bytes]) -> FirstLine:
        """Read a first line; one empty line before it is passed over: RFC 9112, 2.2."""
        return self._read_first_line(first if first or not behind else behind.pop(0))

    def _check_sizes(self, size: int, lines: list[bytes]) -> None:
        limits = self._limits
        if size > limits.headers_bytes or max(map(len, lines)) > limits.header_bytes:
            raise Refusal(431, HEADERS_TOO_LARGE)

    def _read_first_line(self, line: bytes) -> FirstLine:
        parts = line.split(b" ")
        if len(parts) != 3:  # noqa: PLR2004 - method, target, version
            raise Refusal(400)
        name, target, version = parts
        method = METHODS.get(name) or _unusual_method(name)
        if len(target) > self._limits.target_bytes:
            raise Refusal(414, URL_TOO_LONG)
        if target[:1] != b"/" or target.translate(None, TARGET_BYTES):
            raise Refusal(400)
        if version not in VERSIONS:
            raise Refusal(505 if VERSION.fullmatch(version) else 400)
        path, mark, query = target.decode().partition("?")
        found = FirstLine(method, path, query, VERSIONS[version])
        if not mark and path in self._paths and name in METHODS:
            if len(self._first_lines) >= REMEMBERED_LINES:
                self._first_lines.clear()
            self._first_lines[line] = found
        return found


def _unusual_method(name: bytes) -> str:
    """Return a method that is known to nobody here, so that the caller can say so."""
    if not METHOD.fullmatch(name):
        raise Refusal(400)
    method = name.decode()
    if method in NEVER_SERVED:
        raise Refusal(405, METHOD_NOT_ALLOWED)
    return method


def _add_unusual(headers: dict[bytes, bytes], line: bytes) -> None:
    """Add a header whose name needs a check, or that came before."""
    name, colon, value = line.partition(b":")
    if not colon or not TOKEN.fullmatch(name):
        raise Refusal(400)
    key = name.lower()
    value = value.strip(BLANKS)
    before = headers.get(key)
    if before is None:
        headers[key] = value
    elif key in ONCE:
        raise Refusal(400)
    else:
        headers[key] = before + b", " + value


def _frame(
    line: FirstLine, headers: dict[bytes, bytes], peer: str, likeness: Likeness | None
) -> Head:
    """Decide where the request ends: the one question that smuggling is about."""
    method, path, query, is_http10 = line
    declared = headers.get(b"content-length")
    coding = headers.get(b"transfer-encoding")
    length: int | None = None
    if coding is not None:
        if declared is not None or is_http10 or coding.lower() != b"chunked":
            raise Refusal(400)
    elif declared is not None:
        if not declared.isdigit() or len(declared) > LENGTH_DIGITS:
            raise Refusal(400)
        length = int(declared)
    has_body = coding is not None or bool(length)
    return Head(
        method,
        path,
        query,
        headers,
        peer,
        length,
        has_body,
        has_body and b"expect" in headers and _expects_continue(headers, is_http10=is_http10),
        coding is not None,
        is_http10,
        is_http10 or b"upgrade" in headers or _wants_close(headers.get(b"connection")),
        likeness,
    )


def _expects_continue(headers: dict[bytes, bytes], *, is_http10: bool) -> bool:
    """Tell whether the client waits for a word before it sends the body."""
    if headers[b"expect"].lower() != b"100-continue":
        raise Refusal(417)
    return not is_http10


def _wants_close(connection: bytes | None) -> bool:
    """Tell whether the client asked for the connection's end after this answer."""
    if connection is None or connection == b"keep-alive":
        return False
    return b"close" in [option.strip(BLANKS) for option in connection.lower().split(b",")]


def refuse_partial(partial: bytearray, limits: ServerLimits) -> None:
    """Look at a head that is not complete yet, and refuse early what can never become one.

    Raises:
        Refusal: too long already, or a line end that is none.
    """
    first = partial.find(b"\r\n")
    if first < 0 and len(partial) > limits.target_bytes + FIRST_LINE_REST:
        raise Refusal(414, URL_TOO_LONG)
    if len(partial) - max(first, 0) > limits.headers_bytes + FIRST_LINE_REST:
        raise Refusal(431, HEADERS_TOO_LARGE)
    if partial.count(b"\n") != partial.count(b"\r\n"):
        raise Refusal(400)
