"""Who stands on documents is sealed: erased with its key, kept sealed as long as the law asks."""

import datetime as dt
from collections.abc import Iterator
from contextlib import closing, suppress

import msgspec
import pytest

from troth.control import accounts, documents, keys
from troth.control.audit import Actor
from troth.control.documents import Details, Engine, Frozen, Keep, Paid, Party, Terms
from troth.control.documents.terms import WITHOUT_END, date_of
from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvariantBroken
from troth.kernel.ids import system_entropy
from troth.kernel.sealer import Sealer
from troth.ledger import books
from troth.server.document_duties import issue_months, keep_papers
from troth.server.office import Office
from troth.store import engine
from troth.store.transaction import Conflict, Row

MS_OF_DAY = 86_400_000
TERMS = Terms(seller=Party("Gateway AG"), engine=Engine.NONE)
LOVELACE = Details("Ada Lovelace", ("12 St James Square",), "GB", language="en")
BOTH = (b"Lovelace", b"James Square")


def receipt(office: Office, owner: accounts.Organization, terms: Terms = TERMS) -> Frozen:
    now_ms = office.clock.now_ms()
    payment = Paid(office.maker.new("top"), owner.ref, 10_000, 0, now_ms)
    with office.store.write() as tx:
        return documents.receipt_for_topup(tx, terms, payment, now_ms, sealer=office.sealer)


def rows(office: Office, sql: str) -> list[Row]:
    with office.store.read() as tx:
        return tx.rows(sql)


def count(office: Office, table: str, where: str = "1 = 1") -> int:
    with office.store.read() as tx:
        return tx.number(f"SELECT count(*) FROM {table} WHERE {where}")  # noqa: S608 - of ours


def opened(office: Office, number: str) -> Frozen | None:
    with office.store.read() as tx:
        assert documents.check(tx, office.sealer).problems == []
        return documents.numbered(tx, number, office.sealer)


def stand_at(office: Office, clock: ManualClock, date: dt.date) -> None:
    """Let time pass to noon of a date, and the open day with it."""
    noon = int(dt.datetime(date.year, date.month, date.day, 12, tzinfo=dt.UTC).timestamp()) * 1_000
    clock.advance(noon - clock.now_ms())
    with office.store.write() as tx:
        tx.execute("UPDATE open_day SET day = ? WHERE id = 1", (noon // MS_OF_DAY,))


@pytest.fixture
def lovelace(office: Office, ada: accounts.Organization, actor: Actor) -> accounts.Organization:
    """Ada, who said who she is and has credit in the books."""
    with office.store.write() as tx:
        documents.change(tx, actor, ada, LOVELACE, sealer=office.sealer)
        credit = books.Credit("first", ada.raw, books.LotKind.PAID, 5)
        books.credit(tx, credit, 0, office.clock.now_ms())
    return ada


def test_no_column_holds_a_name_that_can_be_read(
    office: Office, lovelace: accounts.Organization
) -> None:
    frozen = receipt(office, lovelace)
    assert frozen.document.buyer.name == "Ada Lovelace"
    for table in ("party", "document", "subject_key"):
        for row in rows(office, f"SELECT * FROM {table}"):  # noqa: S608 - of ours
            held = b" ".join(
                each if isinstance(each, bytes) else str(each).encode() for each in row
            )
            assert not any(name in held for name in BOTH)
    assert opened(office, frozen.number) == frozen


def test_erasing_destroys_the_key_and_leaves_books_and_documents_as_they_were(
    office: Office, lovelace: accounts.Organization, actor: Actor
) -> None:
    frozen = receipt(office, lovelace)
    (kept,) = rows(office, "SELECT details_sealed, is_sealed FROM party")
    tables = ("entry", "batch", "lot", "book", "document", "document_series")
    before = [rows(office, f"SELECT * FROM {table}") for table in tables]  # noqa: S608 - of ours
    with office.store.write() as tx:
        assert documents.erase(tx, actor, lovelace)
    assert [rows(office, f"SELECT * FROM {table}") for table in tables] == before  # noqa: S608
    assert rows(office, "SELECT what FROM subject_key") == [("papers",)]
    with office.store.write() as tx:
        assert books.verify(tx).problems == []
        assert documents.details(tx, lovelace, office.sealer) == Details("Ada")
        tx.execute(  # a copy from before
            "INSERT INTO party (org, details_sealed, is_sealed, changed_at) VALUES (?, ?, ?, 0)",
            (lovelace.raw, *kept),
        )
        with pytest.raises(InvariantBroken):
            documents.details(tx, lovelace, office.sealer)
    assert opened(office, frozen.number) == frozen


def test_documents_under_a_legal_hold_are_read_until_it_is_lifted_then_their_key_goes(
    office: Office, lovelace: accounts.Organization, actor: Actor, clock: ManualClock
) -> None:
    frozen = receipt(office, lovelace)
    view = documents.view_of(frozen.document, frozen.sha256)
    page = documents.page_of(view)
    with office.store.write() as tx:
        legal = documents.place(tx, actor, office.maker.raw(), lovelace, reference="case")
        documents.erase(tx, actor, lovelace)
    stand_at(office, clock, dt.date(2060, 1, 1))
    keep_papers(office)
    again = opened(office, frozen.number)
    assert again == frozen
    assert again is not None
    assert documents.page_of(documents.view_of(again.document, again.sha256)) == page
    with office.store.write() as tx:
        documents.lift(tx, actor, legal.id)
    keep_papers(office)
    assert opened(office, frozen.number) is None
    assert count(office, "subject_key") == 0
    assert count(office, "document_gone") == 1


def test_another_key_opens_nothing(office: Office, lovelace: accounts.Organization) -> None:
    number = receipt(office, lovelace).number
    other = Sealer(b"o" * 32, system_entropy, "people")
    with office.store.read() as tx:
        for read in (
            lambda: documents.numbered(tx, number, other),
            lambda: documents.details(tx, lovelace, other),
        ):
            with pytest.raises(InvariantBroken):
                read()
        assert documents.check(tx, other).problems == [f"{number}: it cannot be read"]


def test_what_an_earlier_build_kept_open_is_sealed_and_nothing_else_may_change(
    office: Office, lovelace: accounts.Organization
) -> None:
    frozen = [receipt(office, lovelace) for _ in range(2)]
    with office.store.write() as tx:
        if office.store.dialect == "postgresql":
            tx.execute("GRANT UPDATE ON document TO CURRENT_USER")
            tx.execute("ALTER TABLE document DISABLE TRIGGER document_stays")
        else:
            tx.execute("DROP TRIGGER document_stays")
        for each in frozen:
            tx.execute(
                "UPDATE document SET body = ?, is_sealed = 0 WHERE number = ?",
                (each.body, each.number),
            )
        plain = msgspec.json.encode(LOVELACE)
        tx.execute("UPDATE party SET details_sealed = ?, is_sealed = 0", (plain,))
        if office.store.dialect == "postgresql":
            tx.execute("ALTER TABLE document ENABLE TRIGGER document_stays")
        tx.execute("DELETE FROM subject_key")
        assert documents.details(tx, lovelace, office.sealer) == LOVELACE
    assert opened(office, frozen[0].number) == frozen[0]
    keep_papers(office)
    assert count(office, "document", "is_sealed = 1") == 2
    assert count(office, "party", "is_sealed = 1") == 1
    for each in frozen:
        assert opened(office, each.number) == each
    with office.store.read() as tx:
        assert documents.details(tx, lovelace, office.sealer) == LOVELACE


@pytest.mark.parametrize(
    "change", ["body = sha256", "is_sealed = 0", "keep_until = 0", "gross_cents = 1"]
)
def test_a_sealed_document_stays_as_it_is(
    office: Office, lovelace: accounts.Organization, change: str
) -> None:
    receipt(office, lovelace)
    with pytest.raises(Conflict), office.store.write() as tx:
        tx.execute(f"UPDATE document SET {change}")  # noqa: S608 - of ours


@pytest.fixture
def older(url: str) -> Iterator[engine.Store]:
    """A database as the build before this one left it, with an organization's details."""
    with closing(engine.connect(url)) as store:
        store.script("CREATE TABLE migration (number INTEGER NOT NULL PRIMARY KEY);\n")
        for number, file in engine.migrations(store.dialect):
            if number < 16:
                store.script(file.read_text(encoding="utf-8"), number)
        with store.write() as tx:
            tx.execute(
                "INSERT INTO organization (ref, name, created_at, zone) VALUES (?, 'Ada', 1, '')",
                (b"a" * 16,),
            )
            tx.execute(
                "INSERT INTO party (org, name, address, country, vat_id, language, changed_at)"
                " VALUES (?, 'Ada \"x\" Lovelace', '[\"12 St James\",\"é\"]', 'GB', '', 'fr', 9)",
                (b"a" * 16,),
            )
        yield store


def test_the_migration_keeps_who_an_organization_is(older: engine.Store, url: str) -> None:
    older.close()
    sealer = Sealer(b"p" * 32, system_entropy, "people")
    with closing(engine.open(url)) as store, store.write() as tx:
        owner = accounts.named(tx, "Ada")
        wanted = Details('Ada "x" Lovelace', ("12 St James", "é"), "GB", "", "fr")
        assert documents.details(tx, owner, sealer) == wanted
        assert documents.seal_open(tx, sealer, 10) == 1
        assert documents.seal_open(tx, sealer, 10) == 0
        assert documents.details(tx, owner, sealer) == wanted


def test_who_a_closed_account_was_is_forgotten_when_its_days_are_over_and_its_months_written(
    office: Office, lovelace: accounts.Organization, clock: ManualClock
) -> None:
    stand_at(office, clock, dt.date(2027, 5, 10))
    receipt(office, lovelace)
    with office.store.write() as tx:
        tx.execute(
            "INSERT INTO closing (org, state, began_at, ended_at) VALUES (?, 'closed', ?, ?)",
            (lovelace.raw, clock.now_ms(), clock.now_ms()),
        )
    terms = msgspec.structs.replace(TERMS, details_days=20)
    office = msgspec.structs.replace(office, documents=terms)
    stand_at(office, clock, dt.date(2027, 5, 31))  # its last month is not over
    issue_months(office)
    assert count(office, "party") == 1
    with office.store.write() as tx:
        day = clock.now_ms() // MS_OF_DAY - 5
        tx.execute(
            "INSERT INTO day_close (day, book, opening, paid_in, charged, paid_out, closing, hash)"
            " SELECT ?, id, 0, 0, 0, 0, 0, id FROM book",
            (day,),
        )
    stand_at(office, clock, dt.date(2027, 6, 1))  # over, and not written
    keep_papers(office)
    assert count(office, "party") == 1
    issue_months(office)
    keep_papers(office)
    assert count(office, "party") == 0
    assert rows(office, "SELECT what FROM subject_key") == [("papers",)]
    assert rows(office, "SELECT name FROM organization") == [(lovelace.ref,)]
    with office.store.write() as tx:  # the name is free, and nobody is behind the reference
        assert documents.details(tx, accounts.named(tx, lovelace.ref), office.sealer) == Details(
            lovelace.ref
        )
        before = tx.number("SELECT count(*) FROM audit_entry")
    keep_papers(office)
    assert count(office, "audit_entry") == before


def test_an_account_that_never_said_who_it_is_loses_its_name_when_it_is_closed(
    office: Office, ada: accounts.Organization, actor: Actor
) -> None:
    minted = keys.mint(office.maker, office.entropy)
    with office.store.write() as tx:
        keys.issue(tx, actor, minted, (ada, keys.Terms(name="Ada's phone")))
        accounts.create_project(tx, actor, office.maker.raw(), (ada, "Ada's book"))
        assert not documents.erase(tx, actor, ada)
        credit = books.Credit("first", ada.raw, books.LotKind.PAID, 5)
        books.credit(tx, credit, 0, office.clock.now_ms())
        tx.execute(
            "INSERT INTO closing (org, state, began_at, ended_at) VALUES (?, 'closed', 1, 1)",
            (ada.raw,),
        )
        assert documents.erase_of_closed(tx, actor, 0) == 1
        assert documents.erase_of_closed(tx, actor, 0) == 0
    assert rows(office, "SELECT name FROM organization") == [(ada.ref,)]
    assert rows(office, "SELECT name FROM api_key") == [(minted.public_id,)]
    with office.store.read() as tx:
        (project,) = accounts.projects_of(tx, ada.raw)
    assert project.name == project.ref


KEPT = [
    (Keep(10), dt.date(2026, 1, 1), "2036-12-31"),
    (Keep(10), dt.date(2026, 12, 31), "2036-12-31"),
    (Keep(10, year_ends=(6, 30)), dt.date(2026, 6, 30), "2036-06-30"),
    (Keep(10, year_ends=(6, 30)), dt.date(2026, 7, 1), "2037-06-30"),
    (Keep(5, is_to_the_day=True), dt.date(2026, 11, 21), "2031-11-21"),
    (Keep(5, is_to_the_day=True), dt.date(2028, 2, 29), "2033-03-01"),
    (Keep(4, is_to_the_day=True), dt.date(2028, 2, 29), "2032-02-29"),
    (Keep(1, year_ends=(2, 29)), dt.date(2027, 3, 2), "2029-03-01"),
]


@pytest.mark.parametrize(("keep", "issued", "last"), KEPT)
def test_years_are_those_of_the_calendar(keep: Keep, issued: dt.date, last: str) -> None:
    assert date_of(keep.until(issued)) == last


@pytest.mark.parametrize(
    "kept",
    [
        (Keep(10), dt.date(2037, 12, 31)),
        (Keep(5, is_to_the_day=True), dt.date(2032, 2, 28)),
        (Keep(3, year_ends=(1, 31)), dt.date(2031, 1, 31)),
    ],
)
def test_a_delete_is_refused_until_the_last_day_and_done_after_it(
    office: Office,
    lovelace: accounts.Organization,
    clock: ManualClock,
    kept: tuple[Keep, dt.date],
) -> None:
    keep, last = kept
    stand_at(office, clock, dt.date(2027, 2, 28))
    terms = msgspec.structs.replace(TERMS, keep=keep)
    receipt(office, lovelace, terms)
    stand_at(office, clock, last)
    keep_papers(office)
    with pytest.raises(Conflict), office.store.write() as tx:
        tx.execute("DELETE FROM document")
    assert count(office, "document") == 1
    stand_at(office, clock, last + dt.timedelta(days=1))
    keep_papers(office)
    assert count(office, "document") == 0
    with office.store.read() as tx:
        assert documents.check(tx, office.sealer).problems == []
        assert books.verify(tx).problems == []


def test_what_is_kept_without_end_is_never_deleted(
    office: Office, lovelace: accounts.Organization, clock: ManualClock
) -> None:
    terms = msgspec.structs.replace(TERMS, keep=Keep(has_end=False))
    receipt(office, lovelace, terms)
    assert rows(office, "SELECT keep_until FROM document") == [(WITHOUT_END,)]
    stand_at(office, clock, dt.date(2527, 1, 1))
    with suppress(Conflict), office.store.write() as tx:
        tx.execute("DELETE FROM document")
    keep_papers(office)
    assert count(office, "document") == 1
