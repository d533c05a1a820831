"""Documents to render: one of each kind, with everything in it that a document can have.

`python -m tests.builders.papers FOLDER` writes them in every language as HTML and PDF, to look at
or to hand to a validator.
"""

import sys
from pathlib import Path

import msgspec

from troth.control import documents
from troth.control.documents.shape import (
    Balance,
    Cash,
    Document,
    Flow,
    Item,
    Kind,
    Mirror,
    Note,
    Party,
    Split,
    Tax,
    Treatment,
    Used,
)
from troth.control.documents.words import LANGUAGES

SELLER = Party(
    "Example Gateway AG",
    ("Beispielgasse 7", "8001 Zürich"),
    "CH",
    "CHE-107.787.577 IVA",
    "CHE-107.787.577",
    "billing@example.com",
)
BUYER = Party(
    'Ada & Söhne <script>alert("x")</script> #set text(red) $x$ {{7*7}}',
    ("Rue de l’Exemple 12 bis", "75002 Paris"),
    "FR",
    "FR40303265045",
)
_USED = (
    Used("deepseek-ai/DeepSeek-V3", 1_204, 8_120_114, 2_048, 1_990_031, 4_321_987_654),
    Used("gpt-4o-mini", 3, 12, 0, 7, 1_000),
    Used("", 0, 0, 0, 0, -1_000),
)


def paper(kind: Kind, **changes: object) -> Document:
    """Return a document of a kind."""
    is_month = kind is Kind.STATEMENT
    is_back = kind is Kind.CREDIT_NOTE
    sign = -1 if is_back else 1
    fields: dict[str, object] = {
        "number": "TROTH-I2026-000042",
        "previous": "00" * 32,
        "kind": kind,
        "issued_on": "2026-12-01",
        "supplied_on": "" if is_month or is_back else "2026-11-30",
        "period": ("2026-11-01", "2026-11-30") if is_month else None,
        "language": "en",
        "organization": "org_" + "ab" * 16,
        "reference": "" if is_month else "top_" + "cd" * 16,
        "seller": SELLER,
        "buyer": BUYER,
        "cash": () if is_month else (Cash(Item.REFUND if is_back else Item.CREDIT, sign * 9_251),),
        "usage": _USED if is_month else (),
        "balance": (
            Balance(Flow.OPENING, 10_000_000_000),
            Balance(Flow.BOUGHT, 100_000_000_000),
            Balance(Flow.USED, -4_321_987_654),
            Balance(Flow.CLOSING, 105_678_012_346),
        )
        if is_month
        else (),
        "split": None,
        "tax": Tax(Treatment.EARLIER) if is_month else Tax(Treatment.STANDARD, "CH", 810),
        "net_cents": 0 if is_month else sign * 9_251,
        "tax_cents": 0 if is_month else sign * 749,
        "gross_cents": 0 if is_month else sign * 10_000,
        "mirrors": Mirror("TROTH-I2026-000041", "2026-11-02", Kind.INVOICE) if is_back else None,
        "notes": (Note.CREDIT_IS_USD, Note.VAT_WITHIN),
    }
    return msgspec.convert({**fields, **changes}, Document, from_attributes=True)


def invoiced_month() -> Document:
    """Return an invoice of a month, where usage is taxed."""
    whole = paper(Kind.STATEMENT)
    return paper(
        Kind.INVOICE,
        supplied_on="",
        period=whole.period,
        usage=whole.usage,
        balance=whole.balance,
        cash=(Cash(Item.USAGE, 400),),
        split=Split(4_321_987_654, 1_000_000, 654_321, 1_641_975),
        net_cents=400,
        tax_cents=32,
        gross_cents=432,
        notes=tuple(Note),
    )


def every_paper() -> dict[str, Document]:
    """Return a document of each kind, a month's invoice, a long one and one without VAT."""
    whole = paper(Kind.STATEMENT)
    reverse = Tax(Treatment.REVERSE_CHARGE, "FR")
    return {
        **{kind.value: paper(kind) for kind in Kind},
        "month": invoiced_month(),
        "long": paper(Kind.STATEMENT, usage=whole.usage * 40),
        "reverse": paper(Kind.INVOICE, tax=reverse, net_cents=10_000, tax_cents=0),
    }


def write(folder: Path) -> int:
    """Write all of them in all languages; return how many PDF files there are."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in every_paper().items():
        for language in LANGUAGES:
            view = documents.view_of(document, "5f" * 32, language)
            file = folder / f"{name}-{language}"
            file.with_suffix(".pdf").write_bytes(documents.pdf_of(document, view))
            file.with_suffix(".html").write_bytes(documents.page_of(view))
    return len(list(folder.glob("*.pdf")))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
