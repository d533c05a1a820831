"""The double of Stripe over HTTP on loopback.

    python -m troth.proof.twin.fake_stripe.server [--port N] [--webhook URL] [--secret whsec_...]
        [--seed TEXT] [--child]

It says `ready http://127.0.0.1:PORT` when it listens. `--child` ends it with its standard input.
Set `api_base` of the official client library to the address; any `sk_test_...` is a key. Tests may
also ask: `GET /__books` (what everything came to), `GET /__seen` (the requests),
`POST /__advance?seconds=N` (let time pass), `POST /__webhook?url=URL` (where webhooks go),
`POST /__dispute?intent=pi_...`.
"""

import argparse
import http.client
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from troth.kernel.clock import Clock, SystemClock
from troth.proof.twin.fake_stripe.api import Ask, Reply
from troth.proof.twin.fake_stripe.company import FakeStripe
from troth.proof.twin.fake_stripe.pages import pages
from troth.proof.twin.fake_stripe.refusals import NoAnswer
from troth.proof.twin.fake_stripe.terms import Terms
from troth.proof.twin.fake_stripe.webhooks import Post
from troth.proof.twin.listening import Incoming, Listener, Way

_PUMP_SECONDS: Final = 0.02
_POST_SECONDS: Final = 10
_OK: Final = 200
_NOT_FOUND: Final = 404
_NO_ANSWER: Final = 599
_MS: Final = 1_000
_JSON: Final = (("content-type", "application/json"),)


class MovedClock:
    """A clock that goes ahead of another by as much as it was told."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead_ms = 0

    def now_ms(self) -> int:
        """Return the unix time in milliseconds, UTC."""
        return self._clock.now_ms() + self._ahead_ms

    def monotonic_ns(self) -> int:
        """Return nanoseconds of a clock that never goes back."""
        return self._clock.monotonic_ns() + self._ahead_ms * 1_000_000

    def advance(self, ms: int) -> None:
        """Let `ms` milliseconds pass."""
        self._ahead_ms += ms


class Shell:
    """HTTP around a FakeStripe: its API, its pages, its webhooks to one address."""

    def __init__(self, terms: Terms, clock: Clock) -> None:
        self.clock = MovedClock(clock)
        self.company = FakeStripe(terms, self.clock, clock)
        self._webhook_url = terms.webhook_url
        self._ended = threading.Event()
        self._pump = threading.Thread(target=self._deliver, daemon=True)

    def start(self, address: str) -> None:
        """Begin to post webhooks; pages lie under the address."""
        self.company.world.base_url = address
        self._pump.start()

    def send_to(self, url: str) -> None:
        """Send webhooks there from now on."""
        self._webhook_url = url

    def stop(self) -> None:
        """Post no more."""
        self._ended.set()
        self._pump.join()

    def handle(self, way: Way, incoming: Incoming) -> bool:
        """Answer one request; return whether the connection may go on."""
        try:
            reply = self._reply(incoming)
        except NoAnswer:
            way.reset()
            return False
        lines = [f"HTTP/1.1 {reply.status} Told", f"content-length: {len(reply.body)}"]
        lines += [f"{name}: {value}" for name, value in reply.headers]
        way.send("\r\n".join(lines).encode() + b"\r\n\r\n" + reply.body)
        return True

    def _reply(self, incoming: Incoming) -> Reply:
        form = incoming.body.decode("utf-8", "replace")
        if incoming.path.startswith("/v1/"):
            bearer = incoming.header("authorization").removeprefix("Bearer ")
            ask = Ask(
                method=incoming.method,
                path=incoming.path,
                form=form if incoming.method == "POST" else incoming.query,
                api_key=bearer,
                idempotency_key=incoming.header("idempotency-key"),
            )
            reply = self.company.call(ask)
            return Reply(reply.status, reply.body, (*_JSON, *reply.headers))
        if incoming.path.startswith("/__"):
            return self._inspect(incoming)
        return pages(self.company, incoming.method, incoming.path, form)

    def _inspect(self, incoming: Incoming) -> Reply:
        """Answer a test's question, or do what it asks for."""
        asked = {name: values[0] for name, values in parse_qs(incoming.query).items()}
        match incoming.method, incoming.path:
            case "GET", "/__books":
                return _shown(self.company.books())
            case "GET", "/__seen":
                return _shown([(each.method, each.path, each.form) for each in self.company.seen])
            case "POST", "/__advance" if asked.get("seconds", "").isdecimal():
                self.clock.advance(int(asked["seconds"]) * _MS)
            case "POST", "/__webhook":
                self.send_to(asked.get("url", ""))
            case "POST", "/__dispute" if asked.get("intent") in self.company.world.intents:
                return _shown(self.company.dispute(asked["intent"]))
            case _:
                return Reply(_NOT_FOUND, b"")
        return _shown(self.company.waiting)

    def _deliver(self) -> None:
        while not self._ended.wait(_PUMP_SECONDS):
            if self._webhook_url:
                self.company.deliver(self._post)

    def _post(self, one: Post) -> int:
        parts = urlsplit(self._webhook_url)
        connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=_POST_SECONDS
        )
        headers = {"content-type": "application/json; charset=utf-8"}
        if one.signature:
            headers["stripe-signature"] = one.signature
        try:
            connection.request("POST", parts.path or "/", one.body, headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return _NO_ANSWER
        finally:
            connection.close()


def _shown(value: object) -> Reply:
    return Reply(_OK, msgspec.json.encode(value), _JSON)


@contextmanager
def running(terms: Terms, clock: Clock, port: int = 0) -> Iterator[tuple[str, Shell]]:
    """Serve in threads of this process while the block runs; yield the address."""
    shell = Shell(terms, clock)
    listener = Listener(port, shell.handle)
    shell.start(listener.address)
    try:
        yield listener.address, shell
    finally:
        listener.close()
        shell.stop()


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(description="A double of Stripe.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--webhook", default="", metavar="URL")
    parser.add_argument("--secret", default="whsec_of_the_double")
    parser.add_argument("--seed", default="troth")
    parser.add_argument("--child", action="store_true", help="end with the standard input")
    asked = parser.parse_args()
    terms = Terms(seed=asked.seed, webhook_url=asked.webhook, webhook_secrets=(asked.secret,))
    with running(terms, SystemClock(), asked.port) as (address, _):
        sys.stdout.write(f"ready {address}\n")
        sys.stdout.flush()
        if asked.child:
            sys.stdin.buffer.read()
        else:
            threading.Event().wait()


if __name__ == "__main__":
    main()
