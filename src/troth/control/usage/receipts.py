"""Receipts: one request explained to the nano-dollar, from its row and the prices of its day."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from troth.catalog.explain import ChargeLine, explained, summed
from troth.catalog.price import Sheet, TierMode
from troth.control.usage.cells import inert
from troth.control.usage.months import Month
from troth.control.usage.postings import Drawn, Posting, drawn, proved
from troth.control.usage.record import MS_OF_DAY, ShownAttempt
from troth.control.usage.retention import POSTED_DAYS, TIME_BYTES
from troth.kernel import ids
from troth.kernel.clock import iso
from troth.kernel.money import usd
from troth.kernel.quantities import Quantities, tokens_in, tokens_out
from troth.store.transaction import Transaction


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    request: bytes
    org: bytes
    api_key: bytes
    endpoint: str
    model_asked: str
    model_served: str
    provider: str
    upstream: str
    region: str
    price_set: str
    started_at: int
    first_byte_ms: int
    latency_ms: int
    status: int
    outcome: str
    streamed: int
    usage_source: str
    quantities: str
    reserved: int
    charged: int
    cost: int
    clamped: int
    attempts: str
    desk: int
    batch: int
    place: int


_SELECT: Final = """
SELECT request, org, api_key, endpoint, model_asked, model_served, provider, upstream, region,
  price_set, started_at, first_byte_ms, latency_ms, status, outcome, streamed, usage_source,
  quantities, reserved, charged, cost, clamped, attempts, desk, batch, place
FROM usage"""
_POSTED: Final = f"""{_SELECT} WHERE org = ? AND request > ? AND EXISTS (
  SELECT 1 FROM batch WHERE batch.desk = usage.desk AND batch.n = usage.batch AND batch.day >= ?
  AND batch.day < ?) ORDER BY request LIMIT ?"""  # noqa: S608 - of constants
_ROWS: Final = list[_Stored]
_QUANTITIES: Final = msgspec.json.Decoder(Quantities)
_ATTEMPTS: Final = msgspec.json.Decoder(tuple[ShownAttempt, ...])


class ShownPrice(msgspec.Struct, frozen=True):
    """A unit price as a receipt shows it: `usd` for `per` units, least quantity `min_quantity`."""

    unit: str
    usd: str
    amount_nusd: int
    per: int
    tier_start: int
    min_quantity: int = 0


class Price(msgspec.Struct, frozen=True):
    """What a request came to, so that it can be computed again from the receipt alone.

    The exact sum of `counted` x `amount_nusd` / `per` over the lines, rounded down once, is
    `total_nusd`; the operator bears `operator_nusd` of it, the rest was charged. With `tier_mode`
    `whole` the size of the input chose one tier, which starts at `tier_start`; with `marginal` each
    tier has lines of its own. `since_ms` is when this price set was first in force.
    """

    price_set: str
    since_ms: int
    tier_mode: TierMode
    tier_start: int
    lines: tuple[ChargeLine, ...]
    total_nusd: int
    operator_nusd: int


class Corrected(msgspec.Struct, frozen=True):
    """What was credited back of a request's charge, by which entry, and when."""

    entry: str
    amount_nusd: int
    at_ms: int


class Receipt(msgspec.Struct, frozen=True):
    """One request: what was asked and served, how much, at which prices, for what.

    Money in nano-USD, and as dollars in a string; times in unix milliseconds, durations in
    milliseconds. `clamped` is the most tokens that the wallet could pay, 0 when it set no limit.
    `unit_prices` is the whole price list of the model, `price` what of it applied. `posting` says
    where the charge stands in the books and proves it. `paid_from` are the wallet's credits
    that paid it, `corrections` credits that gave part of it back.
    """

    id: str
    object: str
    organization: str
    key: str
    endpoint: str
    model_asked: str
    model_served: str
    provider: str
    upstream: str
    region: str
    started_at_ms: int
    first_byte_ms: int
    latency_ms: int
    status: int
    outcome: str
    is_streamed: bool
    quantities: Quantities
    usage_source: str
    is_estimated: bool
    price_set: str
    unit_prices: tuple[ShownPrice, ...]
    reserved_nusd: int
    charged_nusd: int
    charged_usd: str
    max_tokens_clamped: int
    attempts: tuple[ShownAttempt, ...]
    posting: Posting | None = None
    price: Price | None = None
    paid_from: tuple[Drawn, ...] = ()
    corrections: tuple[Corrected, ...] = ()


def find(transaction: Transaction, org: str, key: str, request: str) -> Receipt | None:
    """Return the receipt of a request with its proof, without its unit prices.

    An empty `org` or `key` asks as the operator; else only that key's own requests are found.
    """
    raw = ids.raw_of("req", request)
    row = transaction.row(f"{_SELECT} WHERE request = ?", (raw,)) if raw else None
    if row is None:
        return None
    stored = msgspec.convert(row, _Stored)
    found = _receipt(stored)
    is_own = (not org or found.organization == org) and (not key or found.key == key)
    if not is_own:
        return None
    posting = proved(transaction, (stored.desk, stored.batch), stored.place)
    return msgspec.structs.replace(
        found,
        posting=posting,
        paid_from=drawn(transaction, stored.org, posting, stored.charged) if posting else (),
        corrections=_corrections(transaction, stored.request),
    )


def _corrections(transaction: Transaction, request: bytes) -> tuple[Corrected, ...]:
    rows = transaction.rows(
        "SELECT entry, part.amount, at FROM correction_part AS part"
        " JOIN correction ON entry = correction WHERE request = ? ORDER BY at, entry",
        (request,),
        tuple[bytes, int, int],
    )
    return tuple(Corrected(entry.hex(), amount, at_ms) for entry, amount, at_ms in rows)


def latest(transaction: Transaction, org_raw: bytes, limit: int) -> list[Receipt]:
    """Return an organization's newest receipts, without unit prices and proofs."""
    rows = transaction.rows(
        f"{_SELECT} WHERE org = ? ORDER BY request DESC LIMIT ?", (org_raw, limit)
    )
    return [_receipt(row) for row in msgspec.convert(rows, list[_Stored])]


def of_key(
    transaction: Transaction, owner: tuple[bytes, bytes], before: str, limit: int
) -> list[Receipt]:
    """Return a key's newest receipts, those before a request if one is named.

    `owner` are the sixteen bytes of organization and key. Without unit prices and proofs.
    """
    end = ids.raw_of("req", before)
    narrowed = "" if end is None else " AND request < ?"
    params = (*owner, limit) if end is None else (*owner, end, limit)
    statement = f"{_SELECT} WHERE org = ? AND api_key = ?{narrowed} ORDER BY request DESC LIMIT ?"
    return [_receipt(row) for row in msgspec.convert(transaction.rows(statement, params), _ROWS)]


def posted(
    transaction: Transaction, org_raw: bytes, days: Month, after: str, *, limit: int
) -> list[Receipt]:
    """Return an organization's receipts that were posted on some days, in the order of their ids.

    `after` is the last one that was seen. Without unit prices and proofs.
    """
    first = max(0, (days.first - POSTED_DAYS) * MS_OF_DAY).to_bytes(TIME_BYTES, "big")
    begin = max(ids.raw_of("req", after) or b"", first)
    rows = transaction.rows(_POSTED, (org_raw, begin, days.first, days.end, limit))
    return [_receipt(row) for row in msgspec.convert(rows, _ROWS)]


_COLUMNS: Final = (
    "receipt", "started_at", "key", "endpoint", "model_asked", "model_served", "provider",
    "outcome", "counted_by", "tokens_in", "tokens_cached", "tokens_out", "images", "audio_ms",
    "characters", "price_set", "charged_nusd", "charged_usd",
)  # fmt: skip


def as_rows(found: Sequence[Receipt]) -> Iterator[tuple[str | int, ...]]:
    """Yield the names of a table's columns, then a row a receipt; no cell is a formula."""
    yield _COLUMNS
    for each in found:
        used = each.quantities
        yield (
            each.id, iso(each.started_at_ms), each.key, each.endpoint, inert(each.model_asked),
            inert(each.model_served), each.provider, each.outcome, each.usage_source,
            tokens_in(used), used.cache_read, tokens_out(used), used.images, used.audio_ms,
            used.characters, each.price_set, each.charged_nusd, each.charged_usd,
        )  # fmt: skip


def document(receipt: Receipt, sheet: Sheet | None, since_ms: int = 0) -> bytes:
    """Return the receipt as JSON with its prices, without them where its price set is not known."""
    if sheet is None:
        return msgspec.json.encode(receipt)
    shown = tuple(
        ShownPrice(
            line.unit,
            usd(line.amount_nusd),
            line.amount_nusd,
            line.per,
            line.tier_start,
            line.min_quantity,
        )
        for line in sheet.lines
    )
    price = _price(receipt, sheet, since_ms)
    return msgspec.json.encode(msgspec.structs.replace(receipt, unit_prices=shown, price=price))


def _price(receipt: Receipt, sheet: Sheet, since_ms: int) -> Price:
    lines = explained(sheet, receipt.quantities)
    total = summed(lines)
    is_whole = sheet.mode == "whole"
    return Price(
        price_set=receipt.price_set,
        since_ms=since_ms,
        tier_mode=sheet.mode,
        tier_start=sheet.tier(tokens_in(receipt.quantities)).start if is_whole else 0,
        lines=lines,
        total_nusd=total,
        operator_nusd=total - receipt.charged_nusd,
    )


def _receipt(row: _Stored) -> Receipt:
    return Receipt(
        id=ids.text("req", row.request),
        object="receipt",
        organization=ids.text("org", row.org),
        key=ids.text("key", row.api_key),
        endpoint=row.endpoint,
        model_asked=row.model_asked,
        model_served=row.model_served,
        provider=row.provider,
        upstream=row.upstream,
        region=row.region,
        started_at_ms=row.started_at,
        first_byte_ms=row.first_byte_ms,
        latency_ms=row.latency_ms,
        status=row.status,
        outcome=row.outcome,
        is_streamed=bool(row.streamed),
        quantities=_QUANTITIES.decode(row.quantities),
        usage_source=row.usage_source,
        is_estimated=row.usage_source == "estimated",
        price_set=row.price_set,
        unit_prices=(),
        reserved_nusd=row.reserved,
        charged_nusd=row.charged,
        charged_usd=usd(row.charged),
        max_tokens_clamped=row.clamped,
        attempts=_ATTEMPTS.decode(row.attempts),
    )
