"""Payments and refunds that billing made are documented by themselves, each once."""

import msgspec
import pytest

from troth.control import accounts, documents
from troth.control.audit import Actor
from troth.control.documents import Kind, Terms
from troth.kernel import ids
from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvariantBroken, Misconfigured
from troth.server.document_duties import issue_receipts, keep_papers
from troth.server.office import Office

MS_OF_DAY = 86_400_000


def top_up(office: Office, owner: accounts.Organization, cents: int, tax_cents: int = 0) -> bytes:
    """Put a payment in as billing does when it was credited."""
    raw, now_ms = office.maker.raw(), office.clock.now_ms()
    with office.store.write() as tx:
        tx.execute(
            "INSERT INTO topup (id, org, kind, state, cents, tax_cents, currency, saves_card,"
            " created_at, checked_at, paid_at) VALUES (?, ?, 'page', 'paid', ?, ?, 'usd', 0,"
            " ?, ?, ?)",
            (raw, owner.raw, cents, tax_cents, now_ms, now_ms, now_ms),
        )
    return raw


def refund(office: Office, owner: accounts.Organization, topup: bytes, state: str) -> bytes:
    raw, now_ms = office.maker.raw(), office.clock.now_ms()
    with office.store.write() as tx:
        tx.execute(
            "INSERT INTO refund (id, org, topup, state, cents, tax_cents, fee_cents, is_final,"
            " next_at, created_at) VALUES (?, ?, ?, ?, 300, 57, 7, 0, 0, ?)",
            (raw, owner.raw, topup, state, now_ms),
        )
    return raw


def lose(office: Office, owner: accounts.Organization, topup: bytes, cents: int) -> bytes:
    raw = office.maker.raw()
    with office.store.write() as tx:
        tx.execute(
            "INSERT INTO dispute (id, org, topup, state, cents, tax_cents, is_freezing, ref_mark,"
            " opened_at) VALUES (?, ?, ?, 'lost', ?, 0, 0, ?, ?)",
            (raw, owner.raw, topup, cents, raw, office.clock.now_ms()),
        )
    return raw


def issued(office: Office) -> list[documents.Document]:
    """Let the duty run twice and return all documents, by number."""
    for _ in range(2):
        issue_receipts(office)
    with office.store.read() as tx:
        numbers = sorted(each.number for each in documents.listed(tx, None, 99))
        found = [documents.numbered(tx, number, office.sealer) for number in numbers]
        assert documents.check(tx, office.sealer).problems == []
    return [each.document for each in found if each]


def test_a_payment_and_what_goes_back_of_it_are_documented_once(
    office: Office, ada: accounts.Organization
) -> None:
    topup = top_up(office, ada, 1_000, 190)
    (receipt,) = issued(office)
    assert (receipt.kind, receipt.gross_cents) == (Kind.INVOICE, 1_190)
    assert receipt.reference == ids.text("top", topup)
    refund(office, ada, topup, "sent")
    done = refund(office, ada, topup, "done")
    lost = lose(office, ada, topup, 840)
    notes = [each for each in issued(office) if each.kind is Kind.CREDIT_NOTE]
    assert [(each.gross_cents, each.reference) for each in notes] == [
        (-350, ids.text("rfd", done)),
        (-840, ids.text("dsp", lost)),
    ]


def test_what_was_deleted_in_time_is_not_written_again(
    office: Office, ada: accounts.Organization, clock: ManualClock
) -> None:
    terms = Terms(keep=documents.Keep(1, is_to_the_day=True))
    office = msgspec.structs.replace(office, documents=terms)
    top_up(office, ada, 1_000)
    assert len(issued(office)) == 1
    clock.advance(367 * MS_OF_DAY)
    with office.store.write() as tx:
        tx.execute("DELETE FROM open_day")
        tx.execute("INSERT INTO open_day VALUES (1, ?)", (clock.now_ms() // MS_OF_DAY,))
    keep_papers(office)
    assert issued(office) == []


def test_one_that_cannot_be_written_is_told_and_the_others_go_on(
    office: Office, ada: accounts.Organization, actor: Actor
) -> None:
    with office.store.write() as tx:
        bob = accounts.create(tx, actor, office.maker.raw(), "Bob")
        for owner in (ada, bob):
            documents.change(tx, actor, owner, documents.Details("x"), sealer=office.sealer)
        tx.execute("DELETE FROM subject_key WHERE org = ?", (ada.raw,))
    top_up(office, ada, 1_000)
    top_up(office, bob, 500)
    with pytest.raises(InvariantBroken):
        issue_receipts(office)
    with office.store.read() as tx:
        assert [each.gross_cents for each in documents.listed(tx, None, 9)] == [500]


def test_what_a_bank_takes_back_beside_a_refund_is_credited_as_far_as_it_was_paid(
    office: Office, ada: accounts.Organization
) -> None:
    first = top_up(office, ada, 1_000)
    refund(office, ada, first, "done")
    lose(office, ada, first, 1_000)
    lose(office, ada, first, 1_000)
    notes = [each.gross_cents for each in issued(office) if each.kind is Kind.CREDIT_NOTE]
    assert notes == [-350, -650]


def test_a_table_without_a_rate_stops_paper_and_not_the_next_try(
    office: Office, ada: accounts.Organization
) -> None:
    top_up(office, ada, 1_000)
    seller = documents.Party("s", country="US", vat_id="1")
    terms = Terms(seller=seller, engine=documents.Engine.TABLE)
    with pytest.raises(Misconfigured):
        issue_receipts(msgspec.structs.replace(office, documents=terms))
    assert len(issued(office)) == 1
