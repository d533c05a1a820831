"""An office with a till, and a payment company in memory at the other end."""

from msgspec.structs import replace

from tests.builders.payment_company import PaymentCompany, SealedEnvelope
from tests.builders.spending_seat import SpendingSeat
from troth.control import accounts, billing
from troth.control.audit import Actor
from troth.control.billing import NUSD_PER_CENT, Item, Terms, Till, Topup, Wanted
from troth.kernel.clock import Clock
from troth.kernel.sealer import Sealer
from troth.ledger import books
from troth.ledger.books import OperatorBook
from troth.server.cashier import Cashier
from troth.server.office import Office
from troth.server.payments import incoming

SECRET = "whsec_of_the_tests"
TERMS = Terms(return_url="https://troth.example/wallet")


class PayingOffice:
    """An office, its company, and short names for what tests ask of both."""

    def __init__(
        self, office: Office, terms: Terms = TERMS, company: PaymentCompany | None = None
    ) -> None:
        self.company = company or PaymentCompany(office.clock)
        self.envelope = SealedEnvelope(SECRET)
        sealer = Sealer(b"k" * 32, office.entropy)
        self.till = Till(terms, sealer, office.maker.raw)
        cashier = Cashier(self.company, self.envelope, self.till)
        self.office = replace(office, cashier=cashier)
        self.seat = SpendingSeat(office.store, office.maker.raw, office.clock.now_ms)

    @property
    def clock(self) -> Clock:
        return self.office.clock

    @property
    def actor(self) -> Actor:
        return Actor(1000, self.clock.now_ms())

    def organization(self, name: str) -> bytes:
        """Make an organization; return its sixteen bytes."""
        with self.office.store.write() as tx:
            return accounts.create(tx, self.actor, self.office.maker.raw(), name).raw

    def page(self, name: str, cents: int = 1_000, *, saves_card: bool = False) -> tuple[str, str]:
        """Begin a top-up; return its reference and that of its page at the company."""
        wanted = Wanted(cents, saves_card)
        page = incoming.start_topup(self.office, self.actor, name, wanted)
        return page.topup, page.url.rpartition("/")[2]

    def buy(
        self, name: str, cents: int = 1_000, *, saves_card: bool = False, card: str = ""
    ) -> str:
        """Top up, paid and credited; return the payment's reference at the company."""
        ref, session = self.page(name, cents, saves_card=saves_card)
        intent = self.company.pay(session, card) if card else self.company.pay(session)
        incoming.look_after(self.office, ref)
        return intent.ref

    def hear(self) -> None:
        """Let every notice of the company arrive."""
        for notice in list(self.company.events):
            incoming.handle(self.office, notice)

    def spend(self, org: bytes, cents: int) -> None:
        """Let usage draw from a wallet, as a posting does."""
        self.seat.spend(org, cents * NUSD_PER_CENT)

    def wallet(self, org: bytes) -> int:
        """Return what a wallet owns, in nano-USD."""
        with self.office.store.read() as tx:
            found = books.wallet(tx, org)
        assert found is not None
        return found.posted

    def cents(self, org: bytes) -> int:
        """Return what a wallet owns, in whole cents."""
        return self.wallet(org) // NUSD_PER_CENT

    def topup(self, ref: str) -> Topup:
        with self.office.store.read() as tx:
            return billing.find_topup(tx, ref)

    def book(self, book: OperatorBook, part: str = "") -> int:
        """Return what an operator book holds, in whole cents."""
        with self.office.store.read() as tx:
            amount = books.balance(tx, book, part)
        assert amount % NUSD_PER_CENT == 0
        return amount // NUSD_PER_CENT

    def items(self) -> list[Item]:
        with self.office.store.read() as tx:
            return billing.open_items(tx)

    def kinds(self) -> list[str]:
        """Return the kinds of what waits for a person."""
        return [item.kind for item in self.items()]

    def verify(self) -> None:
        """The books agree with themselves."""
        with self.office.store.read() as tx:
            assert books.verify(tx).problems == []
