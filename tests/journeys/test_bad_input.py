"""Hostile and broken requests: a clear error, bounded memory, and the next request is served."""

import gzip
import socket
from collections.abc import Iterator

import pytest

from tests.journeys.patience import Stopwatch
from tests.journeys.raw_http import Reply, connect, get, head, hello, hello_claude, post, read
from tests.journeys.serving import House, Key
from troth.gateway.exchange import Json

MESSAGES = b'"messages":[{"role":"user","content":"hi"}]'
DEEP = 100_000
SILENT_SECONDS = 15
"""Then a body that does not come is given up: who stood behind it would have waited so long."""


@pytest.fixture(autouse=True)
def _serves_afterwards(house: House, key: Key) -> Iterator[None]:
    """Whatever a test sent: the gateway is the same process, and serves the next request."""
    before = house.gateway_pids()
    yield
    assert post(house.address, key.text, hello()).status == 200
    assert house.gateway_pids() == before


MALFORMED = {
    "no JSON": b"hello",
    "nothing": b"",
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "NaN": b'{"model":"chat","temperature":NaN,' + MESSAGES + b"}",
    "Infinity": b'{"model":"chat","temperature":Infinity,' + MESSAGES + b"}",
    "1e400": b'{"model":"chat","temperature":1e400,' + MESSAGES + b"}",
    "a doubled key": b'{"model":"chat","model":"chat",' + MESSAGES + b"}",
    "a doubled key inside": b'{"model":"chat","messages":[{"role":"user","role":"user",'
    b'"content":"hi"}]}',
    "something behind": b'{"model":"chat",' + MESSAGES + b"} {}",
    "a byte order mark": b'\xef\xbb\xbf{"model":"chat",' + MESSAGES + b"}",
    "UTF-16": '{"model":"chat","messages":[]}'.encode("utf-16"),
    "a lone surrogate": b'{"model":"chat","messages":[{"role":"user","content":"\\ud800"}]}',
    "bytes that are no UTF-8": b'{"model":"chat","messages":[{"role":"user","content":"\xff"}]}',
    "a surrogate in bytes": b'{"model":"chat","messages":[{"role":"user",'
    b'"content":"\xed\xa0\x80"}]}',
    "bad bytes in a skipped field": b'{"model":"chat",' + MESSAGES + b',"x":"\xff"}',
    "a control character": b'{"model":"chat","messages":[{"role":"user","content":"\x01"}]}',
    "too deep": b'{"model":"chat","x":' + b"[" * DEEP + b"]" * DEEP + b"," + MESSAGES + b"}",
    "deep and open": b'{"a":' * DEEP,
    "129 levels": b'{"model":"chat","x":' + b"[" * 129 + b"]" * 129 + b"," + MESSAGES + b"}",
    "a very long number": b'{"model":"chat","seed":' + b"9" * 100_000 + b"," + MESSAGES + b"}",
    "an open string": b'{"model":"chat","messages":[{"role":"user","content":"hi',
    "a trailing comma": b'{"model":"chat",' + MESSAGES + b",}",
    "a comment": b'{"model":"chat",/* hi */' + MESSAGES + b"}",
}


@pytest.mark.parametrize("kind", MALFORMED)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_what_is_no_strict_json_is_refused(house: House, key: Key, kind: str, path: str) -> None:
    reply = post(house.address, key.text, MALFORMED[kind], path)
    assert reply.status == 400, reply.fields
    assert reply.error["type"] == "invalid_request_error"


WRONG: dict[str, Json] = {
    "model": 7,
    "messages": "hello",
    "temperature": "1",
    "max_tokens": True,
    "n": 1.5,
    "stream": 1,
    "stop": [1],
    "tools": {"a": 1},
    "response_format": "json",
    "logit_bias": [1],
    "seed": "7",
    "top_p": 2,
    "max_completion_tokens": 0,
    "stream_options": [],
}


@pytest.mark.parametrize("field", WRONG)
def test_a_wrong_type_is_named_and_never_quoted(house: House, key: Key, field: str) -> None:
    reply = post(house.address, key.text, {**hello(), field: WRONG[field]})
    assert reply.status == 400
    assert str(reply.error["param"]).partition(".")[0].partition("[")[0] == field


@pytest.mark.parametrize(
    ("path", "status"),
    [("/v1/nothing", 404), ("/", 404), ("/v1/chat/completions/", 404), ("/v1//models", 404)],
)
def test_an_unknown_path_is_404(house: House, key: Key, path: str, status: int) -> None:
    assert get(house.address, key.text, path).status == status


def test_a_wrong_method_names_the_right_one(house: House, key: Key) -> None:
    reply = get(house.address, key.text, "/v1/embeddings")
    assert reply.status == 405
    assert reply.headers["allow"] == "POST"


def test_an_unknown_model_is_404_in_either_dialect(house: House, key: Key) -> None:
    assert post(house.address, key.text, hello("nobody")).error["code"] == "model_not_found"
    reply = post(house.address, key.text, hello_claude("nobody"), "/v1/messages")
    assert (reply.status, reply.error["type"]) == (404, "not_found_error")


def test_a_body_declared_too_large_is_refused_unread(house: House, key: Key) -> None:
    with connect(house.address) as way:
        way.sendall(head("/v1/chat/completions", key.text, "content-length: 40000000"))
        reply = read(way)
    assert (reply.status, reply.error["type"]) == (413, "invalid_request_error")


def test_a_body_that_grows_too_large_is_refused_at_the_limit(house: House, key: Key) -> None:
    before = house.resident_bytes()
    piece = b"%x\r\n" % (1 << 20) + b"a" * (1 << 20) + b"\r\n"
    with connect(house.address) as way:
        way.sendall(head("/v1/chat/completions", key.text, "transfer-encoding: chunked"))
        reply = sent_until_refused(way, piece, 64)
    assert reply.status == 413
    assert house.resident_bytes() < before + (120 << 20)


def sent_until_refused(way: socket.socket, piece: bytes, most: int) -> Reply:
    for _ in range(most):
        try:
            way.sendall(piece)
        except OSError:
            break
    return read(way)


def test_a_long_prompt_of_ten_megabytes_is_answered_or_refused(house: House, key: Key) -> None:
    ask = hello(messages=[{"role": "user", "content": "a" * 10_000_000}])
    assert post(house.address, key.text, ask).status in {200, 400, 402}


def test_a_bomb_from_the_caller_is_not_unpacked(house: House, key: Key) -> None:
    body = gzip.compress(b"a" * 50_000_000)
    path = "/v1/chat/completions"
    reply = post(house.address, key.text, body, path, "content-encoding: gzip")
    assert reply.status == 415


def test_a_type_other_than_json_is_415(house: House, key: Key) -> None:
    data = b"model=chat"
    with connect(house.address) as way:
        kind = "content-type: application/x-www-form-urlencoded"
        length = f"content-length: {len(data)}"
        way.sendall(head("/v1/chat/completions", key.text, kind, length) + data)
        assert read(way).status == 415


def test_two_keys_a_key_in_the_query_and_no_key_are_refused(house: House, key: Key) -> None:
    path = "/v1/chat/completions"
    assert post(house.address, key.text, hello(), path, "x-api-key: sk-other").status == 400
    data = b"{}"
    with connect(house.address) as way:
        line = f"POST {path}?api_key={key.text} HTTP/1.1\r\nhost: localhost\r\n"
        way.sendall(line.encode() + b"content-length: 2\r\n\r\n" + data)
        assert read(way).status == 401


def test_a_wrong_key_is_judged_before_the_body(house: House) -> None:
    assert post(house.address, "sk-troth-wrong", b"not json").status == 401


SMUGGLING = {
    "both lengths": ("content-length: 2", "transfer-encoding: chunked"),
    "two lengths": ("content-length: 2", "content-length: 3"),
    "a signed length": ("content-length: +2",),
    "a listed length": ("content-length: 2, 2",),
    "a length in hex": ("content-length: 0x2",),
    "gzip, chunked": ("transfer-encoding: gzip, chunked",),
    "a space before the colon": ("content-length : 2",),
    "a folded line": ("x-a: 1\r\n b", "content-length: 2"),
    "two hosts": ("host: other", "content-length: 2"),
    "a null": ("x-a: \0", "content-length: 2"),
}


@pytest.mark.parametrize("kind", SMUGGLING)
def test_what_could_smuggle_is_refused_and_closed(house: House, key: Key, kind: str) -> None:
    first = head("/v1/chat/completions", key.text, *SMUGGLING[kind]) + b"{}"
    second = head("/v1/models", key.text, method="GET")
    with connect(house.address) as way:
        way.sendall(first + second)
        assert read(way).status == 400
        assert rest(way).count(b"HTTP/1.1") == 0


def rest(way: socket.socket) -> bytes:
    parts = []
    try:
        while data := way.recv(1 << 16):
            parts.append(data)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (("x-long: " + "a" * 20_000,), 431),
        (tuple(f"x-{number}: 1" for number in range(150)), 431),
    ],
)
def test_too_many_headers_are_431(
    house: House, key: Key, lines: tuple[str, ...], status: int
) -> None:
    assert get(house.address, key.text, "/v1/models", *lines).status == status


def test_too_long_a_target_is_414(house: House, key: Key) -> None:
    assert get(house.address, key.text, "/v1/" + "a" * 10_000).status == 414


def test_a_slow_body_does_not_keep_others_waiting(house: House, key: Key) -> None:
    slow = [connect(house.address) for _ in range(100)]
    try:
        for way in slow:
            way.sendall(head("/v1/chat/completions", key.text, "content-length: 100000") + b"{")
        watch = Stopwatch()
        for _ in range(20):
            assert post(house.address, key.text, hello()).status == 200
        assert watch.seconds < SILENT_SECONDS
    finally:
        for way in slow:
            way.close()


def test_slow_senders_are_told_and_closed(slow_house: House) -> None:
    key = slow_house.key()
    with connect(slow_house.address) as way, connect(slow_house.address) as other:
        way.sendall(head("/v1/chat/completions", key.text, "content-length: 1000") + b"{")
        other.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: local")
        assert read(way).status == 408
        assert read(other).status == 408
        assert rest(way) == rest(other) == b""
    assert post(slow_house.address, key.text, hello()).status == 200


def test_clients_that_hang_up_in_the_middle_hurt_nobody(house: House, key: Key) -> None:
    for _ in range(20):
        with connect(house.address) as way:
            way.sendall(head("/v1/chat/completions", key.text, "content-length: 1000") + b"{")
