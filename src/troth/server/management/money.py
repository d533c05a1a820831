"""Wallets and the books."""

from typing import Final

from fastapi import APIRouter, Response

from troth.control import accounts, audit, deeds, reports, usage
from troth.kernel.errors import InvalidValue
from troth.ledger import books
from troth.server.management import payments
from troth.server.management.forms import Body, By, Here, Key, answer, dollars, once
from troth.server.office import DESK
from troth.server.shown import Verified, shown_wallet

ROUTER: Final = APIRouter()
ROUTER.include_router(payments.ROUTER)


class NewCredit(Body):
    """US dollars in a string; the same `key` credits once. Demo credit was not paid for."""

    amount_usd: str
    key: str = ""
    is_demo: bool = False


@ROUTER.get("/organizations/{name:path}/wallet")
def show_wallet(name: str, office: Here) -> Response:
    """Show an organization's wallet."""
    with office.store.read() as tx:
        owner = accounts.named(tx, name)
        wallet = books.wallet(tx, owner.raw) or books.Wallet(0, 0)
    return answer(shown_wallet(owner.ref, wallet))


@ROUTER.post("/organizations/{name:path}/credits")
def credit_wallet(name: str, body: NewCredit, office: Here, by: By, *, key: Key) -> Response:
    """Put credit into a wallet; the same movement is made once, and never with another amount."""
    amount = dollars("amount_usd", body.amount_usd)
    if not amount:
        raise InvalidValue("amount_usd", "give more than 0")
    kind = books.LotKind.PROMO if body.is_demo else books.LotKind.PAID
    with office.store.write() as tx:
        owner = accounts.named(tx, name)
        accounts.refuse_closed(tx, owner)
        movement = body.key or office.maker.raw().hex()
        wanted = books.Credit(f"{owner.ref} {movement}", owner.raw, kind, amount)
        named = once(key, "credits", body)
        is_done = deeds.claim(tx, office.sealer, named, owner.ref, now_ms=by.at_ms) is not None
        if not is_done:
            deeds.refuse_other_credit(tx, wanted)
            if books.credit(tx, wanted, DESK, by.at_ms):
                action = audit.Action.WALLET_CREDIT
                audit.append(tx, by, action, owner.ref, amount_nusd=amount)
    return show_wallet(owner.ref, office)


@ROUTER.post("/ledger/verify")
def verify_ledger(office: Here) -> Response:
    """Recompute the books and the list of changes from their start."""
    with office.store.read() as tx:
        report = books.verify(tx)
        wrong = [f"I9 the sums of day {day} are not its close" for day in usage.disagreeing(tx)]
        wrong += [
            f"I10 usage rows of batch {desk}/{n} were changed" for desk, n in usage.unproved(tx)
        ]
        entries = audit.verify(tx)
        heads = reports.heads(tx)
    return answer(
        Verified(
            report.batches,
            report.charges,
            report.entries,
            entries,
            report.problems + wrong,
            heads,
        )
    )
