"""What the desk answers a key that asks about itself, on both databases."""

import msgspec

from tests.builders.issued_keys import issued
from tests.integration.control.test_usage_records import record
from troth.control import budgets, usage
from troth.control.accounts import Organization
from troth.control.audit import Actor
from troth.control.budgets import Mode, Wanted
from troth.control.keys import Key, Terms
from troth.gateway.exchange import Fields
from troth.gateway.ports import Question, Reading
from troth.kernel.clock import ManualClock
from troth.kernel.periods import Period
from troth.kernel.usage_record import Outcome
from troth.ledger import books
from troth.ledger.books import Credit, LotKind
from troth.server.office import DESK, Office
from troth.server.own_reads import answer_to

DAY_MS = 86_400_000
USD = 10**9


def asked(office: Office, key: Key, what: Reading, subject: str = "", *, limit: int = 0) -> Fields:
    question = Question(what, key.org, key.ref, subject, limit)
    with office.store.read() as tx:
        found = answer_to(tx, question, office.clock.now_ms())
    assert found is not None
    answer: Fields = msgspec.json.decode(found)
    return answer


def within(fields: Fields, name: str) -> Fields:
    found = fields[name]
    assert isinstance(found, dict)
    return found


def used(office: Office, key: Key, nusd: int, **changes: str | int) -> str:
    request = "req_" + office.maker.raw().hex()
    values: dict[str, str | int] = {
        "org": key.org,
        "key": key.ref,
        "request": request,
        "started_at_ms": office.clock.now_ms(),
        "charged_nusd": nusd,
        **changes,
    }
    with office.store.write() as tx:
        usage.write(tx, [record(1, **values)])
    return request


def test_a_key_knows_its_limits_and_what_it_used(
    office: Office, clock: ManualClock, actor: Actor, ada: Organization
) -> None:
    key = issued(office, actor, ada, Terms("notebook", requests_per_minute=60)).key
    other = issued(office, actor, ada, Terms("other")).key
    used(office, key, 1_500_000_000)
    clock.advance(40 * DAY_MS)
    used(office, key, 250)
    used(office, other, 999)
    with office.store.write() as tx:
        owner = budgets.owner(tx, ada, key=key.ref)
        for period, nusd in ((Period.DAY, 3 * USD), (Period.MONTH, 2 * USD)):
            wanted = Wanted(period, Mode.HARD, nusd)
            budgets.set_budget(tx, actor, owner, wanted, raw=office.maker.raw())
        wanted = Wanted(Period.TOTAL, Mode.ALERT, 9)
        budgets.set_budget(tx, actor, budgets.owner(tx, ada), wanted, raw=office.maker.raw())
    data = within(asked(office, key, Reading.KEY), "data")
    assert data["label"] == "notebook"
    assert (data["usage"], data["usage_daily"], data["usage_monthly"]) == (
        1.50000025,
        2.5e-07,
        2.5e-07,
    )
    assert (data["limit"], data["limit_remaining"], data["limit_reset"]) == (2, 2, "monthly")
    assert within(data, "rate_limit")["requests"] == 60
    shown = within(data, "x_troth")["budgets"]
    assert isinstance(shown, list)
    owners = sorted(str(each["of"]) for each in shown if isinstance(each, dict))
    assert owners == ["key", "key", "organization"]
    assert (data["is_free_tier"], data["expires_at"]) == (True, None)


def test_a_key_without_the_right_does_not_see_the_organization_s_budgets(
    office: Office, actor: Actor, ada: Organization
) -> None:
    key = issued(office, actor, ada, Terms("k", may_read_wallet=False)).key
    with office.store.write() as tx:
        wanted = Wanted(Period.MONTH, Mode.HARD, 9)
        budgets.set_budget(tx, actor, budgets.owner(tx, ada), wanted, raw=office.maker.raw())
    data = within(asked(office, key, Reading.KEY), "data")
    assert within(data, "x_troth")["budgets"] == []
    assert (data["limit"], data["limit_reset"]) == (None, None)


def test_credits_are_what_was_given_and_used(
    office: Office, actor: Actor, ada: Organization
) -> None:
    key = issued(office, actor, ada, Terms("k")).key
    with office.store.write() as tx:
        for kind, amount, ends in ((LotKind.PAID, 5 * USD, None), (LotKind.PROMO, USD, 9**13)):
            books.credit(tx, Credit("1", ada.raw, kind, amount, ends), DESK, actor.at_ms)
    found = asked(office, key, Reading.CREDITS)
    assert found["data"] == {"total_credits": 6, "total_usage": 0}
    assert found["x_troth"] == {
        "posted_nusd": 6 * USD,
        "reserved_nusd": 0,
        "available_nusd": 6 * USD,
        "ends": [{"nusd": USD, "at_ms": 9**13}],
    }


def test_a_generation_has_its_published_names(
    office: Office, actor: Actor, ada: Organization
) -> None:
    key = issued(office, actor, ada, Terms("k")).key
    request = used(office, key, 12_345, outcome=Outcome.LENGTH)
    data = within(asked(office, key, Reading.GENERATION, request), "data")
    assert (data["id"], data["total_cost"], data["usage"]) == (request, 1.2345e-05, 1.2345e-05)
    assert (data["finish_reason"], data["api_type"]) == ("length", "completions")
    assert (data["native_tokens_prompt"], data["native_tokens_completion"]) == (15, 22)
    assert (data["native_tokens_cached"], data["native_tokens_reasoning"]) == (5, 2)
    assert (data["latency"], data["generation_time"], data["streamed"]) == (5, 9, True)
    assert data["upstream_inference_cost"] is None
    assert (data["native_tokens_completion_images"], data["num_search_results"]) == (None, None)
    assert data["cancelled"] is False
    for outcome in (Outcome.CLIENT_LEFT, Outcome.DRAINED):
        request = used(office, key, 1, outcome=outcome)
        data = within(asked(office, key, Reading.GENERATION, request), "data")
        assert (data["cancelled"], data["finish_reason"]) == (True, None)


def test_receipts_come_in_pages_and_are_the_key_s_own(
    office: Office, clock: ManualClock, actor: Actor, ada: Organization
) -> None:
    key = issued(office, actor, ada, Terms("k")).key
    other = issued(office, actor, ada, Terms("other")).key
    made = []
    for number in range(7):
        clock.advance(1)
        made.append(used(office, key, number))
        used(office, other, 1)
    found: list[str] = []
    after = ""
    for _ in range(9):
        page = asked(office, key, Reading.RECEIPTS, after, limit=3)
        assert isinstance(page["data"], list)
        found += [str(each["id"]) for each in page["data"] if isinstance(each, dict)]
        if not page["has_more"]:
            break
        after = str(page["after"])
    assert found == made[::-1]
    foreign = used(office, other, 1)
    for what in (Reading.RECEIPT, Reading.GENERATION):
        with office.store.read() as tx:
            assert answer_to(tx, Question(what, key.org, key.ref, foreign), actor.at_ms) is None
