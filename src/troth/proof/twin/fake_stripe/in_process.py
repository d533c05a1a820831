"""Carries the official client library's requests to the double in this process: no socket."""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from troth.proof.twin.fake_stripe.api import Ask
from troth.proof.twin.fake_stripe.company import FakeStripe
from troth.proof.twin.fake_stripe.refusals import NoAnswer

Carrier = Callable[[str, str, Mapping[str, str], str], tuple[str, int, Mapping[str, str]]]


def carrier(company: FakeStripe) -> Carrier:
    """Return what `server.stripe_payments` may carry its requests with."""

    def carry(
        method: str, url: str, headers: Mapping[str, str], form: str
    ) -> tuple[str, int, Mapping[str, str]]:
        told = {name.lower(): value for name, value in headers.items()}
        parts = urlsplit(url)
        is_post = method.upper() == "POST"
        ask = Ask(
            method=method.upper(),
            path=parts.path,
            form=form if is_post else parts.query,
            api_key=told.get("authorization", "").removeprefix("Bearer "),
            idempotency_key=told.get("idempotency-key", ""),
        )
        try:
            reply = company.call(ask)
        except NoAnswer:
            raise ConnectionResetError from None
        return reply.body.decode(), reply.status, dict(reply.headers)

    return carry
