"""The top-up that `troth demo` shows: a page of the double of Stripe, paid by its own form."""

import http.client
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode, urlsplit

import click
import msgspec

from troth.cli.client import Client, read
from troth.kernel.clock import Clock

AMOUNT_USD: Final = "12.50"
_CARD: Final = "pm_card_visa"
_SEE_OTHER: Final = 303
_PATIENCE_SECONDS: Final = 10
_PAUSE_SECONDS: Final = 0.01
_NS: Final = 1e9


class Page(msgspec.Struct, frozen=True):
    """Where to pay."""

    topup: str
    url: str


class Payment(msgspec.Struct, frozen=True):
    """What the demo shows of a payment."""

    ref: str
    kind: str
    state: str
    usd: str


class TopupStory(msgspec.Struct, frozen=True):
    """A management client, the double's address, where webhooks come in, the organization."""

    client: Client
    company: str
    hook: str
    organization: str


def show_topup(story: TopupStory, clock: Clock) -> None:
    """Make a page, pay on it, and wait for the webhook to credit the wallet."""
    _browse(f"{story.company}/__webhook?{urlencode({'url': story.hook})}", {"url": story.hook})
    asked: dict[str, str | int] = {"amount_usd": AMOUNT_USD}
    made = story.client.post("organizations", story.organization, "topups", body=asked)
    page = read(made, Page)
    click.echo(f"stripe     > {AMOUNT_USD} USD on {page.url}")
    if _browse(page.url, {"deed": "pay", "card": _CARD}) != _SEE_OTHER:
        raise click.ClickException("the pay page did not take the payment")
    paid_ns = clock.monotonic_ns()
    paid = _credited(story, page, clock)
    seconds = (clock.monotonic_ns() - paid_ns) / _NS
    click.echo(
        f"           < {paid.kind} {paid.ref}: {paid.usd} USD, {paid.state}\n"
        f"             (credited {seconds:.2f} s after it was paid, by the webhook;\n"
        "             a double of Stripe on this machine, no money moved)\n"
    )


def _credited(story: TopupStory, page: Page, clock: Clock) -> Payment:
    """Wait until the top-up is in the wallet."""
    until_ns = clock.monotonic_ns() + int(_PATIENCE_SECONDS * _NS)
    while clock.monotonic_ns() < until_ns:
        body = story.client.get("organizations", story.organization, "payments", limit=10)
        for payment in read(body, list[Payment]):
            if payment.ref == page.topup and payment.state == "paid":
                return payment
        time.sleep(_PAUSE_SECONDS)
    raise click.ClickException(f"the top-up was not credited within {_PATIENCE_SECONDS} seconds")


def _browse(url: str, form: Mapping[str, str]) -> int:
    """Send a form as a browser would; return the status."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    headers = {"content-type": "application/x-www-form-urlencoded"}
    try:
        connection.request("POST", target, urlencode(form), headers)
        return connection.getresponse().status
    finally:
        connection.close()
