"""The double of Stripe over HTTP: the official client unmodified, the pay page, the webhooks."""

import http.client
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode, urlsplit

import msgspec
import pytest
import stripe

from tests.journeys.patience import wait_until
from troth.kernel.clock import ManualClock, SystemClock
from troth.proof.twin.fake_stripe.api import Ask, Reply
from troth.proof.twin.fake_stripe.books import Books
from troth.proof.twin.fake_stripe.company import FakeStripe
from troth.proof.twin.fake_stripe.server import Shell, running
from troth.proof.twin.fake_stripe.terms import ApiFaults, Terms, WebhookFaults
from troth.proof.twin.fake_stripe.webhooks import Post
from troth.proof.twin.listening import Incoming, Listener, Way

SECRET = "whsec_of_the_tests"


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, Shell]]:
    with running(Terms(tax_permyriad=770), SystemClock()) as (address, shell):
        yield address, shell


@pytest.fixture
def client(served: tuple[str, Shell]) -> stripe.StripeClient:
    return stripe.StripeClient("sk_test_1", base_addresses={"api": served[0]})


def page(client: stripe.StripeClient, **more: str) -> stripe.checkout.Session:
    return client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "line_items": [
                {
                    "quantity": 2,
                    "price_data": {
                        "currency": "usd",
                        "unit_amount": 1_250,
                        "product_data": {"name": "<Credit>"},
                    },
                }
            ],
            "success_url": "http://127.0.0.1/ok?page={CHECKOUT_SESSION_ID}",
            "cancel_url": "http://127.0.0.1/left",
            "metadata": more,
        }
    )


def browse(url: str | None, **form: str) -> tuple[int, str, str]:
    """Return status, location and text as a browser without a script would see them."""
    parts = urlsplit(url or "")
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("POST" if form else "GET", parts.path, urlencode(form) if form else None)
        response = connection.getresponse()
        return response.status, response.headers.get("location", ""), response.read().decode()
    finally:
        connection.close()


def test_a_person_pays_on_the_page(client: stripe.StripeClient) -> None:
    made = page(client)
    status, _, text = browse(made.url)
    assert status == 200
    assert "Pay $25.00" in text
    assert "&lt;Credit&gt;" in text
    assert "<script" not in text
    status, location, _ = browse(made.url, deed="pay", card="pm_card_visa")
    assert (status, location) == (303, f"http://127.0.0.1/ok?page={made.id}")
    paid = client.v1.checkout.sessions.retrieve(made.id, {"expand": ["payment_intent"]})
    assert paid.payment_status == "paid"
    assert isinstance(paid.payment_intent, stripe.PaymentIntent)
    assert paid.payment_intent.amount_received == 2_500
    ended = browse(made.url)[2]
    assert "To pay" not in ended
    assert "<title>Paid $25.00</title>" in ended
    assert f'href="http://127.0.0.1/ok?page={made.id}"' in ended
    assert browse(made.url, deed="pay", card="pm_card_visa")[0] == 200, "nobody pays twice"


def test_a_declined_person_is_told_why_and_may_try_again(client: stripe.StripeClient) -> None:
    made = page(client)
    _, location, _ = browse(made.url, deed="pay", card="pm_card_chargeDeclined")
    assert location == made.url
    assert 'role="alert">Your card was declined.' in browse(made.url)[2]
    assert "ok?page" in browse(made.url, deed="pay", card="pm_card_visa")[1]


def test_three_d_secure_asks_on_a_page_of_its_own(client: stripe.StripeClient) -> None:
    made = page(client)
    browse(made.url, deed="pay", card="pm_card_authenticationRequired")
    assert "Your bank asks" in browse(made.url)[2]
    browse(made.url, deed="refuse")
    assert "failed authentication" in browse(made.url)[2]
    browse(made.url, deed="pay", card="pm_card_authenticationRequired")
    assert "ok?page" in browse(made.url, deed="confirm")[1]


def test_who_leaves_pays_nothing_and_a_page_can_be_ended(client: stripe.StripeClient) -> None:
    made = page(client)
    assert browse(made.url, deed="leave")[1] == "http://127.0.0.1/left"
    assert client.v1.checkout.sessions.retrieve(made.id).status == "open"
    assert client.v1.checkout.sessions.expire(made.id).status == "expired"
    assert "<title>Not paid $25.00</title>" in browse(made.url)[2]
    status, _, text = browse(f"{made.url}x")
    assert (status, "No such page" in text) == (404, True)
    assert "This page has ended" in browse(made.url)[2]
    assert browse(made.url, deed="nonsense")[0] == 200
    assert browse((made.url or "") + "x")[0] == 404


def test_customers_cards_and_payments_by_the_official_client(client: stripe.StripeClient) -> None:
    payer = client.v1.customers.create({"email": "a@example.com", "metadata": {"a": "b"}})
    assert client.v1.customers.retrieve(payer.id).email == "a@example.com"
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": payer.id})
    listed = client.v1.payment_methods.list({"customer": payer.id})
    assert [each.id for each in listed.data] == [card.id]
    paid = client.v1.payment_intents.create(
        {
            "amount": 900,
            "currency": "usd",
            "customer": payer.id,
            "payment_method": card.id,
            "off_session": True,
            "confirm": True,
            "expand": ["latest_charge.balance_transaction"],
        }
    )
    charge = paid.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert isinstance(charge.balance_transaction, stripe.BalanceTransaction)
    assert charge.balance_transaction.fee == 56
    refund = client.v1.refunds.create({"payment_intent": paid.id, "amount": 400})
    assert client.v1.refunds.retrieve(refund.id).status == "succeeded"
    assert client.v1.charges.retrieve(charge.id).amount_refunded == 400
    assert client.v1.balance.retrieve().pending[0].amount > 0
    client.v1.payment_methods.detach(card.id)
    assert client.v1.payment_methods.list({"customer": payer.id}).data == []


def test_disputes_are_answered_and_decided(
    served: tuple[str, Shell], client: stripe.StripeClient
) -> None:
    _, shell = served
    made = page(client)
    browse(made.url, deed="pay", card="pm_card_createDispute")
    shell.clock.advance(3_600_000)
    intent = client.v1.checkout.sessions.retrieve(made.id).payment_intent
    assert isinstance(intent, str)
    (dispute,) = client.v1.disputes.list({"payment_intent": intent}).data
    assert dispute.status == "needs_response"
    client.v1.disputes.update(
        dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}, "submit": True}
    )
    shell.clock.advance(3_600_000)
    assert client.v1.disputes.retrieve(dispute.id).status == "won"
    status, _, text = browse(f"{served[0]}/__books")
    assert status == 200
    assert msgspec.json.decode(text, type=Books).payments[intent].disputed_cents == 0


def ask(client: stripe.StripeClient, key: str, cents: int) -> stripe.PaymentIntent:
    return client.v1.payment_intents.create(
        {"amount": cents, "currency": "usd"}, {"idempotency_key": key}
    )


def test_one_key_is_one_deed(client: stripe.StripeClient) -> None:
    first = ask(client, "one-key", 500)
    assert ask(client, "one-key", 500).id == first.id
    with pytest.raises(stripe.IdempotencyError):
        ask(client, "one-key", 600)
    with pytest.raises(stripe.IdempotencyError):
        client.v1.customers.create({}, {"idempotency_key": "one-key"})
    with pytest.raises(stripe.InvalidRequestError):
        ask(client, "another-key", 1)
    assert ask(client, "another-key", 700).amount == 700, "what never began is not remembered"


@pytest.mark.parametrize(
    ("path", "form", "code"),
    [
        ("/v1/payment_intents", "amount=500&currency=usd&colour=red", "parameter_unknown"),
        ("/v1/payment_intents", "amount=5x&currency=usd", "parameter_invalid_integer"),
        ("/v1/payment_intents", "amount=500", "parameter_missing"),
        ("/v1/payment_intents", "amount=49&currency=usd", "amount_too_small"),
        ("/v1/payment_intents", "amount=100000000&currency=usd", "amount_too_large"),
        ("/v1/payment_intents", "amount=500&currency=usd&customer=cus_x", "resource_missing"),
        ("/v1/checkout/sessions", "mode=payment&success_url=http://a/", "parameter_missing"),
        ("/v1/refunds", "amount=1", "parameter_missing"),
    ],
)
def test_a_wrong_request_is_refused_as_stripe_does_and_changes_nothing(
    path: str, form: str, code: str
) -> None:
    company = FakeStripe(Terms(), ManualClock())
    reply = company.call(Ask("POST", path, form, "sk_test_1"))
    assert reply.status == 400
    assert f'"code":"{code}"'.encode() in reply.body
    world = company.world
    kept = (world.events, world.intents, world.sessions, world.refunds)
    assert [each for each in kept if each] == []


@pytest.mark.parametrize("key", ["", "sk_live_1", "pk_test_1"])
def test_only_test_keys_are_taken(key: str) -> None:
    company = FakeStripe(Terms(), ManualClock())
    assert company.call(Ask("GET", "/v1/balance", "", key)).status == 401


def test_a_broken_connection_is_the_client_s_to_try_again() -> None:
    terms = Terms(api_faults=ApiFaults(lost_permille=1_000))
    with running(terms, SystemClock()) as (address, shell):
        client = stripe.StripeClient(
            "sk_test_1", base_addresses={"api": address}, max_network_retries=0
        )
        with pytest.raises(stripe.APIConnectionError):
            client.v1.customers.create({})
        assert len(shell.company.world.payers) == 1


@contextmanager
def ear(taken: list[Incoming], statuses: list[int]) -> Iterator[str]:
    """Listen for webhooks; answer with the statuses in turn, then with 200."""
    heard = threading.Lock()

    def handle(way: Way, incoming: Incoming) -> bool:
        with heard:
            status = statuses.pop(0) if statuses else 200
            if status == 200:
                taken.append(incoming)
        way.send(f"HTTP/1.1 {status} Heard\r\ncontent-length: 0\r\n\r\n".encode())
        return True

    listener = Listener(0, handle)
    try:
        yield f"{listener.address}/hooks/stripe"
    finally:
        listener.close()


def test_webhooks_are_sealed_as_the_official_client_checks_and_tried_again() -> None:
    taken: list[Incoming] = []
    with ear(taken, [500, 302]) as url:
        terms = Terms(webhook_url=url, webhook_secrets=("whsec_old", SECRET))
        with running(terms, SystemClock()) as (address, shell):
            made = page(stripe.StripeClient("sk_test_1", base_addresses={"api": address}))
            browse(made.url, deed="pay", card="pm_card_visa")
            wait_until(lambda: len(taken) >= 2, 5, "the webhooks that were answered by 200 come")
            shell.clock.advance(5_000)
            wait_until(lambda: len(taken) >= 4, 5, "the others are tried again")
    events = [
        stripe.Webhook.construct_event(each.body, each.header("stripe-signature"), SECRET)
        for each in taken
    ]
    assert {event.type for event in events} == {
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    }


def story(seed: str) -> tuple[list[Post], bytes]:
    """Run one story to its end; return every webhook and the books."""
    faults = WebhookFaults(
        dropped_permille=100,
        doubled_permille=300,
        delayed_permille=300,
        forged_permille=200,
        delay_ms_max=3_600_000,
    )
    clock = ManualClock()
    company = FakeStripe(Terms(seed=seed, webhook_faults=faults), clock)
    posts: list[Post] = []

    def post(one: Post) -> int:
        posts.append(one)
        return 400 if one.forgery else 200

    form = (
        "mode=payment&success_url=http://a/&line_items[0][price_data][currency]=usd"
        "&line_items[0][price_data][unit_amount]=1000"
        "&line_items[0][price_data][product_data][name]=Credit"
    )
    for _ in range(40):
        clock.advance(1_000)
        reply: Reply = company.call(Ask("POST", "/v1/checkout/sessions", form, "sk_test_1"))
        (session,) = re.findall(rb'"id":"(cs_test_\w+)"', reply.body)
        company.pay(session.decode(), "pm_card_createDispute")
        company.deliver(post)
    for _ in range(10):
        clock.advance(86_400_000)
        company.deliver(post)
    return posts, msgspec.json.encode(company.books())


def test_a_seed_is_a_story() -> None:
    assert story("one") == story("one")
    assert story("one")[1] != story("two")[1]


def test_a_story_has_all_faults_of_webhooks() -> None:
    posts, _ = story("one")
    true = [each for each in posts if not each.forgery]
    seen = [each.event for each in true]
    assert 0 < len(set(seen)) < 40 * 8 + 20, "some were dropped"
    assert len(seen) > len(set(seen)), "some came twice"
    assert any(each.forgery for each in posts)
    made = [int(re.findall(rb'"created":(\d+),"livemode"', each.body)[0]) for each in true]
    assert made != sorted(made), "some overtook others"
