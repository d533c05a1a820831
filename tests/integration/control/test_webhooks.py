"""Webhooks on the control port: no secret no route, nothing forged moves anything."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from tests.builders.paying_office import PayingOffice
from tests.builders.payment_company import SealedEnvelope
from troth.control.billing.ports import About, Notice
from troth.kernel.clock import ManualClock, SystemClock
from troth.kernel.log import Log
from troth.server.control_port import HOOK_BYTES_MAX, HOOK_PATH, ControlPort
from troth.server.office import Office
from troth.server.webhooks import webhooks

MINUTE = 60_000


@pytest.fixture
def url(tmp_path: Path) -> str:
    """One database: what is asked of it here is asked of both beside."""
    return f"sqlite:///{tmp_path / 'troth.db'}"


class Port:
    """A control port on a socket, with the webhooks of an office."""

    def __init__(self, address: tuple[str, int], paying: PayingOffice, lines: list[bytes]) -> None:
        self.address = address
        self.paying = paying
        self.lines = lines

    def send(
        self, body: bytes, signature: str = "", method: str = "POST", path: str = HOOK_PATH
    ) -> int:
        connection = http.client.HTTPConnection(*self.address, timeout=10)
        headers = {"stripe-signature": signature} if signature else {}
        try:
            connection.request(method, path, body, headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def deliver(self, notice: Notice, *, age_ms: int = 0) -> int:
        now_s = (self.paying.clock.now_ms() - age_ms) // 1_000
        return self.send(*self.paying.envelope.seal(notice, now_s))


@contextmanager
def port_of(paying: PayingOffice, office: Office | None = None) -> Iterator[Port]:
    lines: list[bytes] = []
    log = Log(lines.append, paying.clock, "control")
    port = ControlPort(lambda: True, lambda: b"", "text/plain", SystemClock())
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    port.serve(listener, webhooks(office or paying.office, log))
    try:
        yield Port(address, paying, lines)
    finally:
        port.stop()


@pytest.fixture
def port(paying: PayingOffice) -> Iterator[Port]:
    with port_of(paying) as port:
        yield port


def paid(paying: PayingOffice) -> tuple[bytes, Notice]:
    acme = paying.organization("acme")
    _, session = paying.page("acme", 900)
    paying.company.pay(session)
    return acme, paying.company.events[-1]


def test_a_sealed_webhook_credits_before_it_is_answered(port: Port) -> None:
    acme, notice = paid(port.paying)
    assert port.deliver(notice) == 200
    assert port.paying.cents(acme) == 900
    assert port.deliver(notice) == 200
    assert port.paying.cents(acme) == 900
    assert port.lines == []


@pytest.mark.parametrize("secret", [None, ""])
def test_without_a_secret_there_is_no_route(paying: PayingOffice, secret: str | None) -> None:
    acme, notice = paid(paying)
    assert paying.office.cashier is not None
    cashier = replace(paying.office.cashier, envelope=None) if secret is None else None
    with port_of(paying, replace(paying.office, cashier=cashier)) as port:
        assert port.deliver(notice) == 404
        assert port.send(b"", method="GET") == 404
    assert paying.cents(acme) == 0


def test_forged_old_and_changed_webhooks_move_nothing(port: Port) -> None:
    paying = port.paying
    acme, notice = paid(paying)
    now_s = paying.clock.now_ms() // 1_000
    body, seal = paying.envelope.seal(notice, now_s)
    _, foreign = SealedEnvelope("whsec_of_somebody_else").seal(notice, now_s)
    sent = [(body, ""), (body, foreign), (body + b" ", seal), (b"", seal), (body, "t=1,v1=" + "0")]
    sent += [(body, "\u00e9" * 20), (body, "t=" + "9" * 4_000)]
    assert [port.send(*each) for each in sent] == [400] * len(sent)
    assert port.deliver(notice, age_ms=6 * MINUTE) == 400
    assert paying.cents(acme) == 0
    assert port.deliver(notice) == 200


def test_a_large_body_is_refused_before_it_is_verified(port: Port) -> None:
    acme, notice = paid(port.paying)
    large = b" " * (HOOK_BYTES_MAX + 1)
    body, seal = port.paying.envelope.seal(notice, port.paying.clock.now_ms() // 1_000)
    assert port.send(body + large, seal) == 413
    assert port.paying.cents(acme) == 0


def test_only_post_is_taken(port: Port) -> None:
    assert port.send(b"", method="GET") == 405
    assert port.send(b"", method="GET", path="/healthz") == 200


def test_a_company_that_is_down_sends_it_again(port: Port) -> None:
    acme, notice = paid(port.paying)
    port.paying.company.down = 1
    assert port.deliver(notice) == 503
    assert b'"event":"WebhookFailed"' in port.lines[0]
    assert port.paying.cents(acme) == 0
    assert port.deliver(notice) == 200
    assert port.paying.cents(acme) == 900


def test_a_notice_of_nothing_we_know_is_taken_and_forgotten(port: Port, clock: ManualClock) -> None:
    about = "evt_of_a_test"
    for number, kind in enumerate(About):
        notice = Notice(f"evt_{number}", kind, about, clock.now_ms() // 1_000)
        assert port.deliver(notice) == 200
    assert port.paying.items() == []


def test_what_is_kept_of_a_webhook_is_its_name(port: Port) -> None:
    _, notice = paid(port.paying)
    port.deliver(notice)
    with port.paying.office.store.read() as tx:
        rows = tx.rows("SELECT id, at FROM payment_event", (), tuple[str, int])
    assert rows == [(notice.event, port.paying.clock.now_ms())]
    assert msgspec.json.encode(notice) not in b"".join(port.lines)
