"""What in a PDF is not seen: order, headings, tables, language, fonts that bring their signs.

A validator of the formats PDF/A-2a and PDF/UA-1 asks for all of this; these are the parts that a
change of the template could lose without a word.
"""

from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, PdfObject

from tests.builders.papers import every_paper, invoiced_month, paper, write
from troth.control import documents
from troth.control.documents.shape import Document, Kind
from troth.control.documents.view import View
from troth.control.documents.words import LANGUAGES

ALL = every_paper()
EACH = pytest.mark.parametrize("document", ALL.values(), ids=ALL.keys())


def view_of(document: Document, language: str = "en") -> View:
    return documents.view_of(document, "5f" * 32, language)


def made(document: Document, language: str = "en") -> PdfReader:
    return PdfReader(BytesIO(documents.pdf_of(document, view_of(document, language))))


def catalog(reader: PdfReader) -> DictionaryObject:
    return part(reader.trailer, "/Root")


def part(whole: DictionaryObject, name: str) -> DictionaryObject:
    found = whole[name].get_object()
    assert isinstance(found, DictionaryObject)
    return found


def tags(node: PdfObject | None) -> Iterator[DictionaryObject]:
    """Yield the elements beneath one, in the order of reading."""
    found = None if node is None else node.get_object()
    if isinstance(found, ArrayObject):
        for each in found:
            yield from tags(each)
    elif isinstance(found, DictionaryObject):
        if "/S" in found:
            yield found
        if "/K" in found:
            yield from tags(found["/K"])


def counted(document: Document) -> Counter[str]:
    return Counter(str(tag["/S"]) for tag in tags(catalog(made(document))["/StructTreeRoot"]))


@EACH
def test_every_table_is_tagged_with_its_heading_and_the_names_of_its_columns(
    document: Document,
) -> None:
    view = view_of(document)
    tables = [*view.items, *view.details]
    found = counted(document)
    assert found["/H1"] == 1
    assert found["/H2"] == found["/Table"] == len(tables)
    assert found["/TH"] == sum(len(table.head) for table in tables)
    rows = sum(len(table.rows) + bool(table.foot) for table in tables)
    assert found["/TR"] == rows + len(tables)


def test_the_names_of_columns_say_that_they_are_of_columns() -> None:
    heads = [
        tag
        for tag in tags(catalog(made(invoiced_month()))["/StructTreeRoot"])
        if str(tag["/S"]) == "/TH"
    ]
    assert heads
    for head in heads:
        attributes = head["/A"].get_object()
        assert isinstance(attributes, ArrayObject)
        listed = [each.get_object() for each in attributes]
        scopes = [
            str(each["/Scope"])
            for each in listed
            if isinstance(each, DictionaryObject) and "/Scope" in each
        ]
        assert scopes == ["/Column"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_pdf_says_its_language_and_shows_its_title(language: str) -> None:
    document = paper(Kind.INVOICE)
    reader = made(document, language)
    root = catalog(reader)
    assert str(root["/Lang"]) == language
    assert bool(part(root, "/MarkInfo")["/Marked"])
    assert bool(part(root, "/ViewerPreferences")["/DisplayDocTitle"])
    assert reader.metadata is not None
    assert reader.metadata.title == f"{view_of(document, language).title} {document.number}"


def test_every_font_is_in_the_file_and_every_sign_can_be_read_back() -> None:
    fonts: list[DictionaryObject] = []
    for sheet in made(invoiced_month()).pages:
        named = part(part(sheet, "/Resources"), "/Font")
        fonts += [part(named, name) for name in named]
    assert fonts
    for font in fonts:
        assert "/ToUnicode" in font
        below = font["/DescendantFonts"].get_object()
        assert isinstance(below, ArrayObject)
        described = part(below[0].get_object(), "/FontDescriptor")
        assert {"/FontFile", "/FontFile2", "/FontFile3"} & described.keys()


def test_colors_are_those_of_a_profile_in_the_file_and_nothing_runs_or_is_fetched() -> None:
    root = catalog(made(paper(Kind.STATEMENT)))
    intents = root["/OutputIntents"].get_object()
    assert isinstance(intents, ArrayObject)
    assert [str(each.get_object()["/S"]) for each in intents] == ["/GTS_PDFA1"]
    assert "/DestOutputProfile" in intents[0].get_object()
    assert not {"/OpenAction", "/AA", "/AcroForm", "/Names"} & root.keys()


def test_the_printed_page_shows_a_sum_once_where_a_table_is_cut() -> None:
    printed = documents.page_of(view_of(invoiced_month())).decode().partition("@media print")[2]
    assert "tfoot { display: table-row-group; }" in printed


def test_one_of_each_can_be_written_for_a_validator(tmp_path: Path) -> None:
    assert write(tmp_path / "papers") == len(ALL) * len(LANGUAGES)
