"""What a body may be: management reads no more than a mebibyte of one."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from troth.server.management import application
from troth.server.management_socket import BODY_BYTES, ManagementServer
from troth.server.office import Office

HEAD = b"POST /organizations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@pytest.fixture
def path(office: Office, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "m.sock"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listener:
        listener.bind(str(path))
        listener.listen()
        server = ManagementServer(application(office), listener)
        server.start()
        yield path
        server.stop()


def said(path: Path, *pieces: bytes) -> bytes:
    """Send until the other side has heard enough; return what it said."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as caller:
        caller.settimeout(10)
        caller.connect(str(path))
        try:
            for piece in pieces:
                caller.sendall(piece)
        except BrokenPipeError:
            pass
        return caller.recv(4_096)


def test_a_body_is_refused_by_its_declared_length_before_it_comes(path: Path) -> None:
    answer = said(path, HEAD + b"content-length: %d\r\n\r\n" % (BODY_BYTES + 1))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"request_too_large"' in answer


def test_a_body_without_a_length_is_refused_when_it_is_too_large(path: Path) -> None:
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    answer = said(path, HEAD + b"transfer-encoding: chunked\r\n\r\n", *[chunk] * 18)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_body_of_just_that_size_is_read(path: Path) -> None:
    body = b'{"name":"Ada"}'.ljust(BODY_BYTES)
    answer = said(path, HEAD + b"content-length: %d\r\n\r\n" % len(body), body)
    assert answer.startswith(b"HTTP/1.1 201 ")


UNKEPT = (
    ("/codes", b'{"amount_usd":"1","expires_at_ms":9223372036854775808}', 422),
    ("/codes", b'{"amount_usd":"1","uses_max":-99999999999999999999}', 422),
    ("/codes", b'{"amount_usd":"1","campaign":"\\ud800"}', 422),
    ("/organizations", b'{"name":"a\\u0000b"}', 422),
    ("/organizations/Ada/keys", b'{"name":"k","models":["\\udfff"]}', 422),
    ("/organizations/Ada/keys", b'{"name":"k","expires_at_ms":9223372036854775808}', 422),
    ("/organizations/%00/close", b"{}", 404),
    ("/organizations/a%00b/refunds", b"{}", 404),
    ("/keys/%00/revoke", b"{}", 404),
)


def test_what_no_database_holds_is_refused_by_its_field(path: Path) -> None:
    for target, body, status in UNKEPT:
        head = HEAD.replace(b"/organizations ", target.encode() + b" ")
        answer = said(path, head + b"content-length: %d\r\n\r\n" % len(body), body)
        assert answer.startswith(b"HTTP/1.1 %d " % status), (target, body)
        assert b"999999" not in answer
        assert b"Value error" not in answer
