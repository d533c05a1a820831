"""What the desk does with usage records: write them with their charges, read them as receipts."""

from collections.abc import Sequence

import msgspec

from troth.control import supply, usage
from troth.kernel import usage_record
from troth.ledger.books import Posted
from troth.store.transaction import Transaction


def write_usage(transaction: Transaction, posted: Sequence[Posted]) -> None:
    """Write rows and roll-ups of settlements, charged as the books charged them."""
    kept = [(each, usage_record.decode(each.record)) for each in posted if each.record]
    usage.write(
        transaction,
        [
            record
            if record.charged_nusd == each.charged
            else msgspec.structs.replace(record, charged_nusd=each.charged)
            for each, record in kept
        ],
        [usage.Place(each.day, each.desk, each.batch, each.place) for each, _ in kept],
    )


def receipt_document(transaction: Transaction, org: str, key: str, request: str) -> bytes | None:
    """Return a request's receipt as JSON, or None.

    An empty `org` or `key` asks as the operator; else only that key's own requests are found.
    """
    found = usage.find(transaction, org, key, request)
    if found is None:
        return None
    place = (found.model_served, found.upstream)
    asked = supply.sale_in_set(transaction, found.price_set, place)
    if asked is None:
        return usage.document(found, None)
    return usage.document(found, asked.sheet, asked.since_ms)
