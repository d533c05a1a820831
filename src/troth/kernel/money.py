"""Nano-USD and the only rounding of the system.

The unit is one billionth of a US dollar, an integer. A price is an integer amount per an integer
count, so a charge is one exact sum over a common denominator, rounded once: down for a charge
(at most one nano-dollar, for the customer), up for a reservation.
"""

from collections.abc import Iterable
from math import lcm
from typing import Final

import msgspec

DECIMALS: Final = 9
NANO: Final = 1_000_000_000
MAX_NUSD: Final = 2**63 - 1


class Price(msgspec.Struct, frozen=True, gc=False):
    """So many nano-USD for `per` units (10**6 tokens, 3_600_000 ms, one image, 1_000 requests)."""

    amount_nusd: int
    per: int


class Term(msgspec.Struct, frozen=True, gc=False):
    """One line of a bill: `count` units at a price."""

    count: int
    price: Price


def _exact(terms: Iterable[Term]) -> tuple[int, int]:
    """Return the sum of the terms as numerator and denominator."""
    lines = [term for term in terms if term.count]
    under = lcm(*(line.price.per for line in lines)) if lines else 1
    over = sum(line.count * line.price.amount_nusd * (under // line.price.per) for line in lines)
    return over, under


def charge(terms: Iterable[Term]) -> int:
    """Return what the terms cost in nano-USD, rounded down once."""
    over, under = _exact(terms)
    return over // under


def bound(terms: Iterable[Term]) -> int:
    """Return what must be set aside for the terms in nano-USD, rounded up once."""
    over, under = _exact(terms)
    return -(-over // under)


def usd(nusd: int) -> str:
    """Return dollars with all nine decimals, such as `0.000123456`; exact, without a float."""
    sign = "-" if nusd < 0 else ""
    whole, rest = divmod(abs(nusd), NANO)
    return f"{sign}{whole}.{rest:09d}"


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
