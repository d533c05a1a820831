"""Documents over both databases: numbers without a gap, nothing changed, nothing lost."""

import threading
from contextlib import suppress

import msgspec
import pytest

from troth.control import accounts, documents
from troth.control.audit import Actor
from troth.control.documents import (
    Details,
    Engine,
    Frozen,
    Kind,
    Paid,
    Party,
    Point,
    Returned,
    Terms,
)
from troth.control.documents.sealing import seal
from troth.control.documents.shape import Document, Treatment
from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvalidValue, Missing
from troth.ledger import books
from troth.server.office import Office
from troth.store.transaction import Conflict, Transaction

RATES = documents.read_rates(documents.RATES_FILE)
SELLER = Party("Gateway AG", ("Gasse 7", "8001 Zürich"), "CH", "CHE-107.787.577 IVA")
PLAIN = Terms(seller=SELLER)
AT_TOPUP = Terms(seller=SELLER, engine=Engine.TABLE, point=Point.TOPUP, rates=RATES)
AT_USAGE = Terms(seller=SELLER, engine=Engine.TABLE, point=Point.USAGE, rates=RATES)
STRIPE = Terms(seller=SELLER, engine=Engine.STRIPE_TAX, registered=("EU",), rates=RATES)
MS_OF_DAY = 86_400_000


class Spoiled(Exception):
    """Something failed after a document was frozen."""


def paid(office: Office, owner: accounts.Organization, cents: int = 10_000, tax: int = 0) -> Paid:
    return Paid(office.maker.new("top"), owner.ref, cents, tax, office.clock.now_ms())


def receipt(office: Office, terms: Terms, payment: Paid) -> Frozen:
    with office.store.write() as tx:
        return documents.receipt_for_topup(
            tx, terms, payment, office.clock.now_ms(), sealer=office.sealer
        )


def attempt(office: Office, owner: accounts.Organization, *, fails: bool) -> None:
    """Freeze a receipt in a transaction that may fail after it."""
    with suppress(Spoiled), office.store.write() as tx:
        documents.receipt_for_topup(
            tx, PLAIN, paid(office, owner), office.clock.now_ms(), sealer=office.sealer
        )
        if fails:
            raise Spoiled


def problems(office: Office) -> list[str]:
    with office.store.read() as tx:
        return documents.check(tx, office.sealer).problems


def numbers(office: Office) -> list[str]:
    with office.store.read() as tx:
        return sorted(each.number for each in documents.listed(tx, None, 1_000))


def test_numbers_have_no_gap_when_transactions_fail(
    office: Office, ada: accounts.Organization
) -> None:
    for at in range(10):
        attempt(office, ada, fails=at % 3 > 0)
    assert numbers(office) == [f"TROTH-R2027-{n:06d}" for n in range(1, 5)]
    assert problems(office) == []


def test_numbers_have_no_gap_when_many_freeze_at_once(
    office: Office, ada: accounts.Organization
) -> None:
    failed: list[BaseException] = []

    def issue(seed: int) -> None:
        for at in range(6):
            try:
                attempt(office, ada, fails=(at + seed) % 3 == 0)
            except BaseException as error:  # noqa: BLE001 - told in the main thread
                failed.append(error)

    threads = [threading.Thread(target=issue, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert numbers(office) == [f"TROTH-R2027-{n:06d}" for n in range(1, 25)]
    assert problems(office) == []


def test_a_top_up_has_one_receipt_however_often_it_is_asked_for(
    office: Office, ada: accounts.Organization
) -> None:
    payment = paid(office, ada)
    first = receipt(office, PLAIN, payment)
    assert receipt(office, AT_TOPUP, payment) == first
    assert numbers(office) == [first.number]


def test_two_at_once_make_one_receipt_of_a_top_up(
    office: Office, ada: accounts.Organization
) -> None:
    payment = paid(office, ada)
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(receipt(office, PLAIN, payment).number))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["TROTH-R2027-000001"] * 5


def test_each_year_and_kind_has_a_series_of_its_own(
    office: Office, ada: accounts.Organization, clock: ManualClock
) -> None:
    first = receipt(office, PLAIN, paid(office, ada))
    invoice = receipt(office, AT_TOPUP, paid(office, ada))
    clock.advance(366 * MS_OF_DAY)
    later = receipt(office, PLAIN, paid(office, ada))
    assert [each.number for each in (first, invoice, later)] == [
        "TROTH-R2027-000001",
        "TROTH-I2027-000001",
        "TROTH-R2028-000001",
    ]
    assert problems(office) == []


CHANGES = [
    "UPDATE document SET gross_cents = 1",
    "UPDATE document SET body = sha256",
    "DELETE FROM document",
    "DELETE FROM document_series",
    "UPDATE document_series SET n = n + 2",
    "UPDATE document_series SET n = n - 1",
]


def test_what_is_frozen_is_not_changed(office: Office, ada: accounts.Organization) -> None:
    receipt(office, PLAIN, paid(office, ada))
    for sql in CHANGES:
        with pytest.raises(Exception) as refused, office.store.write() as tx:  # noqa: PT011
            tx.execute(sql)
        is_denied = "permission denied" in str(refused.value)
        assert is_denied or isinstance(refused.value, Conflict), sql
    assert problems(office) == []
    assert len(numbers(office)) == 1


def test_without_an_engine_a_payment_has_a_receipt_without_vat(
    office: Office, ada: accounts.Organization
) -> None:
    document = receipt(office, PLAIN, paid(office, ada)).document
    assert (document.kind, document.tax.treatment) == (Kind.RECEIPT, Treatment.NONE)
    assert (document.net_cents, document.tax_cents, document.gross_cents) == (10_000, 0, 10_000)
    assert (document.buyer, document.seller) == (Party("Ada"), SELLER)


def test_vat_at_top_up_is_within_what_was_paid_and_owed_in_the_books(
    office: Office, ada: accounts.Organization
) -> None:
    document = receipt(office, AT_TOPUP, paid(office, ada)).document
    assert (document.kind, document.tax.rate_bp) == (Kind.INVOICE, 810)
    assert (document.net_cents, document.tax_cents, document.gross_cents) == (9_251, 749, 10_000)
    with office.store.read() as tx:
        owed = tx.row("SELECT sum(posted) FROM book WHERE kind = 'tax:CH'", (), tuple[int])
        assert books.verify(tx).problems == []
    assert owed is not None
    assert int(owed[0]) == 7_490_000_000


def test_vat_at_usage_leaves_a_receipt_that_is_no_invoice(
    office: Office, ada: accounts.Organization
) -> None:
    document = receipt(office, AT_USAGE, paid(office, ada)).document
    assert (document.kind, document.tax.treatment) == (Kind.RECEIPT, Treatment.LATER)
    assert document.tax_cents == 0


def test_vat_that_was_paid_on_top_is_not_recomputed(
    office: Office, ada: accounts.Organization, actor: Actor
) -> None:
    with office.store.write() as tx:
        documents.change(tx, actor, ada, Details("Ada", country="DE"), sealer=office.sealer)
    fits = receipt(office, STRIPE, paid(office, ada, 10_000, 1_900)).document
    assert (fits.gross_cents, fits.tax_cents, fits.tax.rate_bp) == (11_900, 1_900, 1_900)
    other = receipt(office, STRIPE, paid(office, ada, 10_000, 1_234)).document
    assert (other.gross_cents, other.tax_cents, other.tax.rate_bp) == (11_234, 1_234, 0)
    none = receipt(office, STRIPE, paid(office, ada)).document
    assert (none.tax.treatment, none.tax_cents) == (Treatment.NONE, 0)
    with office.store.read() as tx:
        assert tx.row("SELECT 1 FROM book WHERE kind = 'tax:CH'") is None


def test_vat_that_was_paid_stands_on_an_invoice_whatever_is_asked_for_since(
    office: Office, ada: accounts.Organization
) -> None:
    for terms in (PLAIN, AT_USAGE, AT_TOPUP):
        document = receipt(office, terms, paid(office, ada, 10_000, 1_234)).document
        assert (document.kind, document.tax_cents) == (Kind.INVOICE, 1_234)
        assert (document.tax.treatment, document.tax.is_within) == (Treatment.STANDARD, False)
    with office.store.read() as tx:  # it was posted with the payment
        assert tx.row("SELECT 1 FROM book WHERE substr(kind, 1, 4) = 'tax:'") is None


def test_where_somebody_else_computes_vat_the_table_need_not_know_it(
    office: Office, ada: accounts.Organization
) -> None:
    seller = Party("Gateway Inc", country="US", vat_id="12-3456789")
    terms = msgspec.structs.replace(STRIPE, seller=seller)
    taxed = receipt(office, terms, paid(office, ada, 10_000, 825)).document
    assert (taxed.kind, taxed.tax_cents, taxed.tax.rate_bp) == (Kind.INVOICE, 825, 0)
    none = receipt(office, terms, paid(office, ada)).document
    assert (none.kind, none.tax.treatment) == (Kind.INVOICE, Treatment.NONE)


def test_a_business_abroad_reverses_the_charge(
    office: Office, ada: accounts.Organization, actor: Actor
) -> None:
    with office.store.write() as tx:
        wanted = Details("Ada GmbH", ("Weg 1",), "DE", "136695976", "de")
        documents.change(tx, actor, ada, wanted, sealer=office.sealer)
    document = receipt(office, AT_TOPUP, paid(office, ada)).document
    assert (document.tax.treatment, document.tax_cents) == (Treatment.REVERSE_CHARGE, 0)
    assert (document.buyer.vat_id, document.language) == ("DE136695976", "de")


def returned(office: Office, number: str, cents: int, reference: str) -> Document:
    with office.store.write() as tx:
        wanted = Returned(number, cents, reference)
        return documents.credit_note(
            tx, AT_USAGE, wanted, office.clock.now_ms(), sealer=office.sealer
        ).document


def test_credit_notes_mirror_their_invoice_to_the_last_cent(
    office: Office, ada: accounts.Organization, actor: Actor
) -> None:
    invoice = receipt(office, AT_TOPUP, paid(office, ada)).document
    with office.store.write() as tx:
        documents.change(tx, actor, ada, Details("Renamed", country="DE"), sealer=office.sealer)
    notes = [returned(office, invoice.number, 3_333, f"r{at}") for at in range(3)]
    notes.append(returned(office, invoice.number, 1, "r3"))
    assert sum(note.gross_cents for note in notes) == -10_000
    assert sum(note.tax_cents for note in notes) == -749
    for note in notes:
        assert (note.kind, note.buyer, note.tax) == (Kind.CREDIT_NOTE, Party("Ada"), invoice.tax)
        assert note.mirrors is not None
        assert note.mirrors.number == invoice.number
    with pytest.raises(InvalidValue):
        returned(office, invoice.number, 1, "r4")
    assert returned(office, invoice.number, 3_333, "r0") == notes[0]
    assert problems(office) == []
    with office.store.read() as tx:
        owed = tx.row("SELECT sum(posted) FROM book WHERE kind = 'tax:CH'", (), tuple[int])
        assert books.verify(tx).problems == []
    assert owed is not None
    assert int(owed[0]) == 0


def test_a_reference_names_one_movement(office: Office, ada: accounts.Organization) -> None:
    first, second = (receipt(office, AT_TOPUP, paid(office, ada)).number for _ in range(2))
    note = returned(office, first, 500, "goodwill")
    for number, cents in ((second, 500), (first, 400)):
        with pytest.raises(InvalidValue) as refused:
            returned(office, number, cents, "goodwill")
        assert refused.value.param == "reference"
    assert returned(office, first, 500, "goodwill") == note


def test_only_what_was_paid_can_be_credited(office: Office, ada: accounts.Organization) -> None:
    number = receipt(office, PLAIN, paid(office, ada)).number
    note = returned(office, number, 10_000, "all")
    with pytest.raises(InvalidValue):
        returned(office, note.number, 1, "note")
    with pytest.raises(Missing):
        returned(office, "TROTH-R2027-999999", 1, "none")
    for cents in (0, -1):
        with pytest.raises(InvalidValue):
            returned(office, number, cents, f"c{cents}")


BAD_DETAILS = [
    (Details(""), "name"),
    (Details("x", ("",)), "address"),
    (Details("x", ("a",) * 7), "address"),
    (Details("x", ("a\x00",)), "address"),
    (Details("x", country="Germany"), "country"),
    (Details("x", country="EL"), "country"),
    (Details("x", country="UK"), "country"),
    (Details("x", country="ZZ"), "country"),
    (Details("x", vat_id="DE136695976"), "country"),
    (Details("x", country="DE", vat_id="DE1"), "vat_id"),
    (Details("x", language="it"), "language"),
]


def test_details_that_cannot_be_are_refused(
    office: Office, ada: accounts.Organization, actor: Actor
) -> None:
    for wanted, param in BAD_DETAILS:
        with pytest.raises(InvalidValue) as refused, office.store.write() as tx:
            documents.change(tx, actor, ada, wanted, sealer=office.sealer)
        assert refused.value.param == param


def test_details_are_erased_and_documents_stay(
    office: Office, ada: accounts.Organization, actor: Actor
) -> None:
    with office.store.write() as tx:
        documents.change(
            tx, actor, ada, Details("Ada Lovelace", ("12 St James",), "GB"), sealer=office.sealer
        )
    frozen = receipt(office, PLAIN, paid(office, ada))
    with office.store.write() as tx:
        assert documents.erase(tx, actor, ada)
        assert not documents.erase(tx, actor, ada)
        assert documents.details(tx, ada, office.sealer) == Details("Ada")
        assert documents.numbered(tx, frozen.number, office.sealer) == frozen
    assert frozen.document.buyer.name == "Ada Lovelace"


def move_to(office: Office, clock: ManualClock, days: int) -> None:
    """Let days pass, and close them at once as one: only the open day's number matters here."""
    clock.advance(days * MS_OF_DAY)
    with office.store.write() as tx:
        tx.execute("UPDATE open_day SET day = ? WHERE id = 1", (clock.now_ms() // MS_OF_DAY,))


@pytest.fixture
def began(office: Office, ada: accounts.Organization) -> None:
    with office.store.write() as tx:
        wanted = books.Credit("first", ada.raw, books.LotKind.PAID, 5)
        books.credit(tx, wanted, 0, office.clock.now_ms())


@pytest.mark.usefixtures("began")
def test_a_document_goes_when_its_years_are_over_and_no_legal_hold_stands(
    office: Office, ada: accounts.Organization, actor: Actor, clock: ManualClock
) -> None:
    for _ in range(3):
        receipt(office, PLAIN, paid(office, ada))
    with office.store.write() as tx:
        legal = documents.place(tx, actor, office.maker.raw(), ada, reference="Az. 12 O 34/27")
        assert documents.sweep(tx) == 0
    move_to(office, clock, 12 * 366)
    receipt(office, PLAIN, paid(office, ada))
    with office.store.write() as tx:
        assert documents.sweep(tx) == 0
    with pytest.raises(Conflict), office.store.write() as tx:
        tx.execute("DELETE FROM document WHERE n = 1")
    with office.store.write() as tx:
        documents.lift(tx, actor, legal.id)
        assert documents.sweep(tx) == 3
        with pytest.raises(Missing):
            documents.lift(tx, actor, legal.id)
        with pytest.raises(Missing):
            documents.lift(tx, actor, "no such")
        assert [each.lifted_at_ms > 0 for each in documents.legal_holds(tx)] == [True]
    assert len(numbers(office)) == 1
    assert problems(office) == []


@pytest.mark.usefixtures("began")
def test_a_legal_hold_on_all_keeps_everything(
    office: Office, ada: accounts.Organization, actor: Actor, clock: ManualClock
) -> None:
    receipt(office, PLAIN, paid(office, ada))
    with office.store.write() as tx:
        documents.place(tx, actor, office.maker.raw(), None, reference="audit")
    move_to(office, clock, 12 * 366)
    with office.store.write() as tx:
        assert documents.sweep(tx) == 0
    for reference in ("", "x" * 65, "a\nb"):
        with pytest.raises(InvalidValue), office.store.write() as tx:
            documents.place(tx, actor, office.maker.raw(), None, reference=reference)


def forge(tx: Transaction, dialect: str, body: bytes, n: int) -> None:
    """Change a document as somebody with all rights would, past grants and triggers."""
    if dialect == "postgresql":
        tx.execute("GRANT UPDATE ON document TO CURRENT_USER")
        tx.execute("DROP TRIGGER document_stays ON document")
    else:
        tx.execute("DROP TRIGGER document_stays")
    tx.execute("UPDATE document SET body = ? WHERE n = ?", (body, n))


def test_a_changed_byte_is_found(office: Office, ada: accounts.Organization) -> None:
    frozen = [receipt(office, PLAIN, paid(office, ada)) for _ in range(3)][2]
    changed = frozen.body.replace(b'"gross_cents":10000', b'"gross_cents":10001')
    with office.store.write() as tx:
        sealed = seal(tx, office.sealer, (ada.raw, "papers"), changed)
        forge(tx, office.store.dialect, sealed, 3)
    assert problems(office) == ["TROTH-R2027-000003: it was changed"]
    with office.store.write() as tx:
        tx.execute("UPDATE document SET body = ? WHERE n = 3", (changed,))
    assert problems(office) == ["TROTH-R2027-000003: it cannot be read"]


def test_what_was_issued_after_a_copy_was_made_is_missed(
    office: Office, ada: accounts.Organization
) -> None:
    frozen = [receipt(office, PLAIN, paid(office, ada)) for _ in range(2)]
    here = documents.End("TROTH-R2027", 2, frozen[1].sha256)
    later = msgspec.structs.replace(here, n=3)
    other = msgspec.structs.replace(here, n=1)
    elsewhere = msgspec.structs.replace(here, series="TROTH-C2027")
    with office.store.read() as tx:
        found = documents.check(tx, office.sealer, [here])
        assert (found.ends, found.problems) == ([here], [])
        assert documents.check(tx, office.sealer, [later, other, elsewhere]).problems == [
            "TROTH-R2027: number 1 is not the one that was kept",
            "TROTH-R2027: number 3 was kept and is not here: what was issued since is lost",
            "TROTH-C2027: number 2 was kept and is not here: what was issued since is lost",
        ]


def test_the_stored_json_is_read_back_as_it_was(office: Office, ada: accounts.Organization) -> None:
    frozen = receipt(office, AT_TOPUP, paid(office, ada))
    assert msgspec.json.encode(frozen.document) == frozen.body
