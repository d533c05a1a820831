"""However bytes are split or damaged: the same events, the same requests, nothing smuggled."""

import asyncio
import itertools
import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.builders.wire_plane import Line
from troth.wire import Arrival, BodyRefused, Event, ServerLimits, Sink, Splitter
from troth.wire.chunks import Chunks
from troth.wire.framing import Refusal

MANY = settings(max_examples=10_000, deadline=None)
FEWER = settings(max_examples=1_500, deadline=None)

cuts = st.lists(st.integers(0, 400), max_size=12)
line_ends = st.sampled_from([b"\n", b"\r", b"\r\n"])
fields = st.sampled_from(
    [
        b"data: a",
        b"data:",
        b"data",
        b"data:b: c",
        b"event: e",
        b"event:",
        b": x",
        b"id: 1",
        b"",
        b"",
    ]
)
streams = st.lists(st.tuples(fields, line_ends), max_size=25).map(
    lambda parts: b"".join(b"".join(part) for part in parts)
)


def pieces(data: bytes, at: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut for cut in at if cut < len(data))})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def split_events(parts: list[bytes]) -> list[Event]:
    splitter = Splitter()
    return [event for part in parts for event in splitter.feed(part)]


def by_the_letter(stream: bytes) -> list[Event]:
    """The WHATWG rules, written as they are read, for a whole stream."""
    lines = re.split(rb"\r\n|\n|\r", stream.removeprefix(b"\xef\xbb\xbf"))
    found: list[Event] = []
    data, name = b"", b""
    for line in lines[:-1]:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if data:
                found.append(Event(name, data[:-1]))
            data, name = b"", b""
        elif field == b"data":
            data += value + b"\n"
        elif field == b"event":
            name = value
    return found


@MANY
@given(stream=streams, at=cuts, marked=st.booleans())
@example(stream=b"data: a\r\n\r\ndata: b\r\n\r\n", at=[8, 9, 10, 11], marked=True)
def test_events_are_the_same_at_any_split(stream: bytes, at: list[int], *, marked: bool) -> None:
    stream = b"\xef\xbb\xbf" * marked + stream
    expected = by_the_letter(stream)
    assert split_events(pieces(stream, at)) == expected
    assert split_events([stream]) == expected


@FEWER
@given(stream=st.binary(max_size=300), at=cuts)
def test_any_bytes_are_split_alike(stream: bytes, at: list[int]) -> None:
    assert split_events(pieces(stream, at)) == by_the_letter(stream)


@FEWER
@given(
    chunks=st.lists(st.binary(min_size=1, max_size=40), max_size=6),
    at=cuts,
    rest=st.binary(max_size=9),
)
def test_chunks_are_the_same_at_any_split(chunks: list[bytes], at: list[int], rest: bytes) -> None:
    coded = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    decoder = Chunks(10_000)
    body, behind = b"", b""
    for part in pieces(coded + rest, at):
        if decoder.is_complete:
            behind += part
        else:
            piece, left = decoder.feed(part)
            body += piece
            behind += left
    assert (body, behind, decoder.is_complete) == (b"".join(chunks), rest, True)


@FEWER
@given(data=st.binary(max_size=100), at=cuts)
def test_no_bytes_break_the_decoder(data: bytes, at: list[int]) -> None:
    outcomes = []
    for parts in ([data] if data else [], pieces(data, at)):
        decoder = Chunks(50)
        body, refused = b"", False
        try:
            for part in parts:
                if not decoder.is_complete:
                    body += decoder.feed(part)[0]
        except Refusal:
            refused = True
        outcomes.append((refused or body, decoder.is_complete))
        assert len(body) <= 50
    assert outcomes[0] == outcomes[1]


# -- whole requests

bodies = st.binary(max_size=60)
targets = st.sampled_from([b"/", b"/v1/models", b"/v1/chat/completions?x=1"])
requests = st.one_of(
    targets.map(lambda target: b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target),
    st.tuples(targets, bodies).map(
        lambda parts: (
            b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b"
            % (parts[0], len(parts[1]), parts[1])
        )
    ),
    st.tuples(targets, st.lists(st.binary(min_size=1, max_size=20), max_size=3)).map(
        lambda parts: (
            b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n"
            % (parts[0], b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in parts[1]))
        )
    ),
)


class Served:
    """Feeds one connection and notes what was served, in order, and how it was answered."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, bytes]] = []
        self.sent = b""
        self.is_gone = False

    async def handle(self, arrival: Arrival, sink: Sink) -> None:
        head = arrival.head
        try:
            content = await arrival.body()
        except BodyRefused as refused:
            sink.answer(refused.status, [], b"refused")
            return
        self.requests.append((head.method, head.path, content.open()))
        sink.answer(200, [], b"served")

    async def run(self, parts: list[bytes]) -> None:
        line = Line(self.handle, ServerLimits(linger_ms=1))
        for part in parts:
            self.sent += await line.send(part)
        self.sent += await line.after(0)
        for _ in range(30):
            self.sent += await line.send(b"")
        self.is_gone = line.is_gone
        if not line.is_gone:
            self.sent += await line.after(15_000)
        await line.after(200_000)
        assert line.transport.is_closing(), "it would hang"
        line.connection.connection_lost(None)
        assert (line.server.connections, line.server.in_flight) == (0, 0)


def served(parts: list[bytes]) -> Served:
    run = Served()
    asyncio.run(run.run(parts))
    return run


@FEWER
@given(pipeline=st.lists(requests, min_size=1, max_size=4), at=cuts)
def test_requests_are_the_same_at_any_split(pipeline: list[bytes], at: list[int]) -> None:
    data = b"".join(pipeline)
    whole, split = served([data]), served(pieces(data, at))
    assert whole.requests == split.requests
    assert whole.sent == split.sent
    assert len(whole.requests) == len(pipeline)
    assert not whole.is_gone


@FEWER
@given(
    pipeline=st.lists(requests, min_size=1, max_size=3),
    place=st.integers(0, 300),
    junk=st.one_of(
        st.binary(min_size=1, max_size=3),
        st.sampled_from([b"\r", b"\n", b"\x00", b" ", b"Content-Length: 1\r\n", b"\r\n\r\n"]),
    ),
    replaces=st.booleans(),
    at=cuts,
)
def test_damaged_requests_never_serve_more_than_was_sent(
    pipeline: list[bytes], place: int, junk: bytes, *, replaces: bool, at: list[int]
) -> None:
    data = b"".join(pipeline)
    place = min(place, len(data) - 1)
    damaged = data[:place] + junk + data[place + len(junk) * replaces :]
    marker = b"GET /marker HTTP/1.1\r\nHost: x\r\n\r\n"
    whole = served([damaged + marker])
    split = served(pieces(damaged + marker, at))
    assert whole.requests == split.requests
    assert whole.sent.count(b"HTTP/1.1 ") == split.sent.count(b"HTTP/1.1 ")
    statuses = re.findall(rb"HTTP/1\.1 (\d+) ", whole.sent)
    refused = [number for number, status in enumerate(statuses) if status != b"200"]
    assert refused in ([], [len(statuses) - 1]), "something was served after a refusal"
    assert len(whole.requests) == statuses.count(b"200")
    assert whole.is_gone or not refused


@FEWER
@given(data=st.binary(max_size=200), at=cuts)
def test_any_bytes_are_answered_once_at_most(data: bytes, at: list[int]) -> None:
    run = served(pieces(data, at))
    assert run.sent.count(b"HTTP/1.1 ") <= 1
    assert run.requests == []
