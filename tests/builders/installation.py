"""A whole installation on free ports with the simulated provider, to be broken by a test."""

import http.client
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Final, TypeVar

import msgspec
from typing_extensions import override

from tests.journeys.patience import wait_until
from troth.kernel.clock import SystemClock
from troth.kernel.log import Log
from troth.kernel.secret import Secret
from troth.server import assemble
from troth.server.settings import (
    DataSettings,
    ProviderSettings,
    ServerSettings,
    Settings,
    StoreSettings,
)
from troth.server.sockets import address_of, alone_in
from troth.server.supervisor import Supervisor

START_SECONDS: Final = 30
END_SECONDS: Final = 45
ASK: Final = {"model": "simulated", "messages": [{"role": "user", "content": "hello"}]}

Shape = TypeVar("Shape")


class Told(msgspec.Struct):
    """What an answer said; `cost_nusd` is -1 unless it told one."""

    status: int
    text: bytes
    request: str = ""
    cost_nusd: int = -1


class Shown(msgspec.Struct):
    """What management shows; each test reads what it needs."""

    ref: str = ""
    text: str = ""
    posted_nusd: int = 0
    held_nusd: int = 0
    available_nusd: int = 0
    is_in_force: bool = False
    silent: tuple[int, ...] = ()


class UnixConnection(http.client.HTTPConnection):
    """HTTP to the management socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    @override
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self._path))


class Installed:
    """A running installation. Its supervisor is a thread here, its children are processes."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lines: list[bytes] = []
        self.standings = 0
        clock = SystemClock()
        self.sockets = assemble.sockets(settings)
        self.api_port = address_of(self.sockets.slots[0]).port
        self.control_port = address_of(self.sockets.port).port
        self.supervisor = Supervisor(
            assemble.installation(settings),
            self.sockets,
            clock,
            Log(self.lines.append, clock, "supervisor"),
            on_standing=lambda _: self._stands(),
        )
        self._thread = Thread(target=self.supervisor.run, name="supervisor")

    def _stands(self) -> None:
        self.standings += 1

    def start(self) -> None:
        """Start and wait until everything answers."""
        self._thread.start()
        wait_until(lambda: self.standings > 0, START_SECONDS, "the installation stands")

    def stop(self) -> None:
        """End in order."""
        if self._thread.is_alive():
            self.supervisor.stop()
            self._thread.join(END_SECONDS)
        assert not self._thread.is_alive()

    def events(self, name: str) -> list[bytes]:
        """Return the supervisor's log lines of one kind."""
        mark = f'"event":"{name}"'.encode()
        return [line for line in self.lines if mark in line]

    # --- an operator ---------------------------------------------------------------------------

    def manage(self, method: str, path: str, body: dict[str, str | int] | None = None) -> Shown:
        """Ask the management API."""
        connection = UnixConnection(self.settings.run_folder / "control.sock")
        content = msgspec.json.encode(body) if body is not None else None
        connection.request(method, path, content, {"content-type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        assert answer.status < 300, text
        return msgspec.json.decode(text, type=Shown)

    def organization(self, name: str, usd: str = "5", **limits: int) -> str:
        """Make an organization with credit; return a key of it."""
        self.manage("POST", "/organizations", {"name": name})
        self.manage("POST", f"/organizations/{name}/credits", {"amount_usd": usd})
        return self.manage("POST", f"/organizations/{name}/keys", {"name": "k", **limits}).text

    def wallet(self, name: str) -> Shown:
        """Return a wallet."""
        return self.manage("GET", f"/organizations/{name}/wallet")

    def metrics(self) -> str:
        """Return the control port's metrics."""
        return self.get(self.control_port, "/metrics")[1].decode()

    def get(self, port: int, path: str) -> tuple[int, bytes]:
        """Return status and body of a plain request."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, text

    # --- a caller ------------------------------------------------------------------------------

    def ask(self, key: str, **more: int | bool) -> Told:
        """Send one request on a connection of its own."""
        begun = self.begin(key, **more)
        try:
            return begun.end()
        finally:
            begun.close()

    def begin(self, key: str, **more: int | bool) -> "Begun":
        """Send a request; return when its answer has begun."""
        connection = http.client.HTTPConnection("127.0.0.1", self.api_port, timeout=20)
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        content = msgspec.json.encode({**ASK, **more})
        try:
            connection.request("POST", "/v1/chat/completions", content, headers)
            return Begun(connection, connection.getresponse())
        except BaseException:
            connection.close()
            raise


class Begun:
    """An answer that has begun."""

    def __init__(
        self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse
    ) -> None:
        self._connection = connection
        self._answer = answer

    def end(self) -> Told:
        """Read it to its end."""
        headers = self._answer.headers
        cost = int(headers.get("x-troth-cost-nusd", -1))
        text = self._answer.read()
        return Told(self._answer.status, text, headers.get("x-request-id", ""), cost)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


@contextmanager
def installed(
    folder: Path, gateways: int = 1, *, store_url: str = "", **server: int | str | bool
) -> Iterator[Installed]:
    """Run an installation over a folder."""
    values = {"bind": "127.0.0.1:0", "control_bind": "127.0.0.1:0", "gateways": gateways}
    settings = Settings(
        server=msgspec.convert({**values, **server}, ServerSettings),
        data=DataSettings(str(folder)),
        store=StoreSettings(Secret(store_url)),
        providers={"simulated": ProviderSettings("simulated")},
    )
    with standing(settings) as one:
        yield one


@contextmanager
def standing(settings: Settings) -> Iterator[Installed]:
    """Run an installation with these settings."""
    with alone_in(settings.run_folder):
        one = Installed(settings)
        try:
            one.start()
            yield one
        finally:
            one.stop()


def end(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """End a process of the installation."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
