"""What moves money is done once under an Idempotency-Key, and never as something else."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread

import msgspec
import pytest

from tests.builders.paying_office import PayingOffice
from troth.cli.client import Client, Refused
from troth.control import billing, deeds
from troth.control.billing import Asked
from troth.control.deeds import KEPT_MS, Once
from troth.control.promotions import Code
from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvalidValue
from troth.kernel.payment_errors import KeyReused, PaymentsDown
from troth.server.day_duties import forget_deeds
from troth.server.management import application
from troth.server.management_socket import ManagementServer
from troth.server.office import Office
from troth.server.payments import incoming, outgoing
from troth.server.shown import Redeemed, ShownWallet

USD = 10**9


@pytest.fixture
def client(paying: PayingOffice, tmp_path: Path) -> Iterator[Client]:
    path = tmp_path / "m.sock"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listener:
        listener.bind(str(path))
        listener.listen()
        server = ManagementServer(application(paying.office), listener)
        server.start()
        yield Client(path)
        server.stop()


def kept(office: Office) -> int:
    with office.store.read() as tx:
        return len(tx.rows("SELECT mark FROM deed", (), tuple[bytes]))


def test_a_refund_asked_for_twice_under_a_key_is_made_once_and_answered_alike(
    paying: PayingOffice, client: Client
) -> None:
    acme = paying.organization("acme")
    paying.buy("acme", 1_000)
    body: dict[str, str | int] = {"amount_usd": "3"}
    path = ("organizations", "acme", "refunds")
    first = client.post(*path, body=body, once="r-1")
    assert client.post(*path, body=body, once="r-1") == first
    by_reference = ("organizations", f"org_{acme.hex()}", "refunds")
    assert client.post(*by_reference, body=body, once="r-1") == first
    assert paying.cents(acme) == 700
    for other in ("4", ""):
        with pytest.raises(Refused) as caught:
            client.post(*path, body={"amount_usd": other}, once="r-1")
        assert "'idempotency-key'" in caught.value.message
        assert "r-1" not in caught.value.message
    with pytest.raises(Refused):
        client.post("organizations", "acme", "topups", body=body, once="r-1")
    assert paying.cents(acme) == 700
    client.post(*path, body=body, once="r-2")
    client.post(*path, body=body)
    client.post(*path, body={"amount_usd": "1"})
    assert paying.cents(acme) == 0


def test_what_was_refused_is_not_kept_and_may_be_asked_for_again(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    once = Once("again", "refunds 5")
    with pytest.raises(InvalidValue):
        outgoing.start_refund(paying.office, paying.actor, "acme", Asked(500), once=once)
    assert kept(paying.office) == 0
    paying.buy("acme", 500)
    made = outgoing.start_refund(paying.office, paying.actor, "acme", Asked(500), once=once)
    again = outgoing.start_refund(paying.office, paying.actor, "acme", Asked(500), once=once)
    assert [each.ref for each in again] == [each.ref for each in made]
    assert paying.cents(acme) == 0


def test_the_same_key_of_two_organizations_is_two_deeds(paying: PayingOffice) -> None:
    once = Once("same", "refunds 5")
    for name in ("acme", "other"):
        paying.organization(name)
        paying.buy(name, 500)
        outgoing.start_refund(paying.office, paying.actor, name, Asked(500), once=once)
    assert len(paying.company.refunds) == 2


def test_of_many_at_once_one_refund_is_made(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    paying.buy("acme", 10_000)
    once, refs = Once("many", "refunds 1"), []

    def ask() -> None:
        made = outgoing.start_refund(paying.office, paying.actor, "acme", Asked(100), once=once)
        refs.append([each.ref for each in made])

    threads = [Thread(target=ask) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(refs) == 6
    assert all(each == refs[0] for each in refs)
    assert paying.cents(acme) == 9_900


def test_a_top_up_under_a_key_is_one_page_also_when_the_company_was_away(
    paying: PayingOffice,
) -> None:
    paying.organization("acme")
    once, wanted = Once("t", "topups 10"), billing.Wanted(1_000)
    office, actor = paying.office, paying.actor
    paying.company.down = 1
    with pytest.raises(PaymentsDown):
        incoming.start_topup(office, actor, "acme", wanted, once=once)
    pages = [incoming.start_topup(office, actor, "acme", wanted, once=once) for _ in range(3)]
    assert len({(page.topup, page.url) for page in pages}) == 1
    with office.store.read() as tx:
        assert len(tx.rows("SELECT id FROM topup", (), tuple[bytes])) == 1
    with pytest.raises(KeyReused):
        incoming.start_topup(office, actor, "acme", wanted, once=Once("t", "topups 11"))


def test_credit_under_a_key_or_a_movement_s_name_is_given_once(
    paying: PayingOffice, client: Client
) -> None:
    acme = paying.organization("acme")
    path = ("organizations", "acme", "credits")
    for _ in range(2):
        client.post(*path, body={"amount_usd": "2"}, once="c")
        client.post(*path, body={"amount_usd": "3", "key": "gift"})
    assert paying.cents(acme) == 500
    others: list[dict[str, str | int]] = [
        {"amount_usd": "4", "key": "gift"},
        {"amount_usd": "3", "key": "gift", "is_demo": True},
    ]
    for other in others:
        with pytest.raises(Refused) as caught:
            client.post(*path, body=other)
        assert "'key'" in caught.value.message
    with pytest.raises(Refused):
        client.post(*path, body={"amount_usd": "9"}, once="c")
    found = msgspec.json.decode(
        client.post(*path, body={"amount_usd": "2"}, once="c"), type=ShownWallet
    )
    assert found.posted_nusd == 5 * USD


def test_codes_are_made_and_redeemed_once_and_their_text_is_told_once(
    paying: PayingOffice, client: Client
) -> None:
    acme = paying.organization("acme")
    body: dict[str, str | int] = {"amount_usd": "5", "uses_max": 3}
    made = msgspec.json.decode(client.post("codes", body=body, once="k"), type=Code)
    again = msgspec.json.decode(client.post("codes", body=body, once="k"), type=Code)
    assert (again.ref, bool(made.text), again.text) == (made.ref, True, "")
    asked: dict[str, str | int] = {"code": made.text}
    path = ("organizations", "acme", "redeem")
    for _ in range(2):
        found = msgspec.json.decode(client.post(*path, body=asked, once="r"), type=Redeemed)
        assert found.amount_nusd == 5 * USD
    assert paying.cents(acme) == 500


def test_a_resolved_item_answers_its_key_again(paying: PayingOffice, client: Client) -> None:
    acme = paying.organization("acme")
    paying.buy("acme", 500)
    client.post("organizations", "acme", "refunds", body={"by_hand": True})
    (item,) = paying.items()
    first = client.post("payments", "queue", item.ref, "resolve", once="q")
    assert client.post("payments", "queue", item.ref, "resolve", once="q") == first
    with pytest.raises(Refused):
        client.post("payments", "queue", item.ref, "resolve")
    assert paying.cents(acme) == 0
    paying.verify()


@pytest.mark.parametrize("key", ["x" * 256, "two words", "\xe9"])
def test_a_key_is_short_and_visible(client: Client, paying: PayingOffice, key: str) -> None:
    paying.organization("acme")
    with pytest.raises(Refused) as caught:
        client.post("organizations", "acme", "refunds", body={"amount_usd": "1"}, once=key)
    assert "'idempotency-key'" in caught.value.message


def test_a_deed_is_kept_for_a_day_as_hashes(paying: PayingOffice, clock: ManualClock) -> None:
    office, once = paying.office, Once("the-caller-s-own-words", "form")
    with office.store.write() as tx:
        assert deeds.claim(tx, office.sealer, once, "org_1", now_ms=clock.now_ms()) is None
        deeds.note(tx, office.sealer, once, "org_1", made=["a", "b"])
        assert deeds.known(tx, office.sealer, once, "org_1") == ["a", "b"]
        rows = tx.rows("SELECT mark, form, made FROM deed", (), tuple[bytes, bytes, str])
    assert b"words" not in b"".join(rows[0][:2])
    clock.advance(KEPT_MS - 1)
    forget_deeds(office)
    assert kept(office) == 1
    clock.advance(1)
    with office.store.write() as tx:
        now_ms = clock.now_ms()
        assert deeds.claim(tx, office.sealer, once, "org_1", now_ms=now_ms) is None
    clock.advance(KEPT_MS)
    forget_deeds(office)
    assert kept(office) == 0
