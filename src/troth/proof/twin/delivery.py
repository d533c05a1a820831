"""How the mock provider sends an answer: whole, event by event, or broken as the model asks."""

import time
import zlib
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from troth.proof.twin.answer import Answer
from troth.proof.twin.values import encoded

_STEP: Final = 6_364_136_223_846_793_005
_MIB: Final = 1 << 20
_REASONS: Final = {200: "OK", 302: "Found"}
_ALWAYS: Final = (
    # What real providers send along; a gateway passes none of it on.
    ("server", "twin/1.0"),
    ("set-cookie", "provider_session=not-for-callers; path=/"),
    ("x-request-id", "req_of_the_provider"),
    ("openai-organization", "the-operators-own"),
    ("x-ratelimit-remaining-requests", "999"),
)


class Out(Protocol):
    """The way back to the client."""

    def send(self, data: bytes) -> None:
        """Send all of it now.

        Raises:
            OSError: the client has left.
        """
        ...

    def reset(self) -> None:
        """Break the connection so that the client sees a reset."""
        ...


class Broken(Exception):
    """The answer was broken off on purpose; the connection must be closed."""


def deliver(out: Out, answer: Answer, faults: Mapping[str, int]) -> None:
    """Send the answer as the faults ask.

    Raises:
        Broken: the connection is to be closed without more.
        OSError: the client has left.
    """
    if "slow" in faults:
        time.sleep(faults["slow"] / 1_000)
    if "hang" in faults:
        time.sleep(faults["hang"] / 1_000)
        raise Broken
    if "reset" in faults:
        out.reset()
        raise Broken
    if answer.events is not None:
        _stream(out, answer, answer.events, faults)
    else:
        _buffered(out, answer, faults)


def _head(answer: Answer, faults: Mapping[str, int], *more: tuple[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Told')}"]
    headers = [*_ALWAYS, ("content-type", answer.content_type), *answer.headers, *more]
    if "headers" in faults:
        headers += [(f"x-filler-{at}", "h" * 1_000) for at in range(faults["headers"])]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _stream(out: Out, answer: Answer, events: Iterator[bytes], faults: Mapping[str, int]) -> None:
    out.send(_head(answer, faults, ("transfer-encoding", "chunked")))
    if "torn" in faults:
        events = torn(b"".join(events), faults["torn"])
    elif "joined" in faults:
        events = iter([b"".join(events)])
    pause = faults.get("drip", 0) / 1_000
    for sent, piece in enumerate(events):
        if "cut" in faults and sent == faults["cut"]:
            raise Broken
        if pause:
            time.sleep(pause)
        out.send(_chunk(piece))
    out.send(b"0\r\n\r\n")


def torn(data: bytes, seed: int) -> Iterator[bytes]:
    """Yield the bytes in pieces of one to seven, the same ones for the same seed."""
    at = 0
    state = seed
    while at < len(data):
        state = (state * _STEP + 1_442_695_040_888_963_407) % (1 << 64)
        size = 1 + (state >> 33) % 7
        yield data[at : at + size]
        at += size


def _buffered(out: Out, answer: Answer, faults: Mapping[str, int]) -> None:
    body = answer.body
    if "endless" in faults:
        _endless(out, answer, faults)
    if "gzip" in faults:
        body = zlib.compress(body, wbits=31)
        out.send(_head(answer, faults, ("content-encoding", "gzip"), _length(body)) + body)
        return
    if "bomb" in faults:
        body = bomb(faults["bomb"])
        out.send(_head(answer, faults, ("content-encoding", "gzip"), _length(body)) + body)
        return
    if "short" in faults:
        out.send(_head(answer, faults, ("content-length", str(len(body) + 100))) + body)
        raise Broken
    if "cut" in faults:
        out.send(_head(answer, faults, _length(body)) + body[: len(body) // 2])
        raise Broken
    out.send(_head(answer, faults, _length(body)) + body)


def _length(body: bytes) -> tuple[str, str]:
    return ("content-length", str(len(body)))


def _endless(out: Out, answer: Answer, faults: Mapping[str, int]) -> None:
    out.send(_head(answer, faults, ("transfer-encoding", "chunked")))
    out.send(_chunk(b'{"id":"'))
    filler = _chunk(b"a" * 65_536)
    while True:
        out.send(filler)


def bomb(mebibytes: int) -> bytes:
    """Return a gzip stream of a JSON text that unpacks to about so many MiB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packer.compress(b'{"id":"')]
    parts += [packer.compress(b"a" * _MIB) for _ in range(mebibytes)]
    return b"".join([*parts, packer.compress(b'"}'), packer.flush()])


def garbage(faults: Mapping[str, int]) -> Answer | None:
    """Return the answer that is none, if the model asks for one."""
    if "garbage" in faults:
        return Answer(body=b"<html>provider exploded</html>", content_type="text/html")
    if "null" in faults:
        return Answer(body=encoded(None))
    if "redirect" in faults:
        return Answer(302, headers=(("location", "/__redirected"),))
    return None
