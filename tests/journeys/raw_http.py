"""HTTP by hand, for requests that no client library would send."""

import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from urllib.parse import urlsplit

import msgspec

from troth.gateway.exchange import Fields, Json


class Reply(msgspec.Struct, frozen=True):
    """One answer: `raw` is the body as it came, chunks and all; `is_whole` tells its end came."""

    status: int
    headers: Mapping[str, str]
    raw: bytes
    body: bytes
    is_whole: bool

    @property
    def fields(self) -> Fields:
        """Return the body as an object."""
        value = msgspec.json.decode(self.body)
        assert isinstance(value, dict)
        return value

    @property
    def error(self) -> Fields:
        """Return the error object of either dialect."""
        inner = self.fields["error"]
        assert isinstance(inner, dict)
        return inner


def connect(address: str, timeout: float = 20.0) -> socket.socket:
    """Open a connection to `http://host:port`."""
    parts = urlsplit(address)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=timeout)


def head(path: str, key: str, *more: str, method: str = "POST") -> bytes:
    """Return a request's head, with its empty line."""
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", f"authorization: Bearer {key}"]
    return "\r\n".join([*lines, *more, "", ""]).encode()


def post(
    address: str, key: str, body: bytes | Json, path: str = "/v1/chat/completions", *more: str
) -> Reply:
    """Send one request and read its answer; the connection ends with it."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    lines = (f"content-length: {len(data)}", "content-type: application/json", *more)
    with connect(address) as way:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused early: there is an answer
            way.sendall(head(path, key, *lines) + data)
        return read(way)


def get(address: str, key: str, path: str, *more: str) -> Reply:
    """Ask for one thing."""
    with connect(address) as way:
        way.sendall(head(path, key, *more, method="GET"))
        return read(way)


def read(way: socket.socket) -> Reply:
    """Read one answer, to its end or the connection's."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(way)
    first, _, rest = data.partition(b"\r\n\r\n")
    lines = first.decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in lines[1:]]
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    status = int(lines[0].split(" ")[1])
    if "content-length" in headers:
        rest, whole = _until(way, rest, int(headers["content-length"]))
        return Reply(status, headers, rest, rest, whole)
    while not rest.endswith(b"0\r\n\r\n"):
        try:
            rest += _more(way)
        except ConnectionError:
            return Reply(status, headers, rest, b"".join(chunks(rest)), is_whole=False)
    return Reply(status, headers, rest, b"".join(chunks(rest)), is_whole=True)


def _until(way: socket.socket, data: bytes, size: int) -> tuple[bytes, bool]:
    while len(data) < size:
        try:
            data += _more(way)
        except ConnectionError:
            return data, False
    return data, True


def _more(way: socket.socket) -> bytes:
    data = way.recv(1 << 16)
    if not data:
        raise ConnectionResetError
    return data


def chunks(raw: bytes) -> Iterable[bytes]:
    """Yield the chunks of a chunked body, as far as they came."""
    while True:
        size, line_end, raw = raw.partition(b"\r\n")
        if not line_end or not size:
            return
        length = int(size, 16)
        yield raw[:length]
        raw = raw[length + 2 :]


def hello(model: str = "chat", **fields: Json) -> Fields:
    """Return a chat request."""
    return {"model": model, "messages": [{"role": "user", "content": "hello there"}], **fields}


def hello_claude(model: str = "claude", **fields: Json) -> Fields:
    """Return a messages request."""
    return {**hello(model), "max_tokens": 100, **fields}


def events(reply: Reply) -> list[Json]:
    """Return the data of each event; text that is no JSON as a string."""
    found: list[Json] = []
    for block in reply.body.split(b"\n\n"):
        lines = block.split(b"\n")
        data = b"\n".join(line[5:].strip() for line in lines if line.startswith(b"data:"))
        if data:
            found.append(data.decode() if data == b"[DONE]" else msgspec.json.decode(data))
    return found
