"""Payments from the command line and the management API: what they do, print and refuse."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tests.builders.command_line import CommandLine
from tests.builders.paying_office import PayingOffice
from tests.builders.payment_company import DECLINED_CARD
from troth.cli.client import Client, Refused, Unreachable
from troth.control import audit
from troth.server.management import application
from troth.server.management_socket import ManagementServer
from troth.server.office import Office
from troth.server.payments.incoming import Page
from troth.server.shown_payments import (
    AutomaticTopup,
    ClosedAccount,
    Comparison,
    Payment,
    QueueItem,
)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """One database: what is asked of it here is asked of both beside."""
    return f"sqlite:///{tmp_path / 'troth.db'}"


@pytest.fixture
def troth(
    paying: PayingOffice,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[CommandLine]:
    """A command line that finds the paying office as a running installation; acme is there."""
    monkeypatch.chdir(tmp_path)
    run_folder = tmp_path / "troth-data" / "run"
    run_folder.mkdir(parents=True)
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listener:
        listener.bind(str(run_folder / "control.sock"))
        listener.listen()
        server = ManagementServer(application(paying.office), listener)
        server.start()
        paying.organization("acme")
        yield CommandLine(tmp_path, capsys)
        server.stop()


def buy(troth: CommandLine, paying: PayingOffice, usd: str = "10", *flags: str) -> str:
    page = troth.ask(Page, "wallet", "topup", "acme", usd, *flags)
    paying.company.pay(page.url.rpartition("/")[2])
    assert troth.ask(Payment, "payments", "check", page.topup).state == "paid"
    return page.topup


def test_a_topup_is_paid_on_a_page_and_checked(troth: CommandLine, paying: PayingOffice) -> None:
    said = troth.run("wallet", "topup", "acme", "12.50")
    assert said.code == 0
    assert "https://pay.example/" in said.out
    topup = said.err.split()[-1]
    assert troth.ask(Payment, "payments", "check", topup).state == "open"
    (session,) = paying.company.sessions
    paying.company.pay(session)
    said = troth.run("payments", "check", topup)
    assert "paid" in said.out
    assert "12.50 USD" in said.out
    assert "12.50" in troth.run("payments", "list", "acme").out


def test_a_refund_and_its_row(troth: CommandLine, paying: PayingOffice) -> None:
    topup = buy(troth, paying)
    said = troth.run("wallet", "refund", "acme", "4")
    assert said.code == 0
    assert "-4.00" in said.out
    (rest,) = troth.ask(list[Payment], "wallet", "refund", "acme")
    assert (rest.usd, rest.state, rest.of) == ("-6.00", "sent", topup)
    refused = troth.run("wallet", "refund", "acme")
    assert refused.code == 2
    assert "0.00 US dollars can be given back now" in refused.err
    listed = troth.ask(list[Payment], "payments", "list", "acme")
    assert sorted(each.kind for each in listed) == ["refund", "refund", "topup"]


def test_automatic_topup_is_set_shown_and_ended(troth: CommandLine, paying: PayingOffice) -> None:
    refused = troth.run("wallet", "auto", "acme", "--below", "5", "--add", "10")
    assert refused.code == 2
    assert "together" in refused.err
    amounts = ("--below", "5", "--add", "10", "--month-cap", "100")
    refused = troth.run("wallet", "auto", "acme", *amounts)
    assert "it has no saved card" in refused.err
    buy(troth, paying, "10", "--save-card")
    found = troth.ask(AutomaticTopup, "wallet", "auto", "acme", *amounts)
    assert (found.is_on, found.has_card, found.month_cap_usd) == (True, True, "100.00")
    assert "automatic top-up    on" in troth.run("wallet", "auto", "acme").out
    assert not troth.ask(AutomaticTopup, "wallet", "auto", "acme", "--off").is_on
    assert troth.run("wallet", "auto", "acme", "--off", "--drop-card").code == 2
    assert not troth.ask(AutomaticTopup, "wallet", "auto", "acme", "--drop-card").has_card


def test_an_account_is_closed_and_asked_about(troth: CommandLine, paying: PayingOffice) -> None:
    buy(troth, paying)
    said = troth.run("org", "close", "acme", "--yes")
    assert said.code == 1
    assert "refunding" in said.out
    paying.company.refund_done(*paying.company.refunds)
    paying.hear()
    done = troth.ask(ClosedAccount, "org", "close", "acme", "--yes")
    assert (done.state, done.refunded_usd, done.balance_usd) == (
        "closed",
        "10.000000000",
        "0.000000000",
    )
    assert "closes on" not in troth.run("org", "close", "acme", "--yes").out
    assert "closed since" in troth.run("org", "list").out


def test_the_queue_lists_and_resolves(troth: CommandLine, paying: PayingOffice) -> None:
    assert troth.run("payments", "queue").code == 0
    buy(troth, paying)
    assert troth.run("wallet", "refund", "acme", "--by-hand").code == 0
    said = troth.run("payments", "queue")
    assert said.code == 1
    assert "refund_by_hand" in said.out
    body = troth.run("payments", "queue", "--json").out
    (item,) = msgspec.json.decode(body, type=list[QueueItem])
    assert troth.ask(QueueItem, "payments", "resolve", item.ref).kind == "refund_by_hand"
    assert troth.run("payments", "queue").code == 0
    gone = troth.run("payments", "resolve", item.ref)
    assert gone.code == 2
    assert "There is no such item." in gone.err


def test_books_are_compared(troth: CommandLine, paying: PayingOffice) -> None:
    buy(troth, paying)
    assert troth.ask(Comparison, "payments", "reconcile").is_even
    paying.company.charge_elsewhere(500)
    said = troth.run("payments", "reconcile")
    assert said.code == 1
    assert "gap: charge txn_" in said.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("wallet", "topup", "acme", "1"), "'amount_usd': give 5.00 to 1000.00 US dollars"),
        (("wallet", "topup", "acme", "7.005"), "'amount_usd': give more than 0, in whole cents"),
        (("wallet", "topup", "acme", "x7"), "'amount_usd': give US dollars in digits"),
        (("wallet", "topup", "nobody", "7"), "There is no such organization."),
        (("wallet", "refund", "acme", "0"), "'amount_usd': give more than 0, in whole cents"),
        (("payments", "check", "top_x"), "There is no such top-up."),
        (("payments", "resolve", "itm_x"), "There is no such item."),
    ],
)
def test_bad_input_names_the_field_and_not_the_value(
    troth: CommandLine, arguments: tuple[str, ...], says: str
) -> None:
    said = troth.run(*arguments)
    assert said.code == 2
    assert says in said.err
    assert "x7" not in said.err


def test_changes_are_in_the_audit_list(troth: CommandLine, paying: PayingOffice) -> None:
    buy(troth, paying, "10", "--save-card")
    troth.run("wallet", "auto", "acme", "--below", "0", "--add", "10", "--month-cap", "10")
    troth.run("wallet", "auto", "acme", "--drop-card")
    troth.run("wallet", "refund", "acme", "5")
    with paying.office.store.read() as tx:
        actions = [entry.action for entry in audit.recent(tx, 9)][::-1]
        assert audit.verify(tx) == len(actions)
    assert actions == [
        "organization.create",
        "topup.begin",
        "topup.credit",
        "automatic_topup.on",
        "card.drop",
        "refund.begin",
    ]


def test_a_company_that_is_down_is_said_so(troth: CommandLine, paying: PayingOffice) -> None:
    paying.company.down = 1
    said = troth.run("wallet", "topup", "acme", "10")
    assert said.code == 3
    assert "The payment company does not answer." in said.err
    assert DECLINED_CARD not in said.err


def test_without_a_company_each_endpoint_says_so(office: Office, tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listener:
        path = tmp_path / "m.sock"
        listener.bind(str(path))
        listener.listen()
        server = ManagementServer(application(office), listener)
        server.start()
        client = Client(path)
        client.post("organizations", body={"name": "acme"})
        amounts = {"below_usd": "1", "amount_usd": "10", "month_cap_usd": "10"}
        posts: list[tuple[tuple[str, ...], dict[str, str | int]]] = [
            (("organizations", "acme", "topups"), {"amount_usd": "10"}),
            (("organizations", "acme", "refunds"), {"amount_usd": "10"}),
            (("organizations", "acme", "automatic-topup"), {**amounts}),
            (("organizations", "acme", "automatic-topup", "off"), {}),
            (("organizations", "acme", "card", "drop"), {}),
            (("organizations", "acme", "close"), {}),
            (("topups", "top_1", "check"), {}),
            (("payments", "reconcile"), {}),
        ]
        for path_parts, body in posts:
            with pytest.raises(Refused, match="Nobody takes payments here"):
                client.post(*path_parts, body=body)
        assert client.get("payments", "queue") == b"[]"
        server.stop()
    with pytest.raises(Unreachable):
        client.get("payments", "queue")
