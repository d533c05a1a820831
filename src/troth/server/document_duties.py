"""Documents that are due without anybody asking: of payments, refunds and months of wallets.

Each is frozen in a transaction of its own; one that cannot be is told, and the others go on.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Final

from troth.control import documents
from troth.control.audit import Actor
from troth.kernel.errors import Missing, TrothError
from troth.server.office import Office
from troth.store.transaction import Transaction

_NOBODY: Final = -1
_SEALED_A_STEP: Final = 500
Freeze = Callable[[Transaction], documents.Frozen]


def issue_receipts(office: Office) -> None:
    """Write receipts of payments, then credit notes of what went back of documented ones.

    Raises:
        TrothError: the first reason why a document could not be written.
    """
    terms, now_ms = office.documents, office.clock.now_ms()
    with office.store.read() as tx:
        paid = documents.without_receipt(tx, now_ms)
    receipt = partial(documents.receipt_for_topup, terms=terms, now_ms=now_ms, sealer=office.sealer)
    faults = _freeze(office, (partial(receipt, paid=each) for each in paid))
    with office.store.read() as tx:
        returned = documents.without_credit_note(tx, now_ms)
    note = partial(documents.credit_note, terms=terms, now_ms=now_ms, sealer=office.sealer)
    faults += _freeze(office, (partial(note, returned=each) for each in returned))
    if faults:
        raise faults[0]


def issue_months(office: Office) -> None:
    """Write the closed months of all wallets, and delete what need not be kept any longer.

    Raises:
        TrothError: the first reason why a document could not be written.
    """
    keep_papers(office)
    terms, now_ms = office.documents, office.clock.now_ms()
    while (due := _due(office)) is not None:
        span, found = due
        faults = _freeze(
            office,
            (
                partial(
                    documents.issue,
                    terms=terms,
                    month=(span, sums),
                    now_ms=now_ms,
                    sealer=office.sealer,
                )
                for sums in found
            ),
        )
        if faults:
            raise faults[0]
        with office.store.write() as tx:
            documents.finish(tx, span, now_ms)


def keep_papers(office: Office) -> None:
    """Seal what lies open, and delete what need not be kept any longer."""
    sealed = 1
    while sealed:
        with office.store.write() as tx:
            sealed = documents.seal_open(tx, office.sealer, _SEALED_A_STEP)
    with office.store.write() as tx:
        documents.sweep(tx)
        actor = Actor(_NOBODY, office.clock.now_ms())
        documents.erase_of_closed(tx, actor, office.documents.details_days)


def _freeze(office: Office, due: Iterable[Freeze]) -> list[TrothError]:
    faults = []
    for freeze in due:
        try:
            with suppress(Missing), office.store.write() as tx:
                freeze(tx)
        except TrothError as fault:
            faults.append(fault)
    return faults


def _due(office: Office) -> tuple[documents.Span, list[documents.Sums]] | None:
    with office.store.read() as tx:
        span = documents.due(tx)
        return None if span is None else (span, documents.gather(tx, span))
