"""What documents look like: every word in every language, names as data, the same bytes again."""

import re
from html.parser import HTMLParser
from io import BytesIO

import msgspec
import pytest
from pypdf import PdfReader
from typing_extensions import override

from tests.builders.papers import BUYER, invoiced_month, paper
from troth.control import documents
from troth.control.documents import typeset
from troth.control.documents.shape import Document, Item, Kind, Note, Party, Tax, Treatment
from troth.control.documents.words import LANGUAGES, Words, keys
from troth.kernel.errors import InvalidValue

ALL = {**{kind.value: paper(kind) for kind in Kind}, "month": invoiced_month()}
EACH = pytest.mark.parametrize("document", ALL.values(), ids=ALL.keys())
HASH = "5f" * 32


class Texts(HTMLParser):
    """The texts of a page, and its tags; what is not closed is told."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.feed(page.decode())
        self.close()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.tags.add(tag)
        if tag != "meta":
            self.open.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page(document: Document, language: str = "en") -> bytes:
    return documents.page_of(documents.view_of(document, HASH, language))


def test_no_word_lacks_a_language() -> None:
    assert {key for key, words in keys().items() if not all(words)} == set()
    codes = {
        **{f"title.{kind.value}": kind for kind in Kind},
        **{f"note.{note.value}": note for note in Note},
        **{f"item.{item.value}": item for item in Item},
        **{f"tax.{each.value}": each for each in Treatment if each is not Treatment.STANDARD},
    }
    assert codes.keys() - keys().keys() == set()


@EACH
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_has_a_whole_page_in_every_language(document: Document, language: str) -> None:
    made = page(document, language)
    read = Texts(made)
    assert read.open == []
    assert f'<html lang="{language}">'.encode() in made
    text = " ".join(read.texts)
    assert document.number in text
    assert Words(language).date(document.issued_on) in text
    assert HASH in text


def test_a_page_is_the_same_bytes_again() -> None:
    assert [page(each) for each in ALL.values()] == [page(each) for each in ALL.values()]


def test_names_are_data_and_never_markup() -> None:
    read = Texts(page(paper(Kind.INVOICE)))
    assert "script" not in read.tags
    assert BUYER.name in read.texts


@pytest.mark.parametrize("field", ["name", "address", "vat_id", "registration", "email"])
def test_no_field_of_a_party_reaches_the_markup(field: str) -> None:
    evil = "<b onload=x>'\"&"
    fields = {"name": "x", field: (evil,) if field == "address" else evil}
    party = msgspec.convert(fields, Party)
    read = Texts(page(paper(Kind.INVOICE, seller=party)))
    assert "b" not in read.tags
    assert any(evil in text for text in read.texts)


def test_a_page_fetches_nothing_and_runs_nothing() -> None:
    text = page(paper(Kind.INVOICE)).decode()
    assert not re.search(r"\b(?:src|href|url\(|@import|onload)", text.replace("&lt;", ""))
    assert "<script" not in text


@pytest.mark.parametrize(
    ("language", "written"),
    [
        (
            "en",
            (
                "\N{MINUS SIGN}1,234.50\u00a0USD",
                "1,234.000000001",
                "1 March 2026",
                "25.5%",
            ),
        ),
        (
            "de",
            (
                "\N{MINUS SIGN}1.234,50\u00a0USD",
                "1.234,000000001",
                "1. März 2026",
                "25,5\u00a0%",
            ),
        ),
        (
            "fr",
            (
                "\N{MINUS SIGN}1\u202f234,50\u00a0USD",
                "1\u202f234,000000001",
                "1er mars 2026",
                "25,5\u00a0%",
            ),
        ),
    ],
)
def test_amounts_and_dates_are_written_as_people_there_do(
    language: str, written: tuple[str, str, str, str]
) -> None:
    words = Words(language)
    found = (
        words.cents(-123_450),
        words.nusd(1_234_000_000_001),
        words.date("2026-03-01"),
        words.percent(2_550),
    )
    assert found == written


def test_switzerland_has_a_word_of_its_own_in_german() -> None:
    view = documents.view_of(paper(Kind.INVOICE), HASH, "de")
    assert "MWST-Nr. CHE-107.787.577 IVA" in view.seller.lines
    assert "USt-IdNr. FR40303265045" in view.buyer.lines
    assert view.totals[1][0] == "MWST 8,1\u00a0% (CH)"
    french = documents.view_of(paper(Kind.INVOICE, tax=Tax(Treatment.STANDARD, "FR", 2_000)), HASH)
    assert french.totals[1][0] == "VAT 20% (FR)"


def test_why_there_is_no_vat_is_said() -> None:
    for treatment in set(Treatment) - {Treatment.STANDARD}:
        document = paper(Kind.INVOICE, tax=Tax(treatment), net_cents=10_000, tax_cents=0)
        assert Words("fr")(f"tax.{treatment.value}") in "".join(Texts(page(document, "fr")).texts)


def pdf(document: Document, language: str = "en") -> bytes:
    return documents.pdf_of(document, documents.view_of(document, HASH, language))


@EACH
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_pdf_says_what_the_page_says(document: Document, language: str) -> None:
    made = pdf(document, language)
    reader = PdfReader(BytesIO(made))
    text = "".join(sheet.extract_text() for sheet in reader.pages)
    plain = re.sub(r"\s", "", text)
    view = documents.view_of(document, HASH, language)
    cells = [
        cell
        for table in (*view.items, *view.details)
        for row in (*table.rows, table.foot)
        for cell in row
    ]
    wanted = [*cells, *(each for pair in (*view.facts, *view.totals) for each in pair)]
    wanted += [view.title, view.seller.name, *view.buyer.lines, *view.notes, HASH]
    missing = [each for each in wanted if re.sub(r"\s", "", each) not in plain.replace("-\n", "")]
    assert missing == []


def test_a_pdf_claims_to_be_archival_and_accessible_and_is_the_same_bytes_again() -> None:
    document = paper(Kind.INVOICE)
    made = pdf(document)
    assert made == pdf(document)
    assert b"<pdfaid:part>2</pdfaid:part>" in made
    assert b"<pdfaid:conformance>A</pdfaid:conformance>" in made
    assert b"<pdfuaid:part>1</pdfuaid:part>" in made


def test_a_pdf_of_many_models_has_more_than_one_page() -> None:
    whole = paper(Kind.STATEMENT)
    many = paper(Kind.STATEMENT, usage=whole.usage * 40)
    assert len(PdfReader(BytesIO(pdf(many))).pages) > 1


def test_a_word_that_no_line_has_room_for_is_broken_and_stays_on_the_page() -> None:
    odd = paper(Kind.INVOICE, buyer=Party("W" * 100))
    (sheet,) = PdfReader(BytesIO(pdf(odd))).pages
    lines = [line for line in sheet.extract_text().splitlines() if line.count("W") > 2]
    assert len(lines) > 3
    identifier = paper(Kind.INVOICE).reference
    assert identifier in PdfReader(BytesIO(pdf(paper(Kind.INVOICE)))).pages[0].extract_text()


def test_signs_that_no_font_has_are_an_error_and_not_boxes() -> None:
    odd = paper(Kind.INVOICE, buyer=Party("\U0001f9ff \U00013000"))
    with pytest.raises(InvalidValue) as refused:
        pdf(odd)
    assert "invoices.fonts" in refused.value.message


def test_without_the_extra_the_next_step_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typeset, "typst", None)
    with pytest.raises(InvalidValue) as refused:
        pdf(paper(Kind.INVOICE))
    assert "install troth[pdf]" in refused.value.message
