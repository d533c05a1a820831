"""What the control port says to requests that it cannot serve."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from troth.kernel.clock import SystemClock
from troth.server.control_port import ControlPort


@pytest.fixture
def port() -> Iterator[int]:
    one = ControlPort(lambda: False, lambda: b"numbers", "text/plain", SystemClock())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number: int = listener.getsockname()[1]
        one.serve(socket.socket(fileno=listener.detach()))
    yield number
    one.stop()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 503),
        ("GET", "/status.json", 503),
        ("GET", "/metrics", 200),
        ("POST", "/healthz", 405),
        ("DELETE", "/metrics", 405),
        ("GET", "/webhooks/stripe", 404),
        ("GET", "/etc/passwd", 404),
    ],
)
def test_each_request_has_its_status(port: int, method: str, path: str, status: int) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        assert answer.status == status
        assert "\r" not in answer.read().decode()


def test_bad_framing_is_refused_in_plain_words(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 20) as way:
        way.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")  # no Host
        said = b""
        while data := way.recv(4_096):
            said += data
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.endswith(b"\r\n\r\nrefused\n")
