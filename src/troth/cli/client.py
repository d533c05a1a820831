"""HTTP to the management API over its Unix socket."""

import http.client
import socket
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote, urlencode

import click
import msgspec
from typing_extensions import override

_TIMEOUT_SECONDS: Final = 30
_ERROR: Final = 400
_OURS: Final = 500

Shape = TypeVar("Shape")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_SECONDS)
        self._path = path

    @override
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT_SECONDS)
        self.sock.connect(str(self._path))


class _Fault(msgspec.Struct):
    message: str


class _Refusal(msgspec.Struct):
    error: _Fault


class Refused(click.ClickException):
    """Management said no, and why."""

    exit_code = 2


class Found(click.ClickException):
    """Management found something that is not as it should be."""

    exit_code = 1


class Unreachable(click.ClickException):
    """Nobody answers."""

    exit_code = 3


class Client:
    """Calls management. Paths are given in parts; each is quoted."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, *parts: str, **query: str | int) -> bytes:
        """Return what is there.

        Raises:
            Refused, Found, Unreachable: with the reason.
        """
        return self._call("GET", parts, urlencode(query), b"")

    def post(
        self,
        *parts: str,
        body: msgspec.Struct | dict[str, str | int] | None = None,
        once: str = "",
    ) -> bytes:
        """Change something; return what came of it. The same `once` is done once.

        Raises:
            Refused, Found, Unreachable: with the reason.
        """
        content = msgspec.json.encode(body) if body else b""
        return self._call("POST", parts, "", content, once=once)

    def _call(
        self, method: str, parts: tuple[str, ...], query: str, body: bytes, *, once: str = ""
    ) -> bytes:
        target = "/" + "/".join(quote(part, safe="") for part in parts)
        connection = _UnixConnection(self._path)
        headers = {"content-type": "application/json"} if body else {}
        headers |= {"idempotency-key": once} if once else {}
        try:
            connection.request(method, f"{target}?{query}" if query else target, body, headers)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(
                f"management does not answer on {self._path}: {type(error).__name__}. "
                "Next: 'troth doctor'."
            ) from None
        finally:
            connection.close()
        if response.status >= _ERROR:
            raise _refusal(response.status, answer)
        return answer


def _refusal(status: int, answer: bytes) -> click.ClickException:
    try:
        sentence = msgspec.json.decode(answer, type=_Refusal).error.message
    except msgspec.MsgspecError:
        sentence = f"management answered {status}."
    if status == _OURS:
        return Found(f"{sentence} Next: 'troth doctor'.")
    return Unreachable(sentence) if status > _OURS else Refused(sentence)


def read(body: bytes, shape: type[Shape]) -> Shape:
    """Return an answer as the shape that management gives it."""
    return msgspec.json.decode(body, type=shape)
