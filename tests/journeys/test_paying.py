"""Credit is bought, spent, given back, disputed: `troth serve` and the double of Stripe by HTTP."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx2
import msgspec
import pytest

from tests.journeys.patience import Stopwatch, wait_until
from tests.journeys.raw_http import events, hello, post
from tests.journeys.serving import House, Key, TwinView, running_house, text_at
from troth.kernel.clock import SystemClock
from troth.kernel.money import nusd_of
from troth.proof.twin.fake_stripe.books import PaymentBook
from troth.proof.twin.fake_stripe.server import Shell, running
from troth.proof.twin.fake_stripe.terms import Terms, WebhookFaults
from troth.proof.twin.fake_stripe.webhooks import sign

MODEL: Final = "chat"
API_KEY = "sk_test_of_the_journey"
SECRET = "whsec_of_the_journey"
CREDITED_SECONDS = 5
DOCUMENTED_SECONDS = 20
CLOSED_SECONDS = 40
NUSD = 1_000_000_000
FAULTS = WebhookFaults(doubled_permille=500, forged_permille=500, delay_ms_max=200)


class Shop:
    """An installation that sells credit, and the company that takes the money."""

    def __init__(self, house: House, shell: Shell) -> None:
        self.house = house
        self.company = shell.company
        self.hook = f"{house.control_address}/hooks/stripe"

    def topup(self, key: Key, usd: str) -> tuple[str, str]:
        """Begin a top-up; return its reference and its page."""
        made = self.house.manage("POST", f"/organizations/{key.org}/topups", {"amount_usd": usd})
        return text_at(made, "topup"), text_at(made, "url")

    def pay(self, url: str, card: str = "pm_card_visa") -> str:
        """Send the page's form as a browser does; return where it leads."""
        reply = httpx2.post(url, data={"deed": "pay", "card": card})
        assert reply.status_code == 303
        return reply.headers["location"]

    def state(self, key: Key, ref: str) -> str:
        listed = self.house.manage("GET", f"/organizations/{key.org}/payments")
        assert isinstance(listed, list)
        return next(text_at(each, "state") for each in listed if text_at(each, "ref") == ref)

    def bought(self, key: Key, usd: str) -> str:
        """Buy credit and wait until it is there; return the top-up."""
        ref, url = self.topup(key, usd)
        self.pay(url)
        wait_until(lambda: self.state(key, ref) == "paid", CREDITED_SECONDS, "credit comes")
        return ref

    def book(self, ref: str) -> PaymentBook:
        """Return what the company thinks that a top-up came to."""
        books = self.company.books().payments.values()
        return next(each for each in books if each.notes.get("troth_topup") == ref)


@pytest.fixture(scope="module")
def shop(twin: TwinView, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    terms = Terms(webhook_secrets=("whsec_before", SECRET), webhook_faults=FAULTS)
    with running(terms, SystemClock()) as (address, shell):
        more = (
            f'[payments]\nkind = "stripe"\napi_key = "{API_KEY}"\nwebhook_secret = "{SECRET}"\n'
            f'api_base = "{address}"\nreturn_url = "{address}/back"\n'
            '[seller]\nname = "Acme"\ncountry = "CH"\nvat_id = "CHE-107.787.577 IVA"\n'
            '[vat]\nengine = "table"\npoint = "topup"\n'
        )
        folder = tmp_path_factory.mktemp("shop")
        with running_house(folder, twin, more=more, gateways=1) as house:
            shell.send_to(f"{house.control_address}/hooks/stripe")
            yield Shop(house, shell)


@pytest.fixture
def buyer(shop: Shop) -> Key:
    return shop.house.key(credit_usd="0")


def test_what_is_paid_is_credited_at_once_and_once(shop: Shop, buyer: Key) -> None:
    refused = post(shop.house.address, buyer.text, hello(MODEL))
    assert refused.status == 402
    ref, url = shop.topup(buyer, "20")
    assert shop.pay(url, "pm_card_chargeDeclined") == url
    assert shop.state(buyer, ref) == "open"
    assert shop.pay(url).endswith("/back")
    watch = Stopwatch()
    wait_until(lambda: shop.state(buyer, ref) == "paid", CREDITED_SECONDS, "credit comes")
    assert watch.seconds < CREDITED_SECONDS
    wait_until(lambda: shop.company.waiting == 0, CREDITED_SECONDS, "all webhooks are out")
    assert shop.house.wallet(buyer).posted_nusd == 20 * NUSD
    assert post(shop.house.address, buyer.text, hello(MODEL)).status == 200


def test_what_is_given_back_leaves_the_wallet_and_reaches_the_company(
    shop: Shop, buyer: Key
) -> None:
    ref = shop.bought(buyer, "10")
    shop.house.manage("POST", f"/organizations/{buyer.org}/refunds", {"amount_usd": "4"})
    assert shop.book(ref).refunded_cents == 400
    assert shop.house.wallet(buyer).posted_nusd == 6 * NUSD


def test_what_is_paid_and_given_back_is_documented_by_itself(shop: Shop, buyer: Key) -> None:
    def documents() -> list[tuple[object, object]]:
        listed = shop.house.manage("GET", f"/documents?organization={buyer.org}")
        assert isinstance(listed, list)
        return [
            (each["gross_cents"], each["tax_cents"]) for each in listed if isinstance(each, dict)
        ]

    shop.bought(buyer, "10")
    wait_until(lambda: documents() == [(1_000, 75)], DOCUMENTED_SECONDS, "the invoice comes")
    shop.house.manage("POST", f"/organizations/{buyer.org}/refunds", {"amount_usd": "4"})
    wait_until(
        lambda: sorted(documents(), key=str) == [(-400, -30), (1_000, 75)],
        DOCUMENTED_SECONDS,
        "the credit note comes",
    )
    checked = shop.house.manage("POST", "/documents/check")
    assert isinstance(checked, dict)
    assert checked["problems"] == []
    verified = shop.house.manage("POST", "/ledger/verify")
    assert isinstance(verified, dict)
    assert verified["problems"] == []


def test_a_disputed_payment_freezes_its_organization_and_no_other(shop: Shop, buyer: Key) -> None:
    other = shop.house.key(credit_usd="1")
    ref = shop.bought(buyer, "10")
    assert post(shop.house.address, buyer.text, hello(MODEL)).status == 200
    shop.company.dispute(shop.book(ref).intent)
    wait_until(
        lambda: post(shop.house.address, buyer.text, hello(MODEL)).status == 403,
        CREDITED_SECONDS,
        "the organization is frozen",
    )
    assert shop.house.wallet(buyer).posted_nusd >= 0
    assert post(shop.house.address, other.text, hello(MODEL)).status == 200


def test_an_account_closes_while_a_stream_runs_and_gets_back_what_the_stream_left(
    shop: Shop, buyer: Key
) -> None:
    def close() -> dict[str, object]:
        told = shop.house.manage("POST", f"/organizations/{buyer.org}/close")
        assert isinstance(told, dict)
        return dict(told)

    ref = shop.bought(buyer, "10")
    shop.house.twin.forget()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(post, shop.house.address, buyer.text, hello("drip-200", stream=True))
        wait_until(lambda: shop.house.twin.seen("drip-200") != [], 20, "the stream has begun")
        assert close()["state"] == "recalling"
        assert post(shop.house.address, buyer.text, hello(MODEL)).status == 401
        assert shop.book(ref).refunded_cents == 0
        reply = running.result()
    assert events(reply)[-1] == "[DONE]"
    wait_until(lambda: close()["state"] == "closed", CLOSED_SECONDS, "the account is closed")
    last = {name: nusd_of(str(text)) for name, text in close().items() if name.endswith("_usd")}
    charged, back = last["charged_usd"], last["refunded_usd"]
    assert charged is not None
    assert charged > 0
    assert back == shop.book(ref).refunded_cents * NUSD // 100
    assert back == (10 * NUSD - charged) // (NUSD // 100) * (NUSD // 100)
    assert shop.house.wallet(buyer).posted_nusd == 0
    verified = shop.house.manage("POST", "/ledger/verify")
    assert isinstance(verified, dict)
    assert verified["problems"] == []


@pytest.mark.parametrize("secret", ["whsec_of_somebody", "", "whsec_before"])
def test_a_webhook_that_we_cannot_verify_moves_nothing(shop: Shop, buyer: Key, secret: str) -> None:
    ref, _ = shop.topup(buyer, "10")
    about = {"id": next(reversed(shop.company.world.sessions)), "object": "checkout.session"}
    body = msgspec.json.encode({"id": f"evt_{secret}", "created": 1, "data": {"object": about}})
    signature = sign(body, (secret,), SystemClock().now_ms() // 1_000)
    reply = httpx2.post(shop.hook, content=body, headers={"stripe-signature": signature})
    assert reply.status_code == 400
    assert shop.state(buyer, ref) == "open"
    assert shop.house.wallet(buyer).posted_nusd == 0


def test_both_books_agree_and_no_secret_is_told(shop: Shop, buyer: Key) -> None:
    shop.bought(buyer, "10")
    compared = shop.house.manage("POST", "/payments/reconcile")
    cents = shop.company.books().balance_cents
    assert text_at(compared, "company_usd") == f"{cents // 100}.{cents % 100:02d}"
    assert text_at(compared, "books_usd") == text_at(compared, "company_usd")
    assert isinstance(compared, dict)
    assert compared["is_even"] is True
    shown = b"".join(shop.house.shown().values()) + msgspec.json.encode(compared)
    world = shop.company.world
    for secret in (API_KEY, SECRET, *world.intents, *world.cards, *world.payers):
        assert secret.encode() not in shown
