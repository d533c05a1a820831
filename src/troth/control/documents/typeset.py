"""A document as PDF/A-2a and PDF/UA-1, from the same texts as its page. Needs the extra `pdf`.

The level `a` asks for the order of reading, headings and tables to be tagged, so that the file can
be read aloud and its tables taken out again, and for every sign to be text.

The time in the file is that of the document, not of the printing, so that the bytes are the same
each time on a machine. Signs that no font there has are an error: a name is printed or it is not.
"""

import datetime as dt
from pathlib import Path
from typing import Final

import msgspec

from troth.control.documents.shape import Document
from troth.control.documents.view import View
from troth.kernel.errors import InvalidValue

try:
    import typst
except ImportError:  # it comes with an extra
    typst = None  # type: ignore[assignment]

_TEMPLATE: Final = Path(__file__).parent / "page.typ"


_MISSING: Final = (
    "PDF needs the extra: install troth[pdf]. The same document is there as html and json"
)
_NO_SIGNS: Final = (
    "this document has signs that no font of this machine has: install such a font, or name a "
    "folder of fonts in 'invoices.fonts'. The same document is there as html and json"
)


def pdf_of(document: Document, view: View, fonts: str = "") -> bytes:
    """Return the document on A4 pages; `fonts` is a folder of more fonts.

    Raises:
        InvalidValue: the extra is missing, or a sign cannot be printed.
    """
    if typst is None:
        raise InvalidValue("format", _MISSING)
    issued = dt.datetime.fromisoformat(f"{document.issued_on}T00:00:00+00:00")
    try:
        made = typst.compile(
            _TEMPLATE,
            format="pdf",
            sys_inputs={
                "view": msgspec.json.encode(view).decode(),
                "issued_on": document.issued_on,
            },
            pdf_standards=["a-2a", "ua-1"],
            timestamp=int(issued.timestamp()),
            font_paths=[Path(fonts)] if fonts else [],
        )
    except typst.TypstError:
        raise InvalidValue("format", _NO_SIGNS) from None
    assert isinstance(made, bytes)
    return made
