"""A credit's own key names it for ever: it is never another amount, nor another kind."""

import msgspec

from troth.kernel.payment_errors import KeyReused
from troth.ledger import books
from troth.store.transaction import Transaction


def refuse_other_credit(tx: Transaction, wanted: books.Credit) -> None:
    """Refuse a key that has named another credit of the organization than this.

    Raises:
        KeyReused: it has.
    """
    lots = {each.id: (each.granted, each.kind) for each in books.lots(tx, wanted.org)}
    for kind in books.LotKind:
        made = lots.get(msgspec.structs.replace(wanted, kind=kind).lot)
        if made not in {None, (wanted.amount, wanted.kind)}:
            raise KeyReused("key")
