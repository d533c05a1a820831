"""Which VAT a supply bears, and how much of an amount it is. All in integers.

Services supplied electronically to a buyer in `there` by a seller in `home`. What no rule of a
table can know (thresholds, territories with rules of their own) is for the operator's adviser.
"""

from typing import Final

from troth.control.documents.shape import Party, Tax, Treatment
from troth.control.documents.terms import Engine, Terms
from troth.control.documents.vat_ids import UNION, taxed_in, territory

_WHOLE: Final = 10_000
_REVERSING: Final = UNION | {"GB", "NO"}


def tax_of(terms: Terms, buyer: Party, day: int) -> Tax:
    """Return the treatment of a supply on a day; a buyer of unknown country counts as at home.

    Raises:
        Misconfigured: the table has no rate for where VAT is due.
    """
    if terms.engine is Engine.NONE:
        return Tax(Treatment.NONE)
    home = territory(terms.seller.country)
    there = territory(buyer.country or terms.seller.country)
    if there == home:
        return _standard(terms, home, day)
    if buyer.vat_id and there in _REVERSING:
        return Tax(Treatment.REVERSE_CHARGE, there)
    if there in taxed_in(terms.registered):
        return _standard(terms, there, day)
    if home in UNION and there in UNION:  # below the Union's threshold for sales across borders
        return _standard(terms, home, day)
    return Tax(Treatment.OUTSIDE, there)


def _standard(terms: Terms, country: str, day: int) -> Tax:
    """Return the standard rate; where somebody else computes VAT, the table may not know it."""
    if terms.engine is Engine.STRIPE_TAX:
        return Tax(Treatment.STANDARD, country, terms.rates.known(country, day) or 0)
    return Tax(Treatment.STANDARD, country, terms.rates.at(country, day))


def within(gross_cents: int, rate_bp: int) -> int:
    """Return the VAT inside an amount, rounded half up to a cent."""
    return _half_up(gross_cents * rate_bp, _WHOLE + rate_bp)


def on_top(net_cents: int, rate_bp: int) -> int:
    """Return the VAT on top of an amount, rounded half up to a cent."""
    return _half_up(net_cents * rate_bp, _WHOLE)


def share(part_cents: int, tax_cents: int, gross_cents: int) -> int:
    """Return the VAT in a part of a document's sum; in the whole, exactly all of it."""
    return _half_up(part_cents * tax_cents, gross_cents) if gross_cents else 0


def _half_up(above: int, below: int) -> int:
    return (2 * above + below) // (2 * below)
