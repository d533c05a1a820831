"""Texts as a spreadsheet may have them."""

from typing import Final

_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")


def inert(text: str) -> str:
    """Return a text with an apostrophe before what a spreadsheet would compute, such as `=1+1`."""
    return f"'{text}" if text.startswith(_FORMULAS) else text
