"""Many requests at once, from one thread: what a load of callers looks like to a gateway."""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import msgspec

from tests.journeys.raw_http import Reply, chunks, head
from troth.gateway.exchange import Json


async def asked(address: str, key: str, ask: Json, path: str = "/v1/chat/completions") -> Reply:
    """Send one request on a connection of its own and read its answer to the end."""
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        data = msgspec.json.encode(ask)
        lines = ("connection: close", f"content-length: {len(data)}")
        writer.write(head(path, key, *lines) + data)
        await writer.drain()
        raw = await reader.read(-1)
    finally:
        writer.close()
    return parsed(raw)


def parsed(raw: bytes) -> Reply:
    """Return the one answer that these bytes hold; status 0 when there is none."""
    first, end, rest = raw.partition(b"\r\n\r\n")
    if not end:
        return Reply(0, {}, b"", b"", is_whole=False)
    lines = first.decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in lines[1:]]
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    status = int(lines[0].split(" ")[1])
    if "content-length" in headers:
        whole = len(rest) == int(headers["content-length"])
        return Reply(status, headers, rest, rest, whole)
    body = b"".join(chunks(rest))
    return Reply(status, headers, rest, body, rest.endswith(b"0\r\n\r\n"))


async def all_at_once(count: int, one: Callable[[int], Awaitable[Reply]]) -> list[Reply]:
    """Run `count` requests side by side; a connection that breaks is an answer of status 0."""

    async def safe(number: int) -> Reply:
        try:
            return await one(number)
        except OSError:
            return Reply(0, {}, b"", b"", is_whole=False)

    return await asyncio.gather(*(safe(number) for number in range(count)))
