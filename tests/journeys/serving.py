"""An installation as an operator runs it: `troth serve` on free ports, over a folder of its own."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx2
import msgspec

from tests.journeys.catalog import Row, providers, rows
from tests.journeys.patience import wait_until
from tests.journeys.raw_http import Reply, connect, get, read
from troth.gateway.exchange import Fields, Json
from troth.proof.canary import Canary
from troth.proof.twin.children import free_port
from troth.proof.twin.upstream import Seen

READY_SECONDS: Final = 60
END_SECONDS: Final = 45
TROTH: Final = str(Path(sys.executable).with_name("troth"))


class Key(msgspec.Struct, frozen=True):
    """A key and whose it is."""

    text: str
    ref: str
    org: str


class Wallet(msgspec.Struct, frozen=True):
    """A wallet: `held_nusd` is what gateways have of it, as leases or set aside for a request."""

    posted_nusd: int
    held_nusd: int
    available_nusd: int


class TwinView:
    """The mock provider, as a test asks it."""

    def __init__(self, address: str) -> None:
        self.address = address

    def seen(self, model: str = "") -> list[Seen]:
        """Return what it was sent, of one model or of all."""
        reply = httpx2.get(f"{self.address}/__seen", params={"model": model} if model else None)
        return msgspec.json.decode(reply.content, type=list[Seen])

    def forget(self) -> None:
        """Let it forget."""
        httpx2.delete(f"{self.address}/__seen")


class House:
    """A running installation, and what an operator can ask of it."""

    def __init__(self, folder: Path, twin: TwinView, more: str, gateways: int) -> None:
        self.twin = twin
        self.top = folder
        self.folder = folder / "data"
        self.control = Canary(os.urandom(32))
        self.control_model = self.control.text(2)
        self.address = f"http://127.0.0.1:{free_port()}"
        self.control_address = f"http://127.0.0.1:{free_port()}"
        self._log = folder / "log"
        config = folder / "troth.toml"
        config.write_text(self._settings(twin, gateways) + more, encoding="utf-8")
        command = [TROTH, "serve", "--config", str(config)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        transport = httpx2.HTTPTransport(uds=str(self.folder / "run" / "control.sock"))
        self._management = httpx2.Client(transport=transport, base_url="http://control", timeout=20)
        self._lock = threading.Lock()
        self._made = 0

    def _settings(self, twin: TwinView, gateways: int) -> str:
        server = (
            f'[server]\nbind = "{self.address.removeprefix("http://")}"\n'
            f'control_bind = "{self.control_address.removeprefix("http://")}"\n'
            f'gateways = {gateways}\n[data]\nfolder = "{self.folder}"\n'
        )
        models = [*rows(), Row(self.control_model, "twin", "words-3")]
        return server + providers(twin.address) + "".join(row.toml() for row in models)

    # --- standing and ending -------------------------------------------------------------------

    def wait_until_ready(self) -> None:
        """Wait until it serves; fail with what it said when it does not."""

        def is_ready() -> bool:
            assert self._process.poll() is None, self._log.read_text(encoding="utf-8")[-3_000:]
            try:
                return httpx2.get(f"{self.address}/readyz").status_code == 200
            except httpx2.TransportError:
                return False

        wait_until(is_ready, READY_SECONDS, "the installation serves")

    def stop(self) -> int:
        """End it in order; return its exit status."""
        self._management.close()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def pids(self) -> list[int]:
        """Return the processes: the supervisor and its children."""
        return [self._process.pid, *children_of(self._process.pid)]

    def gateway_pids(self) -> list[int]:
        """Return the gateway processes that serve now."""
        return [
            pid for pid in children_of(self._process.pid) if b"gateway_process" in command_line(pid)
        ]

    def resident_bytes(self) -> int:
        """Return the memory of the largest gateway."""
        pages = [
            int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
            for pid in self.gateway_pids()
        ]
        return max(pages) * os.sysconf("SC_PAGESIZE")

    # --- what an operator does -----------------------------------------------------------------

    def manage(self, method: str, path: str, body: Json = None) -> Json:
        """Ask the management API."""
        content = None if body is None else msgspec.json.encode(body)
        headers = {"content-type": "application/json"}
        with self._lock:
            reply = self._management.request(method, path, content=content, headers=headers)
        assert reply.is_success, reply.text
        answer: Json = msgspec.json.decode(reply.content)
        return answer

    def key(self, *, credit_usd: str = "5", organization: str = "", **terms: Json) -> Key:
        """Make an organization with credit and return a key of it."""
        self._made += 1
        name = organization or f"organization {self._made}"
        org = text_at(self.manage("POST", "/organizations", {"name": name}), "ref")
        if credit_usd != "0":
            self.manage("POST", f"/organizations/{org}/credits", {"amount_usd": credit_usd})
        made = self.manage("POST", f"/organizations/{org}/keys", {"name": "journey", **terms})
        return Key(text_at(made, "text"), text_at(made, "ref"), org)

    def revoke(self, key: Key) -> None:
        """Revoke a key; every gateway must confirm."""
        changed = self.manage("POST", f"/keys/{key.ref}/revoke")
        assert isinstance(changed, dict)
        assert changed["is_in_force"] is True

    def wallet(self, key: Key) -> Wallet:
        """Return the wallet of a key's organization."""
        return msgspec.convert(self.manage("GET", f"/organizations/{key.org}/wallet"), Wallet)

    def receipts(self, key: Key) -> dict[str, int]:
        """Return the charges of an organization's newest requests, in nano-USD."""
        listed = self.manage("GET", f"/organizations/{key.org}/receipts?limit=1000")
        assert isinstance(listed, list)
        return {text_at(one, "id"): number_at(one, "charged_nusd") for one in listed}

    def posted(self, key: Key) -> int:
        """Return what is left of a wallet, in nano-USD, once no posting is on its way."""
        before, now = -1, self.wallet(key).posted_nusd
        while before != now:
            time.sleep(0.15)
            before, now = now, self.wallet(key).posted_nusd
        return now

    def settled(self, key: Key, within: float = 20) -> Wallet:
        """Wait until no gateway has anything of a wallet any more; return it.

        A gateway gives a lease back when it was not used for a while, and it cannot give back what
        a reservation has: so nothing lent means that no reservation is left.
        """
        wait_until(lambda: self.wallet(key).held_nusd == 0, within, "the wallet is whole")
        return self.wallet(key)

    def receipt(self, key: Key, request: str) -> Fields:
        """Return a receipt as its key may read it, once it is posted."""
        found: list[Reply] = []

        def is_posted() -> bool:
            found[:] = [get(self.address, key.text, f"/v1/receipts/{request}")]
            return found[0].status == 200

        wait_until(is_posted, 5, "the receipt is posted")
        return found[0].fields

    def metrics(self) -> str:
        """Return what the control port tells a scraper."""
        return httpx2.get(f"{self.control_address}/metrics").text

    def shown(self) -> Mapping[str, bytes]:
        """Return all that the installation says of itself, by the kind of place."""
        organizations = msgspec.json.encode(self.manage("GET", "/organizations"))
        listed = msgspec.json.decode(organizations, type=list[dict[str, str | int | bool]])
        receipts = [
            msgspec.json.encode(self.manage("GET", f"/organizations/{one['ref']}/receipts"))
            for one in listed
        ]
        return {
            "log": self._log.read_bytes(),
            "metrics": self.metrics().encode(),
            "organizations": organizations,
            "receipts": b"".join(receipts),
            "usage": msgspec.json.encode(self.manage("GET", "/usage?by=model")),
            "audit": msgspec.json.encode(self.manage("GET", "/audit?limit=1000")),
        }

    def ask(self, request: bytes) -> Reply:
        """Send bytes, read one answer."""
        with connect(self.address) as way:
            way.sendall(request)
            return read(way)


def text_at(value: Json, name: str) -> str:
    """Return a string of an object."""
    assert isinstance(value, dict)
    found = value[name]
    assert isinstance(found, str)
    return found


def cost_in(event: Json) -> int:
    """Return the cost that a stream's last event tells, in nano-USD."""
    assert isinstance(event, dict)
    usage = event["usage"]
    assert isinstance(usage, dict)
    cost = usage["cost"]
    assert isinstance(cost, float)
    return round(cost * 1e9)


def number_at(value: Json, *path: str) -> int:
    """Return an integer of an object, or of one within it."""
    for name in path:
        assert isinstance(value, dict), value
        value = value[name]
    assert isinstance(value, int)
    return value


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started and that still run."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(text) for text in (task / "children").read_text(encoding="ascii").split()]
    return found


def command_line(pid: int) -> bytes:
    """Return a process's command line, empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


@contextmanager
def running_house(
    folder: Path, twin: TwinView, *, more: str = "", gateways: int = 2
) -> Iterator[House]:
    """Run an installation while the block does."""
    house = House(folder, twin, more, gateways)
    try:
        house.wait_until_ready()
        yield house
    finally:
        house.stop()
