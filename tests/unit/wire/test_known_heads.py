"""What is remembered of heads; it says nothing else than a whole reading would."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from troth.wire.framing import Head, HeadReader, Refusal
from troth.wire.known_heads import KEPT, MOST, KnownHeads
from troth.wire.limits import ServerLimits

LIMITS = ServerLimits()
NOTE = ("who", b"digest")
USUAL = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer s3cret\r\n"
    b"Content-Type: application/json\r\nX-Title: a word\r\nContent-Length: 5\r\nAccept: */*"
)


def keep(head: Head) -> None:
    assert head.likeness is not None
    head.likeness.keep(head, NOTE)


def taught(raw: bytes = USUAL) -> KnownHeads:
    """Return a reader that remembers a head."""
    heads = KnownHeads(LIMITS)
    keep(heads.read(raw, "192.0.2.7"))
    return heads


def read(heads: KnownHeads | HeadReader, raw: bytes) -> tuple[object, ...]:
    """Return what a head says, of its headers what may be kept, or why it is refused."""
    try:
        head = heads.read(raw, "198.51.100.9")
    except Refusal as refusal:
        return refusal.status, refusal.code
    kept = {name: head.headers[name] for name in KEPT if name in head.headers}
    plain = msgspec.structs.replace(head, headers=kept, likeness=None, note=None, raw=b"")
    return msgspec.structs.astuple(plain)


def test_a_head_that_came_before_is_known_with_another_length_and_peer() -> None:
    heads = taught()
    again = heads.read(USUAL.replace(b": 5", b": 1234"), "198.51.100.9")
    assert again.note == NOTE
    assert (again.content_length, again.has_body, again.peer) == (1_234, True, "198.51.100.9")
    assert again.headers == {b"host": b"api.example", b"content-type": b"application/json"}
    assert again.likeness is None
    empty = heads.read(USUAL.replace(b": 5", b": 0"), "")
    assert (empty.content_length, empty.has_body) == (0, False)


def test_nothing_is_remembered_before_somebody_was_recognized() -> None:
    heads = KnownHeads(LIMITS)
    for _ in range(3):
        assert heads.read(USUAL, "").note is None
    assert len(heads) == 0


def test_no_credential_and_no_address_is_remembered() -> None:
    heads = taught()
    remembered = repr(list(heads._known.items()))
    for word in ("s3cret", "192.0.2.7", "a word", "Bearer"):
        assert word not in remembered


def test_a_remembered_head_can_be_read_whole() -> None:
    heads = taught()
    whole = heads.read(USUAL, "198.51.100.9").whole()
    assert whole == HeadReader(LIMITS).read(USUAL, "198.51.100.9")
    assert whole.whole() is whole


@pytest.mark.parametrize(
    "other",
    [
        USUAL.replace(b"s3cret", b"s3creT"),
        USUAL.replace(b"POST", b"PUT"),
        USUAL.replace(b"Content-Length", b"content-length"),
        USUAL.replace(b": 5", b":  5"),
        USUAL.replace(b": 5", b": 5 "),
        USUAL + b" ",
        USUAL + b"\r\nX-Api-Key: other",
    ],
)
def test_another_byte_makes_it_another_head(other: bytes) -> None:
    assert taught().read(other, "").note is None


@pytest.mark.parametrize(
    "added",
    [b"Expect: 100-continue", b"idempotency-key: a", b"X-Forwarded-For: 203.0.113.1"],
)
def test_what_is_meant_for_one_request_is_not_remembered(added: bytes) -> None:
    assert len(taught(USUAL + b"\r\n" + added)) == 0


def test_a_query_is_not_remembered() -> None:
    assert len(taught(USUAL.replace(b"completions", b"completions?a=1"))) == 0


@pytest.mark.parametrize(
    "raw",
    [
        USUAL.replace(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        USUAL.replace(b"Content-Length: 5\r\n", b""),
        USUAL.replace(b"a word", b"a" * 16_300),
    ],
)
def test_heads_without_a_length_and_long_ones_have_no_likeness(raw: bytes) -> None:
    assert KnownHeads(LIMITS).read(raw, "").likeness is None


def test_so_many_are_remembered_at_most() -> None:
    heads = KnownHeads(LIMITS)
    for number in range(MOST + 10):
        keep(heads.read(USUAL.replace(b"s3cret", b"%d" % number), ""))
    assert len(heads) == 10


LINES = st.sampled_from(
    [
        b"Content-Length: 5",
        b"Content-Length: 77",
        b"content-length: 5",
        b"Content-Length: 5, 5",
        b"Content-Length: 007",
        b"Content-Length: " + b"9" * 16,
        b"X-Content-Length: 5",
        b"Content-Length:5",
        b"Content-Length: +5",
        b"Transfer-Encoding: chunked",
        b"Expect: 100-continue",
        b"Connection: close",
        b"Connection: keep-alive",
        b"Host: x",
        b"Content-Type: text/plain",
        b"Anthropic-Version: 1",
        b"Content-Encoding: gzip",
        b"Upgrade: h2c",
        b"A: \x00",
        b"A: b\nContent-Length: 5",
        b" folded",
    ]
)
FIRST = st.sampled_from([b"POST /v1/a HTTP/1.1", b"GET / HTTP/1.0", b"POST /a?b HTTP/1.1", b"x"])
RAW = st.builds(
    lambda first, lines: b"\r\n".join([first, b"Host: y", *lines]),
    FIRST,
    st.lists(LINES, max_size=4),
)


@given(st.lists(RAW, min_size=1, max_size=6))
def test_both_ways_of_reading_say_the_same(raws: list[bytes]) -> None:
    heads, reader = KnownHeads(LIMITS), HeadReader(LIMITS)
    for raw in (*raws, *raws, *(raw.replace(b": 5", b": 1234567") for raw in raws)):
        assert read(heads, raw) == read(reader, raw)
        try:
            head = heads.read(raw, "")
        except Refusal:
            continue
        if head.likeness is not None:
            keep(head)
