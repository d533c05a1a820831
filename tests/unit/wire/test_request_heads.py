"""Which bytes are a request's head, and what is read from them."""

import pytest

from troth.wire.framing import HeadReader, Refusal, refuse_partial
from troth.wire.limits import ServerLimits

LIMITS = ServerLimits()


def head_of(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode("latin-1")


def refused(raw: bytes, limits: ServerLimits = LIMITS) -> int:
    with pytest.raises(Refusal) as caught:
        HeadReader(limits).read(raw, "127.0.0.1")
    return caught.value.status


def test_a_usual_head_is_read_whole() -> None:
    head = HeadReader(LIMITS).read(
        head_of(
            "POST /v1/chat/completions?a=1&b HTTP/1.1\nHost: api.example:8080\n"
            "Content-Type: application/json\ncontent-length:  12 \nX-Odd-Name: a\nx-odd-name:b"
        ),
        "192.0.2.7",
    )
    assert (head.method, head.path, head.query) == ("POST", "/v1/chat/completions", "a=1&b")
    assert head.headers == {
        b"host": b"api.example:8080",
        b"content-type": b"application/json",
        b"content-length": b"12",
        b"x-odd-name": b"a, b",
    }
    assert (head.peer, head.content_length, head.has_body) == ("192.0.2.7", 12, True)
    assert not head.expects_continue
    assert not head.is_chunked
    assert not head.wants_close


def test_one_empty_line_before_a_head_is_passed_over() -> None:
    known = frozenset(("/v1/models",))
    reader = HeadReader(LIMITS, known)
    for _ in range(2):
        head = reader.read(head_of("\nGET /v1/models HTTP/1.1\nHost: x"), "")
        assert (head.method, head.path) == ("GET", "/v1/models")
    assert refused(head_of("\n\nGET / HTTP/1.1\nHost: x")) == 400
    assert refused(head_of("\n")) == refused(b"") == 400
    long = ServerLimits(target_bytes=9, headers_bytes=40)
    assert refused(head_of("\nGET /0123456789 HTTP/1.1\nHost: x"), long) == 414


def test_the_raw_path_is_kept() -> None:
    reader = HeadReader(LIMITS)
    for _ in range(2):
        head = reader.read(head_of("GET //v1/%2e%2e/models HTTP/1.1\nHost: x"), "")
        assert head.path == "//v1/%2e%2e/models"


def test_only_first_lines_of_known_paths_are_remembered() -> None:
    reader = HeadReader(LIMITS, frozenset(("/v1/chat/completions",)))
    known = b"POST /v1/chat/completions HTTP/1.1"
    for line in (
        known,
        b"GET /v1/chat/completion HTTP/1.1",
        b"GET /a-secret HTTP/1.1",
        b"POST /v1/chat/completions?secret=1 HTTP/1.1",
        b"SECRET /v1/chat/completions HTTP/1.1",
    ):
        for _ in range(2):
            head = reader.read(line + b"\r\nHost: x", "")
            assert line.startswith(f"{head.method} {head.path}".encode())
    assert list(reader._first_lines) == [known]


def test_first_lines_are_remembered_within_bounds() -> None:
    paths = frozenset(f"/{number}" for number in range(200))
    reader = HeadReader(LIMITS, paths)
    for path in paths:
        assert reader.read(head_of(f"GET {path} HTTP/1.1\nHost: x"), "").path == path
    assert 0 < len(reader._first_lines) <= 64


@pytest.mark.parametrize(
    ("lines", "closes", "waits"),
    [
        ("GET / HTTP/1.1\nHost: x", False, False),
        ("GET / HTTP/1.1\nHost: x\nConnection: keep-alive", False, False),
        ("GET / HTTP/1.1\nHost: x\nConnection: close", True, False),
        ("GET / HTTP/1.1\nHost: x\nConnection: Keep-Alive, Close", True, False),
        ("GET / HTTP/1.1\nHost: x\nConnection: Upgrade\nUpgrade: h2c", True, False),
        ("GET / HTTP/1.0\nHost: x\nConnection: keep-alive", True, False),
        ("POST / HTTP/1.1\nHost: x\nContent-Length: 1\nExpect: 100-Continue", False, True),
        ("POST / HTTP/1.1\nHost: x\nContent-Length: 0\nExpect: 100-continue", False, False),
        ("POST / HTTP/1.0\nHost: x\nContent-Length: 1\nExpect: 100-continue", True, False),
    ],
)
def test_what_follows_the_answer_is_read(lines: str, *, closes: bool, waits: bool) -> None:
    head = HeadReader(LIMITS).read(head_of(lines), "")
    assert (head.wants_close, head.expects_continue) == (closes, waits)


@pytest.mark.parametrize("method", ["GET", "PATCH", "PROPFIND", "X"])
def test_unknown_methods_are_left_to_the_endpoints(method: str) -> None:
    assert HeadReader(LIMITS).read(head_of(f"{method} / HTTP/1.1\nHost: x"), "").method == method


@pytest.mark.parametrize(
    ("first", "status"),
    [
        ("", 400),
        ("GET /", 400),
        ("GET  / HTTP/1.1", 400),
        (" GET / HTTP/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        ("GET / HTTP/1.1 x", 400),
        ("GET\t/ HTTP/1.1", 400),
        ("get / HTTP/1.1", 400),
        ("G?T / HTTP/1.1", 400),
        ("ABCDEFGHIJKLMNOPQRSTU / HTTP/1.1", 400),
        ("CONNECT /x HTTP/1.1", 405),
        ("TRACE / HTTP/1.1", 405),
        ("GET http://x/ HTTP/1.1", 400),
        ("GET x:443 HTTP/1.1", 400),
        ("OPTIONS * HTTP/1.1", 400),
        ("GET /#fragment HTTP/1.1", 400),
        ("GET /\xe4 HTTP/1.1", 400),
        ("GET / HTTP/1.2", 505),
        ("GET / HTTP/2.0", 505),
        ("GET / HTTP/0.9", 505),
        ("GET / http/1.1", 400),
        ("GET / HTTP/1.1.1", 400),
        ("GET / HTTP/11", 400),
        ("GET /" + "a" * 8_192 + " HTTP/1.1", 414),
    ],
)
def test_a_wrong_first_line_is_refused(first: str, status: int) -> None:
    assert refused(head_of(first + "\nHost: x")) == status


@pytest.mark.parametrize(
    "field",
    [
        "Content-Length: 5\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\nContent-Length: 5",
        "Content-Length: 5\nContent-Length: 5",
        "Content-Length: 5\ncontent-length:5",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5_0",
        "Content-Length: 5 0",
        "Content-Length: \xb2",
        "Content-Length: ",
        "Content-Length: 1234567890123456",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: ",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding : chunked",
        "Content-Length : 5",
        " Content-Length: 5",
        "\tContent-Length: 5",
        "A: b\n folded",
        "A: b\n\tfolded",
        "A",
        ": b",
        "A b: c",
        "A\x00: c",
        "A: c\x00",
        "A: \x7f",
        "A: \x1b[0m",
        "A: b\rc",
        "A\xe4: b",
        "A(b): c",
        "Host: y",
        "host: x",
        "Authorization: a\nauthorization: b",
        "X-Api-Key: a\nX-API-Key: b",
        "Content-Type: a\nContent-type: b",
        "Idempotency-Key: a\nIdempotency-Key: a",
    ],
)
def test_an_ambiguous_header_is_refused(field: str) -> None:
    assert refused(head_of("POST / HTTP/1.1\nHost: x\n" + field)) == 400


def test_bare_line_ends_are_refused() -> None:
    assert refused(b"GET / HTTP/1.1\r\nHost: x\nA: b") == 400
    assert refused(b"GET / HTTP/1.1\r\nHost: x\rA: b") == 400
    assert refused(b"GET / HTTP/1.1\r\nHost: x\r\r\nA: b") == 400
    assert refused(b"GET / HTTP/1.1\nHost: x") == 400


@pytest.mark.parametrize("host", ["", "Host:", "Host: a b", "Host: a/b", "Host: a@b", "Host: \xe4"])
def test_a_request_needs_one_host(host: str) -> None:
    assert refused(head_of("GET / HTTP/1.1" + ("\n" + host if host else ""))) == 400


def test_chunks_need_the_newer_protocol() -> None:
    field = "POST / HTTP/1.{}\nHost: x\nTransfer-Encoding: Chunked"
    assert refused(head_of(field.format(0))) == 400
    head = HeadReader(LIMITS).read(head_of(field.format(1)), "")
    assert (head.is_chunked, head.has_body, head.content_length) == (True, True, None)


def test_another_expectation_is_refused() -> None:
    fields = "POST / HTTP/1.1\nHost: x\nContent-Length: 5\nExpect: a-pony"
    assert refused(head_of(fields)) == 417


def test_headers_are_limited_in_number_and_size() -> None:
    def with_fields(*fields: str) -> bytes:
        return head_of("\n".join(("GET / HTTP/1.1", "Host: x", *fields)))

    reader = HeadReader(LIMITS)
    reader.read(with_fields(*(f"a{number}: b" for number in range(99))), "")
    assert refused(with_fields(*(f"a{number}: b" for number in range(100)))) == 431
    reader.read(with_fields("a: " + "b" * 16_000), "")
    assert refused(with_fields("a: " + "b" * 16_400)) == 431
    reader.read(with_fields("a: " + "b" * 16_000, "b: " + "b" * 16_000), "")
    assert refused(with_fields(*(f"{name}: " + "b" * 16_000 for name in "abc"))) == 431


def test_a_head_that_can_never_be_right_is_refused_before_its_end() -> None:
    refuse_partial(bytearray(b"GET / HT"), LIMITS)
    refuse_partial(bytearray(b"GET / HTTP/1.1\r"), LIMITS)
    refuse_partial(bytearray(b"GET / HTTP/1.1\r\nA: " + b"b" * 32_000), LIMITS)
    for partial, status in (
        (b"GET /" + b"a" * 9_000, 414),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 8_000, 431),
        (b"GET / HTTP/1.1\nHost: x\n\n", 400),
    ):
        with pytest.raises(Refusal) as caught:
            refuse_partial(bytearray(partial), LIMITS)
        assert caught.value.status == status
