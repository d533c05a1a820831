"""Codes: shown once, given once an organization, spent first, never beyond a cap."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from troth.control import accounts, audit, promotions
from troth.control.accounts import Organization
from troth.control.audit import Action, Actor
from troth.control.promotions import Code, CodeTerms
from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvalidValue, Missing, RateLimited
from troth.ledger import books
from troth.ledger.books import Credit, LotKind
from troth.server.alerting import expire_credit
from troth.server.office import DESK, Office
from troth.store import engine
from troth.store.transaction import Locked

USD = 10**9
DAY_MS = 86_400_000


@pytest.fixture
def founded(office: Office, actor: Actor) -> Callable[[str], Organization]:
    def found(name: str) -> Organization:
        with office.store.write() as tx:
            return accounts.create(tx, actor, office.maker.raw(), name)

    return found


def made(office: Office, actor: Actor, terms: CodeTerms) -> Code:
    minted = (office.maker.raw(), office.entropy(16))
    with office.store.write() as tx:
        return promotions.create(tx, actor, minted, terms)


def redeem(office: Office, owner: Organization, text: str) -> int:
    by = Actor(1, office.clock.now_ms())
    with office.store.write() as tx:
        return promotions.redeem(tx, by, owner, promotions.digest_of(text))


def balance(office: Office, owner: Organization) -> int:
    with office.store.read() as tx:
        wallet = books.wallet(tx, owner.raw)
    assert wallet is not None
    return wallet.posted


def test_a_code_s_text_is_kept_nowhere(office: Office, actor: Actor) -> None:
    code = made(office, actor, CodeTerms(USD))
    assert len(code.text.replace("-", "")) == 26
    with office.store.read() as tx:
        (listed,) = promotions.on_list(tx)
        (row,) = tx.rows("SELECT * FROM code")
    assert listed.text == ""
    assert code.text not in [value for value in row if isinstance(value, str)]


@pytest.mark.parametrize("secret", [bytes(16), b"\xff" * 16, bytes(range(16))])
def test_a_code_is_read_as_people_type_it(secret: bytes) -> None:
    text = promotions.code_text(secret)
    forms = (text, text.lower(), text.replace("-", ""), f" {text} ", text.replace("0", "O"))
    assert {promotions.digest_of(form) for form in forms} == {promotions.digest_of(text)}
    assert promotions.digest_of(text) == promotions.digest_of(text.replace("1", "l"))


@pytest.mark.parametrize("text", ["", "x", "Z" * 26, "U" * 26, "0" * 25, "é" * 26])
def test_what_is_no_code_is_missing(text: str) -> None:
    with pytest.raises(Missing):
        promotions.digest_of(text)


def test_a_code_is_redeemed_once_an_organization_and_so_many_times(
    office: Office, actor: Actor, founded: Callable[[str], Organization]
) -> None:
    code = made(office, actor, CodeTerms(5 * USD, uses_max=2))
    ada, bob, eve = (founded(name) for name in ("Ada", "Bob", "Eve"))
    assert redeem(office, ada, code.text) == 5 * USD
    with pytest.raises(InvalidValue, match="invalid_value") as caught:
        redeem(office, ada, code.text)
    assert "already" in caught.value.message
    redeem(office, bob, code.text)
    with pytest.raises(InvalidValue) as caught:
        redeem(office, eve, code.text)
    assert "used up" in caught.value.message
    assert [balance(office, each) for each in (ada, bob, eve)] == [5 * USD, 5 * USD, 0]
    with office.store.read() as tx:
        assert promotions.on_list(tx)[0].uses == 2
        assert [each.action for each in audit.recent(tx, 2)] == [Action.CODE_REDEEM] * 2
        assert books.verify(tx).problems == []


def test_a_campaign_gives_no_more_than_its_cap(
    office: Office, actor: Actor, founded: Callable[[str], Organization]
) -> None:
    terms = CodeTerms(4 * USD, uses_max=9, campaign="spring", cap_nusd=10 * USD)
    first, second = made(office, actor, terms), made(office, actor, terms)
    ada, bob = founded("Ada"), founded("Bob")
    redeem(office, ada, first.text)
    redeem(office, ada, second.text)
    with pytest.raises(InvalidValue) as caught:
        redeem(office, bob, first.text)
    assert "campaign" in caught.value.message
    assert balance(office, bob) == 0
    with pytest.raises(InvalidValue) as caught:
        made(office, actor, CodeTerms(1, campaign="spring", cap_nusd=7 * USD))
    assert caught.value.param == "cap_usd"
    made(office, actor, CodeTerms(1, campaign="spring", cap_nusd=12 * USD))
    assert redeem(office, bob, first.text) == 4 * USD


def test_an_ended_or_revoked_code_gives_nothing(
    office: Office,
    clock: ManualClock,
    actor: Actor,
    *,
    founded: Callable[[str], Organization],
) -> None:
    ada = founded("Ada")
    short = made(office, actor, CodeTerms(USD, expires_at_ms=actor.at_ms + 1_000))
    lost = made(office, actor, CodeTerms(USD))
    with office.store.write() as tx:
        assert promotions.revoke(tx, actor, lost.ref).revoked_at_ms == actor.at_ms
        with pytest.raises(Missing):
            promotions.revoke(tx, actor, "code_" + "0" * 32)
    clock.advance(1_000)
    for code in (short, lost):
        with pytest.raises(InvalidValue) as caught:
            redeem(office, ada, code.text)
        assert "ended" in caught.value.message
    with pytest.raises(Missing):
        redeem(office, ada, promotions.code_text(office.entropy(16)))
    assert balance(office, ada) == 0


def test_a_gift_is_spent_before_what_was_bought_and_ends_at_its_date(
    office: Office,
    clock: ManualClock,
    actor: Actor,
    *,
    founded: Callable[[str], Organization],
) -> None:
    ada = founded("Ada")
    with office.store.write() as tx:
        books.credit(tx, Credit("p", ada.raw, LotKind.PAID, USD), DESK, actor.at_ms)
    redeem(office, ada, made(office, actor, CodeTerms(3 * USD, credit_days=30)).text)
    with office.store.read() as tx:
        kinds = {lot.kind: lot for lot in books.lots(tx, ada.raw)}
    assert kinds[LotKind.PROMO].expires_at == actor.at_ms + 30 * DAY_MS
    clock.advance(30 * DAY_MS - 1)
    expire_credit(office)
    assert balance(office, ada) == 4 * USD
    clock.advance(1)
    for _ in range(2):
        expire_credit(office)
    assert balance(office, ada) == USD


def test_five_tries_a_minute(office: Office, founded: Callable[[str], Organization]) -> None:
    ada, bob = founded("Ada"), founded("Bob")
    now_ms = office.clock.now_ms()
    with office.store.write() as tx:
        for _ in range(5):
            promotions.attempt(tx, ada, now_ms)
        with pytest.raises(RateLimited) as caught:
            promotions.attempt(tx, ada, now_ms + 59_999)
        assert caught.value.retry_after_ms == 1
        promotions.attempt(tx, bob, now_ms)
        promotions.attempt(tx, ada, now_ms + 60_000)


def test_terms_that_cannot_be_name_their_field(office: Office, actor: Actor) -> None:
    for terms, field in (
        (CodeTerms(0), "amount_usd"),
        (CodeTerms(200_000 * USD), "amount_usd"),
        (CodeTerms(1, uses_max=0), "uses_max"),
        (CodeTerms(1, expires_at_ms=1), "expires_at_ms"),
        (CodeTerms(1, credit_days=-1), "credit_days"),
        (CodeTerms(1, cap_nusd=5), "cap_usd"),
        (CodeTerms(1, campaign="a\nb"), "campaign"),
    ):
        with pytest.raises(InvalidValue) as caught:
            made(office, actor, terms)
        assert caught.value.param == field


def test_tries_at_once_count_each(
    office: Office, founded: Callable[[str], Organization], url: str
) -> None:
    ada, now_ms = founded("Ada"), office.clock.now_ms()

    def try_once(number: int) -> bool:
        while True:
            try:
                with stores[number % 2].write() as tx:
                    promotions.attempt(tx, ada, now_ms)
            except RateLimited:
                return False
            except Locked:
                continue
            return True

    with closing(engine.open(url)) as other, ThreadPoolExecutor(12) as pool:
        stores = (office.store, other)
        assert sum(pool.map(try_once, range(24))) == 5
