"""What we send to Stripe, and what its double answers, fits Stripe's published document.

The document comes with stripe-mock, which Stripe publishes and `make test` builds where Go is.
"""

import http.client
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from tests.builders.stripe_world import ASK, KEY, StripeWorld
from tests.journeys.patience import wait_until
from tests.structure.source import ROOT
from troth.control.billing.ports import RefundAsk
from troth.proof.twin.children import free_port
from troth.proof.twin.fake_stripe.api import Ask
from troth.proof.twin.fake_stripe.records import Record
from troth.proof.twin.fake_stripe.shown import shown, shown_event
from troth.proof.twin.fake_stripe.terms import Terms
from troth.proof.twin.values import Fields, Json, fields_of, items_of, text_of
from troth.server.stripe_words import KINDS

MOCK = ROOT / ".venvs" / "stripe-mock"
VERSION = "v0.203.0"
TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "number": (int, float),
    "object": dict,
    "array": list,
}

pytestmark = pytest.mark.skipif(
    not MOCK.exists(), reason="NOTE: stripe-mock is not built: there is no Go on this machine"
)


@pytest.fixture(scope="module")
def world() -> StripeWorld:
    """A world in which everything that the adapter can ask was asked."""
    world = StripeWorld(Terms(tax_permyriad=770))
    payments = world.payments
    world.paid()
    ask = world.saved("top_2")
    payments.charge_saved(ask)
    world.company.change_card(ask.card, "pm_card_chargeDeclined")
    payments.charge_saved(replace(ask, key="k3", topup="top_3"))
    taxed = payments.checkout(
        replace(ASK, key="k4", topup="top_4", payer=ask.payer, has_tax=True, saves_card=False)
    )
    world.company.pay(taxed.session)
    payments.checkout(replace(ASK, key="k5", topup="top_5", has_tax=True))
    first = payments.intent_of("top_1")
    assert first is not None
    payments.intent(first.ref)
    refund = payments.refund(RefundAsk("k6", "ref_1", first.ref, 500))
    payments.refund_state(refund.ref)
    world.paid("top_6", "pm_card_refundFail")
    failing = payments.intent_of("top_6")
    assert failing is not None
    payments.refund(RefundAsk("k7", "ref_2", failing.ref, 500))
    payments.dispute(world.company.dispute(first.ref))
    world.clock.advance(5 * 86_400_000)
    payments.end_page(payments.checkout(replace(ASK, key="k8", topup="top_7")).session)
    world.company.fail_payout(next(iter(world.company.world.payouts)))
    payments.notices(0)
    payments.movements(0, world.now_s)
    payments.payouts(0)
    return world


@pytest.fixture(scope="module")
def mock() -> Iterator[int]:
    """The port of a running stripe-mock."""
    port = free_port()
    command = [str(MOCK), "-http-addr", f"127.0.0.1:{port}", "-https-addr", "127.0.0.1:"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            wait_until(lambda: answers(port), 20, "stripe-mock listens")
            yield port
        finally:
            child.terminate()


def answers(port: int) -> bool:
    try:
        return sent(port, Ask("GET", "/v1/balance", api_key=KEY))[0] == 200
    except OSError:
        return False


def sent(port: int, ask: Ask) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"authorization": f"Bearer {KEY}"}
    if ask.method == "POST":
        headers["content-type"] = "application/x-www-form-urlencoded"
    path = ask.path if ask.method == "POST" or not ask.form else f"{ask.path}?{ask.form}"
    try:
        connection.request(ask.method, path, ask.form if ask.method == "POST" else None, headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_every_request_of_the_adapter_is_one_that_stripe_publishes(
    world: StripeWorld, mock: int
) -> None:
    asked = {(each.method, each.path, each.form): each for each in world.company.seen}
    assert len({(each.method, each.path.split("_")[0]) for each in asked.values()}) >= 9
    refused = {key: told for key, ask in asked.items() if (told := sent(mock, ask))[0] != 200}
    assert refused == {}


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_planted_parameter_is_found(mock: int, method: str) -> None:
    status, text = sent(mock, Ask(method, "/v1/refunds", "payment_intent=pi_1&colour=red", KEY))
    assert status == 400
    assert "validation error" in text


@cache
def document() -> Fields:
    """Return the published document."""
    go = shutil.which("go")
    assert go, "stripe-mock was built, so Go is there"
    cache = subprocess.run([go, "env", "GOMODCACHE"], capture_output=True, text=True, check=True)
    folder = Path(cache.stdout.strip()) / "github.com" / "stripe" / f"stripe-mock@{VERSION}"
    text = (folder / "embedded" / "openapi" / "spec3.json").read_bytes()
    whole: Fields = msgspec.json.decode(text)
    return whole


def schemas() -> Fields:
    """Return the published shapes of all objects."""
    return fields_of(fields_of(document()["components"])["schemas"])


def misfits(value: Json, shape: Fields, at: str) -> Iterator[str]:
    """Yield where a value does not have a published shape: types, required fields, enums."""
    name = text_of(shape.get("$ref")).rpartition("/")[2]
    if name:
        yield from misfits(value, fields_of(schemas()[name]), at)
        return
    if value is None:
        if shape.get("nullable") is not True:
            yield f"{at} is null"
        return
    choices = items_of(shape.get("anyOf"))
    if choices:
        found = [list(misfits(value, fields_of(each), at)) for each in choices]
        yield from min(found, key=len)
    else:
        yield from plain_misfits(value, shape, at)


def plain_misfits(value: Json, shape: Fields, at: str) -> Iterator[str]:
    if not isinstance(value, TYPES[text_of(shape.get("type")) or "object"]):
        yield f"{at} is no {shape.get('type')}"
    if "enum" in shape and value not in items_of(shape["enum"]):
        yield f"{at} is none of {shape['enum']}"
    if isinstance(value, dict):
        yield from within(value, shape, at)
    for number, each in enumerate(items_of(value)):
        yield from misfits(each, fields_of(shape.get("items")), f"{at}[{number}]")


def within(value: Fields, shape: Fields, at: str) -> Iterator[str]:
    properties = fields_of(shape.get("properties"))
    for name in items_of(shape.get("required")):
        if name not in value:
            yield f"{at} lacks {name}"
    for name, inner in value.items():
        if name in properties:
            yield from misfits(inner, fields_of(properties[name]), f"{at}.{name}")
        elif properties:
            yield f"{at} has {name}, which is not published"


def records(world: StripeWorld) -> list[Record]:
    kept = world.company.world
    return [
        *kept.payers.values(),
        *kept.cards.values(),
        *kept.intents.values(),
        *kept.charges.values(),
        *kept.sessions.values(),
        *kept.refunds.values(),
        *kept.disputes.values(),
        *kept.movements.values(),
        *kept.payouts.values(),
    ]


def test_every_object_of_the_double_has_the_published_shape(world: StripeWorld) -> None:
    seen = set()
    for record in records(world):
        told = shown(record)
        kind = text_of(told["object"])
        seen.add(kind)
        assert list(misfits(told, fields_of(schemas()[kind]), kind)) == []
    assert len(seen) == 9


def test_every_event_of_the_double_has_the_published_shape(world: StripeWorld) -> None:
    for event in world.company.world.events:
        told: Fields = {**shown_event(event), "data": {"object": {}}}
        assert list(misfits(told, fields_of(schemas()["event"]), "event")) == []


def test_a_planted_misfit_is_found() -> None:
    shape = fields_of(schemas()["refund"])
    planted: Fields = {"id": 1, "object": "refund", "amount": 1, "created": 1, "colour": "red"}
    assert list(misfits(planted, shape, "refund")) == [
        "refund lacks currency",
        "refund.id is no string",
        "refund has colour, which is not published",
    ]


def test_the_events_that_we_ask_for_are_published() -> None:
    at: Json = document()
    for step in (
        *("paths", "/v1/webhook_endpoints", "post", "requestBody", "content"),
        *("application/x-www-form-urlencoded", "schema", "properties", "enabled_events", "items"),
    ):
        at = fields_of(at)[step]
    assert set(KINDS) - set(items_of(fields_of(at)["enum"])) == set()
