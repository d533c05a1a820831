"""Webhooks: what was not sealed with our secret, or not lately, is never read."""

import pytest

from tests.builders.stripe_world import ASK, StripeWorld
from troth.control.billing.ports import About, Notice
from troth.kernel.payment_errors import BadSignature
from troth.proof.twin.fake_stripe.terms import Terms, WebhookFaults
from troth.proof.twin.fake_stripe.webhooks import FORGERIES, Post, sign
from troth.server.payment_company import open_envelope
from troth.server.payment_settings import PaymentTerms
from troth.server.stripe_envelope import StripeEnvelope

NOW_S = 1_800_000_000
SECRET = "whsec_ours"
BODY = b'{"id":"evt_1","created":7,"data":{"object":{"id":"pi_1","object":"payment_intent"}}}'
READ = Notice("evt_1", About.INTENT, "pi_1", 7)


def opened(signature: str, body: bytes = BODY) -> Notice:
    return StripeEnvelope(SECRET).open(body, signature, NOW_S)


def sealed(*secrets: str, at_s: int = NOW_S, body: bytes = BODY) -> str:
    return sign(body, secrets, at_s)


def test_a_sealed_notice_is_read() -> None:
    assert opened(sealed(SECRET)) == READ


def test_one_fitting_mark_is_enough_while_the_secret_is_changed() -> None:
    assert opened(sealed("whsec_next", SECRET)) == READ
    assert opened(sealed(SECRET, "whsec_next") + ",v0=abc") == READ


@pytest.mark.parametrize("age_s", [-300, 0, 300])
def test_five_minutes_are_lately(age_s: int) -> None:
    assert opened(sealed(SECRET, at_s=NOW_S - age_s)) == READ


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "t=,v1=",
        "nonsense",
        f"t={NOW_S}",
        f"t={NOW_S},v1=",
        f"t={NOW_S},v1=" + "0" * 64,
        f"t={NOW_S},v1=\u00e9",
        f"t=x{NOW_S},v1=0",
        "t=" + "9" * 5_000 + ",v1=0",
        sealed("whsec_theirs"),
        sealed("whsec_next", "whsec_theirs"),
        sealed(SECRET, at_s=NOW_S - 301),
        sealed(SECRET, at_s=NOW_S + 301),
        sealed(SECRET).replace("v1=", "v0="),
        sealed(SECRET).replace(f"t={NOW_S}", f"t={NOW_S - 1}"),
        f"t={NOW_S - 400}," + sealed(SECRET),
    ],
)
def test_every_other_seal_is_refused(signature: str) -> None:
    with pytest.raises(BadSignature):
        opened(signature)


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b"[" * 10_000, BODY[:-1]])
def test_a_sealed_body_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(BadSignature):
        opened(sealed(SECRET, body=body), body)


def test_a_body_that_was_changed_is_refused() -> None:
    with pytest.raises(BadSignature):
        opened(sealed(SECRET), BODY.replace(b"pi_1", b"pi_2"))


def test_without_a_secret_nothing_opens_webhooks() -> None:
    terms = PaymentTerms("sk_test_1", "", "", "usd", 500, 1_000, "")
    assert open_envelope(terms) is None


def test_every_forged_webhook_of_the_double_is_refused_and_every_true_one_is_read() -> None:
    faults = WebhookFaults(forged_permille=1_000, delay_ms_max=0)
    world = StripeWorld(Terms(webhook_secrets=("whsec_old", SECRET), webhook_faults=faults))
    for number in range(20):
        world.paid(f"top_{number}")
    found: list[Post] = []

    def post(one: Post) -> int:
        found.append(one)
        try:
            notice = StripeEnvelope(SECRET).open(one.body, one.signature, world.now_s)
        except BadSignature:
            assert one.forgery
            return 400
        assert not one.forgery
        assert (notice.event, notice.about) == (one.event, one.about)
        return 200

    world.company.deliver(post)
    assert world.company.waiting == 0
    assert {one.forgery for one in found} == {"", *FORGERIES}
    assert sum(one.about.startswith("cs_test_") and not one.forgery for one in found) == 20
    assert ASK.topup.encode() in b"".join(one.body for one in found)
