"""`troth invoices`: what an operator does with documents, from details to a legal hold."""

import datetime as dt
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tests.builders.command_line import CommandLine
from troth.control import audit
from troth.control.documents import Details, Document, LegalHold, Listed, Paid, receipt_for_topup
from troth.kernel.clock import SystemClock
from troth.kernel.ids import IdMaker, system_entropy
from troth.server import database
from troth.server.document_terms import document_settings, document_terms
from troth.server.sealing import people_sealer
from troth.server.settings import Flags, read
from troth.server.shown import CheckedDocuments, Erased, ShownRates
from troth.store import engine

SETTINGS = """
[seller]
series = "ACME"
name = "Acme AG"
address = ["Gasse 7", "8001 Zürich"]
country = "CH"
vat_id = "CHE-107.787.577 IVA"

[vat]
engine = "table"
point = "topup"
"""
YEAR = dt.datetime.fromtimestamp(SystemClock().now_ms() // 1_000, dt.UTC).year
NUMBER = f"ACME-I{YEAR}-000001"


@pytest.fixture
def troth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """An installation whose only organization has paid 100 USD once."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TROTH_")]:  # noqa: TID251
        monkeypatch.delenv(name)
    line = CommandLine(tmp_path, capsys)
    assert line.run("init").code == 0
    with (tmp_path / "troth.toml").open("a", encoding="utf-8") as file:
        file.write(SETTINGS)
    assert line.run("org", "create", "Ada").code == 0
    details = ("--name", "Ada Inc", "--address", "1 Main St", "--country", "CH")
    assert line.run("invoices", "details", "Ada", *details, "--language", "de").code == 0
    _pay(tmp_path / "troth.toml")
    return line


def _pay(file: Path) -> None:
    settings = read(Flags(config=str(file)), {}).settings
    clock = SystemClock()
    with closing(engine.open(database.address(settings))) as store, store.write() as tx:
        org = tx.row("SELECT ref FROM organization WHERE name = 'Ada'", (), tuple[bytes])
        assert org
        topup = IdMaker(clock).new("top")
        paid = Paid(topup, f"org_{org[0].hex()}", 10_000, 0, clock.now_ms())
        terms = document_terms(document_settings(settings))
        sealer = people_sealer(settings.folder, system_entropy)
        receipt_for_topup(tx, terms, paid, clock.now_ms(), sealer=sealer)


def test_documents_are_listed_shown_and_checked(troth: CommandLine) -> None:
    (listed,) = troth.ask(list[Listed], "invoices", "list", "Ada")
    assert (listed.number, listed.gross_cents, listed.tax_cents) == (NUMBER, 10_000, 749)
    assert "100.00" in troth.run("invoices", "list").out
    shown = troth.run("invoices", "show", NUMBER)
    document = msgspec.json.decode(shown.out, type=Document)
    assert (document.buyer.name, document.language) == ("Ada Inc", "de")
    assert "Rechnung" in troth.run("invoices", "show", NUMBER, "--format", "html").out
    assert "Facture" in troth.run(
        "invoices", "show", NUMBER, "--format", "html", "--language", "fr"
    ).out  # fmt: skip
    pdf = ("--format", "pdf", "--output", "invoice.pdf")
    assert troth.run("invoices", "show", NUMBER, *pdf).code == 0
    assert (troth.folder / "invoice.pdf").read_bytes().startswith(b"%PDF-1.7")
    checked = troth.ask(CheckedDocuments, "invoices", "check")
    assert (checked.series, checked.documents, checked.problems) == (1, 1, [])
    (end,) = checked.ends
    kept = f"{end.series}:{end.n}:{end.sha256}"
    assert kept in troth.run("invoices", "check").out
    assert troth.run("invoices", "check", "--expect-end", kept).code == 0
    said = troth.run("invoices", "check", "--expect-end", kept.replace(":1:", ":2:"))
    assert (said.code, "number 2 was kept and is not here" in said.err) == (1, True)
    assert troth.run("invoices", "check", "--expect-end", "x:1:y").code == 2
    assert troth.run("invoices", "issue").code == 0
    assert troth.run("invoices", "show", "ACME-I1999-000001").code == 2


def test_a_copy_is_read_back_with_what_was_kept(troth: CommandLine) -> None:
    (before,) = troth.ask(CheckedDocuments, "invoices", "check").ends
    copy = troth.folder / "copy"
    copy.mkdir()
    source = sqlite3.connect(troth.folder / "troth-data" / "troth.db")
    with closing(source), closing(sqlite3.connect(copy / "troth.db")) as target:
        source.backup(target)
    for name in ("people.key", "deployment"):
        shutil.copy(troth.folder / "troth-data" / name, copy)
    _pay(troth.folder / "troth.toml")
    (after,) = troth.ask(CheckedDocuments, "invoices", "check").ends
    for end, code in ((before, 0), (after, 1)):
        kept = f"{end.series}:{end.n}:{end.sha256}"
        assert troth.run("invoices", "check", "--expect-end", kept).code == 0
        said = troth.run("invoices", "check", "--data", str(copy), "--expect-end", kept)
        assert (said.code, "is not here" in said.err) == (code, code == 1)
    (copy / "people.key").write_bytes(b"another key of thirty-two bytes!")
    said = troth.run("invoices", "check", "--data", str(copy))
    assert (said.code, "it cannot be read" in said.err) == (1, True)


def test_a_document_is_credited(troth: CommandLine) -> None:
    note = troth.ask(Document, "invoices", "credit", NUMBER, "50", "--reference", "r 1")
    assert (note.gross_cents, note.tax_cents) == (-5_000, -375)
    assert troth.ask(Document, "invoices", "credit", NUMBER, "50", "--reference", "r 1") == note
    with closing(engine.open("sqlite:///troth-data/troth.db")) as store, store.read() as tx:
        told = [each.action for each in audit.recent(tx, 99)]
    assert told.count("document.credit") == 1
    wrong = [("50.01", "r 2"), ("0.001", "r 2"), ("0", "r 2"), ("1", " "), ("1", "r" * 65)]
    for amount, reference in wrong:
        said = troth.run("invoices", "credit", NUMBER, amount, "--reference", reference)
        assert said.code == 2


def test_details_are_shown_and_erased(troth: CommandLine) -> None:
    assert troth.ask(Details, "invoices", "details", "Ada").name == "Ada Inc"
    assert troth.run("invoices", "details", "Ada", "--country", "DE").code == 2
    said = troth.run("invoices", "details", "Ada", "--name", "x", "--vat-id", "1")
    assert (said.code, "a VAT number needs its country" in said.err) == (2, True)
    erased = troth.ask(Erased, "invoices", "erase-details", "Ada")
    assert (erased.is_erased, erased.documents_kept) == (True, 1)
    assert troth.ask(Details, "invoices", "details", "Ada") == Details("Ada")


def test_a_legal_hold_is_placed_and_lifted(troth: CommandLine) -> None:
    made = troth.ask(LegalHold, "invoices", "keep", "case 7", "--organization", "Ada")
    assert made.id in troth.run("invoices", "legal-holds").out
    (lifted,) = troth.ask(list[LegalHold], "invoices", "lift", made.id)
    assert lifted.lifted_at_ms > 0
    assert troth.run("invoices", "lift", made.id).code == 2
    assert troth.run("invoices", "keep", " ").code == 2


HOME = """source = "s"
checked_on = 2026-01-01
rate = [{ country = "CH", percent = "8.1", since = 2024-01-01 }]
"""
WRONG = [
    ('series = "ACME"', 'series = "acme"', "'seller.series' must be"),
    ('country = "CH"', 'country = ""', "'seller.country' is missing"),
    ("CHE-107.787.577 IVA", "CHE-107.787.578 IVA", "'seller.vat_id': this is no VAT number"),
    ('point = "topup"', "", "'vat.point' must say when"),
    ('engine = "table"\npoint = "topup"', 'engine = "stripe_tax"\npoint = "usage"', "'vat.engine'"),
    ('point = "topup"', 'point = "topup"\nregistered = ["US"]', "has none for 'US'"),
    ('point = "topup"', 'point = "topup"\nregistered = ["Germany"]', "'vat.registered' must be"),
    ('point = "topup"', 'point = "topup"\ntable = "none.toml"', "cannot be read"),
    (
        'point = "topup"',
        'point = "topup"\nregistered = ["EU"]\ntable = "home.toml"',
        "has none for 'AT'",
    ),
    ('point = "topup"', 'point = "topup"\n[invoices]\nkeep_years = 0', "'invoices.keep_years'"),
    ('point = "topup"', 'point = "topup"\n[invoices]\nyear_ends = "2-30"', "'invoices.year_ends'"),
    ('point = "topup"', 'point = "topup"\n[invoices]\nyear_ends = "02-30"', "'invoices.year_ends'"),
    (
        'point = "topup"',
        'point = "topup"\n[invoices]\ndetails_days = -1',
        "'invoices.details_days'",
    ),
]


def test_settings_that_cannot_be_stop_every_command(troth: CommandLine) -> None:
    file = troth.folder / "troth.toml"
    (troth.folder / "home.toml").write_text(HOME, "utf-8")
    right = file.read_text("utf-8")
    for old, new, said in WRONG:
        file.write_text(right.replace(old, new), "utf-8")
        found = troth.run("invoices", "list")
        assert (found.code, said in found.err) == (2, True), found.err


def test_a_seller_in_liechtenstein_has_the_rates_of_switzerland(troth: CommandLine) -> None:
    file = troth.folder / "troth.toml"
    file.write_text(file.read_text("utf-8").replace('country = "CH"', 'country = "LI"'), "utf-8")
    assert troth.run("invoices", "list").code == 0


def test_storage_without_an_end_is_warned_of(troth: CommandLine) -> None:
    assert "without_end" not in troth.run("config", "check").err
    with (troth.folder / "troth.toml").open("a", encoding="utf-8") as file:
        file.write('[invoices]\nkeep_without_end = true\nkeep_from = "day"\nyear_ends = "06-30"\n')
    said = troth.run("config", "check")
    assert (said.code, "'invoices.keep_without_end' keeps names" in said.err) == (1, True)


@pytest.mark.parametrize(
    ("text", "missing"),
    [("", "vat.engine"), ('[vat]\nengine = "none"\n', "seller.name")],
)
def test_nobody_can_pay_before_it_is_said_who_sells_and_how(
    troth: CommandLine, text: str, missing: str
) -> None:
    payments = (
        '[payments]\nkind = "stripe"\napi_key = "sk_test_1"\nreturn_url = "https://e.example"\n'
    )
    (troth.folder / "troth.toml").write_text(payments + text, "utf-8")
    said = troth.run("invoices", "list")
    assert (said.code, f"'{missing}' is missing" in said.err) == (2, True)


def test_who_asks_for_vat_and_who_writes_it_must_agree(troth: CommandLine) -> None:
    payments = 'kind = "stripe"\napi_key = "sk_test_1"\nreturn_url = "https://e.example"\n'
    file = troth.folder / "troth.toml"
    vat = SETTINGS.replace('"table"', '"stripe_tax"')
    for text, part, said in (
        (vat, "", "'payments.tax_part' is missing"),
        (SETTINGS, 'tax_part = "ch"\n', "'payments.tax_part' has Stripe add VAT"),
        (vat, 'tax_part = "ch"\n', ""),
    ):
        file.write_text(f"[payments]\n{payments}{part}{text}", "utf-8")
        found = troth.run("invoices", "list")
        assert (found.code, said in found.err) == (2 if said else 0, True), found.err


def test_rates_are_listed_with_who_said_so(troth: CommandLine) -> None:
    every = troth.run("invoices", "rates", "--json")
    assert every.code == 0
    assert len(msgspec.json.decode(every.out, type=ShownRates).rates) > 40
    of_one = troth.run("invoices", "rates", "ee").out
    assert of_one.splitlines()[-1].split()[:3] == ["EE", "24.00", "2025-07-01"]
    assert "Taxes in Europe Database" in of_one
    unknown = troth.run("invoices", "rates", "US")
    assert unknown.code != 0
