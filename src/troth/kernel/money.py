"""Nano-USD: the unit of all money here, and how it is written and read without a float.

The unit is one billionth of a US dollar, an integer. What something costs is computed in one place,
`catalog.price`, as one exact sum that is rounded once.
"""

from typing import Final

DECIMALS: Final = 9
NANO: Final = 1_000_000_000
MAX_NUSD: Final = 2**63 - 1


def usd(nusd: int) -> str:
    """Return dollars with all nine decimals, such as `0.000123456`; exact, without a float."""
    sign = "-" if nusd < 0 else ""
    digits = str(abs(nusd)).zfill(DECIMALS + 1)
    return f"{sign}{digits[:-DECIMALS]}.{digits[-DECIMALS:]}"


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def nusd_of(text: str) -> int | None:
    """Return the nano-USD of a decimal string such as `12.50`, or None when it is not exact.

    Takes digits with at most nine decimals; no sign, no exponent, no spaces.
    """
    whole, dot, decimals = text.partition(".")
    if not _is_digits(whole) or (dot and not _is_digits(decimals)) or len(decimals) > DECIMALS:
        return None
    value = int(whole) * NANO + int(decimals.ljust(DECIMALS, "0"))
    return value if value <= MAX_NUSD else None
