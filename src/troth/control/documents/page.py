"""A document as one HTML page: no script, nothing fetched, the same bytes each time.

Every text is escaped where it is put in; there is no template that a name could become part of.
"""

from html import escape
from pathlib import Path
from typing import Final

from troth.control.documents.view import Box, Table, View

_STYLE: Final = (Path(__file__).parent / "page.css").read_text("utf-8")
_WIDE: Final = 3


def page_of(view: View) -> bytes:
    """Return the page, in UTF-8."""
    return (
        f'<!doctype html>\n<html lang="{escape(view.language)}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="robots" content="noindex">\n'
        f"<title>{escape(view.title)} {escape(view.number)}</title>\n"
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<header><h1>{escape(view.title)}</h1>{_facts(view)}</header>\n"
        f'<div class="parties">{_box(view.seller)}{_box(view.buyer)}</div>\n'
        f"{_tables(view.items)}\n{_totals(view)}\n{_tables(view.details)}\n{_notes(view)}\n"
        f"<footer>{escape(view.fingerprint)}</footer>\n</main>\n</body>\n</html>\n"
    ).encode()


def _facts(view: View) -> str:
    rows = "".join(
        f"<dt>{escape(label)}</dt><dd>{escape(value)}</dd>" for label, value in view.facts
    )
    return f"<dl>{rows}</dl>"


def _box(box: Box) -> str:
    lines = "".join(f"<p>{escape(line)}</p>" for line in box.lines)
    return f'<div><h2>{escape(box.label)}</h2><p class="name">{escape(box.name)}</p>{lines}</div>'


def _tables(tables: tuple[Table, ...]) -> str:
    return "\n".join(f"<section>{_table(table)}</section>" for table in tables)


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.head)
    rows = "".join(_row(table, row) for row in table.rows)
    foot = f"<tfoot>{_row(table, table.foot)}</tfoot>" if table.foot else ""
    kind = ' class="wide"' if len(table.head) > _WIDE else ""
    return (
        f"<table{kind}><caption>{escape(table.caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>{foot}</table>"
    )


def _row(table: Table, row: tuple[str, ...]) -> str:
    cells = "".join(
        f'<td data-label="{escape(label)}">{escape(cell)}</td>'
        for label, cell in zip(table.head, row, strict=True)
    )
    return f"<tr>{cells}</tr>"


def _totals(view: View) -> str:
    last = len(view.totals) - 1
    rows = "".join(
        f'<div class="{"sum" if at == last else "part"}">'
        f"<span>{escape(label)}</span><span>{escape(value)}</span></div>"
        for at, (label, value) in enumerate(view.totals)
    )
    return f'<div class="totals">{rows}</div>' if rows else ""


def _notes(view: View) -> str:
    lines = "".join(f"<p>{escape(note)}</p>" for note in view.notes)
    return f'<section class="notes">{lines}</section>'
