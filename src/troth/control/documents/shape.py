"""A document as it is frozen: what every page of it, in any language, is made from.

Cash is in whole cents, usage in nano-USD. Names, addresses and models are text of others; all else
is codes that `words` gives sentences to. The JSON of this shape is stored and hashed once.
"""

from typing import Final

import msgspec

from troth.kernel.fields import Code

FORMAT: Final = 1
NUSD_PER_CENT: Final = 10_000_000


class Kind(Code):
    """What a document is."""

    RECEIPT = "receipt"
    INVOICE = "invoice"
    STATEMENT = "statement"
    CREDIT_NOTE = "credit_note"


class Treatment(Code):
    """Why there is VAT, or why there is none."""

    NONE = "none"
    """The seller charges no VAT."""
    STANDARD = "standard"
    REVERSE_CHARGE = "reverse_charge"
    OUTSIDE = "outside"
    """Supplied in a country where the seller owes none."""
    LATER = "later"
    """Credit for services that are taxed when they are used."""
    EARLIER = "earlier"
    """Usage of credit that was taxed when it was bought."""


class Note(Code):
    """A sentence under the sums."""

    PAID = "paid"
    """Money came before the document, so that nobody pays it twice."""
    PAID_FROM_CREDIT = "paid_from_credit"
    CREDIT_IS_USD = "credit_is_usd"
    NOT_AN_INVOICE = "not_an_invoice"
    RECONCILED = "reconciled"
    CARRIED = "carried"
    MIRRORS = "mirrors"
    VAT_WITHIN = "vat_within"
    VAT_ON_TOP = "vat_on_top"
    DAYS_ARE_UTC = "days_are_utc"


class Item(Code):
    """What a line of cash is for."""

    CREDIT = "credit"
    USAGE = "usage"
    REFUND = "refund"


class Flow(Code):
    """A line of a month's balance, in the order it is shown."""

    OPENING = "opening"
    BOUGHT = "bought"
    GIVEN = "given"
    CORRECTED = "corrected"
    OTHER_IN = "other_in"
    USED = "used"
    RETURNED = "returned"
    OTHER_OUT = "other_out"
    CLOSING = "closing"


class Party(msgspec.Struct, frozen=True):
    """A seller or a buyer. `country` is ISO 3166's two letters; empty where it is not known."""

    name: str
    address: tuple[str, ...] = ()
    country: str = ""
    vat_id: str = ""
    registration: str = ""
    email: str = ""


class Cash(msgspec.Struct, frozen=True):
    """A line of cash, VAT left out."""

    item: Item
    net_cents: int


class Used(msgspec.Struct, frozen=True):
    """A month of one model. An empty `model` is what was posted in another month than begun."""

    model: str
    count: int
    tokens_in: int
    tokens_cached: int
    tokens_out: int
    charged_nusd: int


class Balance(msgspec.Struct, frozen=True):
    """One line of a month's balance; what leaves the wallet is below zero."""

    flow: Flow
    nusd: int


class Split(msgspec.Struct, frozen=True):
    """What of a month's usage is taxed: all, less what gifts paid, and the parts of cents.

    `carried_in` and `carried_out` are below one cent: no month rounds another month's money away.
    `corrected` is what was credited back of bought usage; what exceeds a month's usage is carried
    on, below zero. `earlier` was paid with credit whose VAT was dealt with when it was bought.
    """

    used_nusd: int
    gifts_nusd: int
    carried_in_nusd: int
    carried_out_nusd: int
    corrected_nusd: int = 0
    earlier_nusd: int = 0


class Tax(msgspec.Struct, frozen=True):
    """VAT of a whole document, rounded half up once; `rate_bp` in hundredths of a percent."""

    treatment: Treatment
    country: str = ""
    rate_bp: int = 0
    is_within: bool = True


class Mirror(msgspec.Struct, frozen=True):
    """The document that a credit note takes back."""

    number: str
    issued_on: str
    kind: Kind


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. Days are ISO dates in UTC; a document of one day has no period.

    `previous` is the hash of the document before in its series, so that none can be taken out.
    """

    format: int = FORMAT
    number: str
    previous: str
    kind: Kind
    issued_on: str
    supplied_on: str = ""
    period: tuple[str, str] | None = None
    language: str
    currency: str = "USD"
    organization: str
    reference: str
    seller: Party
    buyer: Party
    cash: tuple[Cash, ...] = ()
    usage: tuple[Used, ...] = ()
    balance: tuple[Balance, ...] = ()
    split: Split | None = None
    tax: Tax
    net_cents: int = 0
    tax_cents: int = 0
    gross_cents: int = 0
    mirrors: Mirror | None = None
    notes: tuple[Note, ...] = ()


class Frozen(msgspec.Struct, frozen=True):
    """A stored document: its JSON as it was hashed, and the hash in hexadecimal digits."""

    number: str
    body: bytes
    sha256: str

    @property
    def document(self) -> Document:
        """The document read back."""
        return msgspec.json.decode(self.body, type=Document)
