"""Server-sent events by the WHATWG rules, at any split of the bytes."""

import pytest

from troth.wire import Event, Splitter, StreamTooLarge, events

CASES = [
    (b"data: a\n\n", [(b"", b"a")]),
    (b"data: a\n\ndata: b\n\n", [(b"", b"a"), (b"", b"b")]),
    (b"data: a\r\rdata: b\r\r", [(b"", b"a"), (b"", b"b")]),
    (b"data: a\r\n\r\ndata: b\r\n\r\n", [(b"", b"a"), (b"", b"b")]),
    (b"data: a\n\rdata: b\r\n\n", [(b"", b"a"), (b"", b"b")]),
    (b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", [(b"", b"a")]),
    (b"\xef\xbbdata: a\n\ndata: b\n\n", [(b"", b"b")]),
    (b"event: ping\ndata: {}\n\n", [(b"ping", b"{}")]),
    (b"data: {}\nevent: ping\n\ndata: b\n\n", [(b"ping", b"{}"), (b"", b"b")]),
    (b"event: a\nevent: b\ndata: {}\n\n", [(b"b", b"{}")]),
    (b"event: a\n\ndata: {}\n\n", [(b"", b"{}")]),
    (b"event: a\ndata: 1\ndata: 2\n\n", [(b"a", b"1\n2")]),
    (b"data:a\ndata:  b\ndata\ndata:\n\n", [(b"", b"a\n b\n\n")]),
    (b"data\n\ndata\ndata\n\ndata:", [(b"", b""), (b"", b"\n")]),
    (b": comment\n\n:\ndata: a\n\n", [(b"", b"a")]),
    (b"id: 7\nretry: 9\nunknown: x\nnonsense\ndata: a\n\n", [(b"", b"a")]),
    (b"\n\n\ndata: a\n\n\n\ndata: b\n\n", [(b"", b"a"), (b"", b"b")]),
    (b"data: a\n\ndata: unfinished\n", [(b"", b"a")]),
    (b" data: a\n\ndata: b\n\n", [(b"", b"b")]),
    (b"data: \xe2\x80\xa8 \x85 \x0b\n\n", [(b"", b"\xe2\x80\xa8 \x85 \x0b")]),
    (b"data: [DONE]\n\n", [(b"", b"[DONE]")]),
    (b"data: \n\n", [(b"", b"")]),
    (b"", []),
]


def split(stream: bytes, step: int) -> list[tuple[bytes, bytes]]:
    splitter = Splitter()
    found: list[Event] = []
    for at in range(0, len(stream), step):
        found += splitter.feed(stream[at : at + step])
    return [(event.name, event.data) for event in found]


@pytest.mark.parametrize(("stream", "expected"), CASES)
def test_the_rules_hold_at_any_split(stream: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    for step in (len(stream) or 1, *range(1, 9)):
        assert split(stream, step) == expected


@pytest.mark.parametrize(("stream", "expected"), CASES)
def test_the_rules_hold_in_a_running_stream(
    stream: bytes, expected: list[tuple[bytes, bytes]]
) -> None:
    if stream.startswith(b"\xef"):
        return  # a mark counts at the start only
    splitter = Splitter()
    assert [event.data for event in splitter.feed(b"data: first\n\n")] == [b"first"]
    assert [(event.name, event.data) for event in splitter.feed(stream)] == expected


def test_an_empty_read_changes_nothing() -> None:
    splitter = Splitter()
    assert splitter.feed(b"") == []
    assert splitter.feed(b"data: a\n") == []
    assert splitter.feed(b"") == []
    assert splitter.feed(b"\n") == [Event(b"", b"a")]


def test_a_line_is_bounded() -> None:
    for stream in (b"data: " + b"a" * 100, b"data: " + b"a" * 100 + b"\n\n"):
        with pytest.raises(StreamTooLarge):
            Splitter(100, 1_000).feed(stream)
    splitter = Splitter(100, 1_000)
    splitter.feed(b"data: " + b"a" * 90)
    with pytest.raises(StreamTooLarge) as caught:
        splitter.feed(b"a" * 10)
    assert "a" * 8 not in str(caught.value)


def test_an_event_is_bounded() -> None:
    splitter = Splitter(100, 1_000)
    for _ in range(12):
        splitter.feed(b"data: " + b"a" * 80 + b"\n")
    with pytest.raises(StreamTooLarge):
        splitter.feed(b"data: " + b"a" * 80 + b"\n")
    splitter = Splitter(1_000, 100)
    splitter.feed(b"data: x\n\n")
    with pytest.raises(StreamTooLarge):
        splitter.feed(b"data: " + b"a" * 101 + b"\n\n")


def test_what_is_written_is_read_back() -> None:
    stream = events.data(b"{}") + events.comment() + events.named(b"ping", b"1")
    assert stream == b"data: {}\n\n: \n\nevent: ping\ndata: 1\n\n"
    assert Splitter().feed(stream) == [Event(b"", b"{}"), Event(b"ping", b"1")]
