"""Chunked bodies are decoded strictly, at any split."""

import pytest

from troth.wire.chunks import Chunks
from troth.wire.framing import Refusal

BODY = b'4\r\nabcd\r\n1;name="a b"\r\ne\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n'


def decode(data: bytes, limit: int = 1_000, step: int | None = None) -> tuple[bytes, bytes, bool]:
    chunks = Chunks(limit)
    pieces = b""
    rest = b""
    for at in range(0, len(data), step or len(data)):
        piece, rest = chunks.feed(data[at : at + (step or len(data))])
        pieces += piece
    return pieces, rest, chunks.is_complete


@pytest.mark.parametrize("step", [*range(1, 20), len(BODY)])
def test_any_split_gives_the_same_body(step: int) -> None:
    assert decode(BODY, step=step) == (b"abcde0123456789", b"", True)


def test_what_follows_the_body_is_given_back() -> None:
    assert decode(BODY + b"GET / HTTP/1.1") == (b"abcde0123456789", b"GET / HTTP/1.1", True)


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"g\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x1\r\n",
        b" 1\r\n",
        b"1 \r\n",
        b"1_0\r\n",
        b"123456789\r\n",
        b"1\na\r\n",
        b"1\r\na\n",
        b"1\r\nab\r\n",
        b"1\r\na\r\r\n",
        b"1\r\r\n",
        b"1;\x00\r\n",
        b"1;" + b"a" * 300,
        b"1\rx",
        b"0\r\nfolded\r\n",
        b"0\r\n folded: x\r\n",
        b"0\r\na: \x01\r\n",
        b"0\r\na b: c\r\n",
    ],
)
def test_what_is_no_chunk_is_refused(data: bytes) -> None:
    for step in (1, len(data)):
        with pytest.raises(Refusal) as caught:
            decode(data, step=step)
        assert caught.value.status == 400


def test_the_limit_holds_for_the_promised_size() -> None:
    assert decode(b"3e8\r\n")[2] is False
    with pytest.raises(Refusal) as caught:
        decode(b"3e9\r\n")
    assert caught.value.status == 413
    with pytest.raises(Refusal):
        decode(b"ffffffff\r\n")
    with pytest.raises(Refusal):
        decode(b"1f4\r\n" + b"a" * 500 + b"\r\n1f5\r\n")


def test_trailers_are_limited() -> None:
    for step in (1, 100_000):
        with pytest.raises(Refusal) as caught:
            decode(b"0\r\n" + b"a: " + b"b" * 10_000, step=step)
        assert caught.value.status == 431
    with pytest.raises(Refusal) as caught:
        decode(b"0\r\n" + b"aaa: bbb\r\n" * 1_000)
    assert caught.value.status == 431


def test_a_flood_of_tiny_chunks_is_refused() -> None:
    tiny = b"1\r\na\r\n"
    assert decode(tiny * 4_000 + b"0\r\n\r\n", limit=10_000)[2]
    with pytest.raises(Refusal) as caught:
        decode(tiny * 5_000, limit=10_000)
    assert caught.value.status == 400
    assert decode((b"40\r\n" + b"a" * 64 + b"\r\n") * 9_000, limit=10_000_000)[0]
