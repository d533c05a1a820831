"""Usage: a row a request, sums by the hour, receipts with the prices that were in force."""

import msgspec

from troth.control import supply, usage
from troth.kernel import ids
from troth.kernel.quantities import Quantities
from troth.kernel.usage_record import Attempt, Outcome, UsageRecord, UsageSource, encode
from troth.ledger.books import Posted
from troth.server.office import Office
from troth.server.records import receipt_document, write_usage

HOUR_MS = 3_600_000
ORG = ids.text("org", b"o" * 16)
KEY = ids.text("key", b"k" * 16)
START_MS = 500_000 * HOUR_MS


def record(number: int, **changes: str | int) -> UsageRecord:
    made = UsageRecord(
        request=ids.text("req", number.to_bytes(16, "big")),
        org=ORG,
        key=KEY,
        endpoint="chat",
        model_asked="simulated",
        model_served="simulated",
        provider="simulated",
        upstream="simulated",
        region="",
        price_set="",
        started_at_ms=START_MS,
        first_byte_ms=5,
        latency_ms=9,
        status=200,
        outcome=Outcome.DONE,
        streamed=True,
        usage_source=UsageSource.REPORTED,
        quantities=Quantities(input=10, cache_read=5, output=20, reasoning=2),
        reserved_nusd=900,
        charged_nusd=100,
        cost_nusd=40,
        max_tokens_clamped=0,
        attempts=(Attempt("simulated", "ok", 4),),
    )
    return msgspec.structs.replace(made, **changes)


def test_sums_are_kept_by_the_hour(office: Office) -> None:
    with office.store.write() as tx:
        usage.write(tx, [record(1), record(2, charged_nusd=50)])
        usage.write(tx, [record(3, started_at_ms=START_MS + HOUR_MS, model_served="other")])
        period = usage.Period(START_MS, START_MS + 2 * HOUR_MS)
        first, second = usage.totals(tx, period, "hour")
        assert (first.group, first.count, first.charged_nusd) == (START_MS, 2, 150)
        assert (first.tokens_in, first.tokens_cached, first.tokens_out) == (30, 10, 44)
        assert (second.count, second.charged_nusd) == (1, 100)
        by_model = usage.totals(tx, period, "model")
        assert [(each.group, each.count) for each in by_model] == [("other", 1), ("simulated", 2)]
        assert [each.group for each in usage.totals(tx, period, "key")] == [KEY]
        assert [each.count for each in usage.totals(tx, period, "organization")] == [3]
        assert usage.totals(tx, period, "day", b"x" * 16) == []


def test_a_failed_request_is_counted_as_such(office: Office) -> None:
    """Who leaves gets what was asked, as long as it stays: nothing failed, heard out or not."""
    with office.store.write() as tx:
        usage.write(tx, [record(1, outcome=Outcome.UPSTREAM_CUT), record(2)])
        (total,) = usage.totals(tx, usage.Period(START_MS, START_MS + 1), "day")
        assert (total.count, total.failed) == (2, 1)
        left = (Outcome.CLIENT_LEFT, Outcome.DRAINED, Outcome.LENGTH)
        usage.write(tx, [record(3 + at, outcome=one) for at, one in enumerate(left)])
        (total,) = usage.totals(tx, usage.Period(START_MS, START_MS + 1), "day")
    assert (total.count, total.failed) == (5, 1)


def test_a_receipt_explains_its_charge(office: Office) -> None:
    made = record(1, price_set=office.catalog.price_set)
    with office.store.write() as tx:
        assert supply.remember(tx, office.catalog, 1)
        assert not supply.remember(tx, office.catalog, 2)
        usage.write(tx, [made])
        document = receipt_document(tx, ORG, KEY, made.request)
    assert document is not None
    found = msgspec.json.decode(document, type=usage.Receipt)
    assert found.charged_nusd == 100
    assert found.charged_usd == "0.000000100"
    assert found.quantities.input == 10
    assert {each.unit: each.usd for each in found.unit_prices} == {
        "input": "0.150000000",
        "cache_read": "0.075000000",
        "output": "0.600000000",
    }
    assert b'"images"' not in document
    assert b"cost" not in document


def test_a_receipt_is_its_own_key_s(office: Office) -> None:
    made = record(1)
    with office.store.write() as tx:
        usage.write(tx, [made])
        assert receipt_document(tx, "", "", made.request) is not None
        assert receipt_document(tx, ORG, ids.text("key", b"x" * 16), made.request) is None
        assert receipt_document(tx, ids.text("org", b"x" * 16), KEY, made.request) is None
        assert receipt_document(tx, ORG, KEY, "req_nonsense") is None


def test_the_newest_receipts_come_first(office: Office) -> None:
    with office.store.write() as tx:
        usage.write(tx, [record(number) for number in range(1, 6)])
        listed = usage.latest(tx, b"o" * 16, 2)
    assert [each.id[-1] for each in listed] == ["5", "4"]


def test_a_row_is_charged_as_the_books_charged_it(office: Office) -> None:
    made = record(1)
    posted = Posted(
        reservation=bytes(16),
        record=encode(made),
        charged=60,
        overrun=0,
        late=40,
        day=1,
        desk=0,
        batch=1,
        place=0,
    )
    with office.store.write() as tx:
        write_usage(tx, [posted])
        (listed,) = usage.latest(tx, b"o" * 16, 9)
    assert listed.charged_nusd == 60
