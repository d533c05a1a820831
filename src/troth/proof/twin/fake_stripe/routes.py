"""Which path does what: the endpoints that Troth uses, each as one function over the world."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar

import msgspec

from troth.proof.twin.fake_stripe import disputes, intents, refunds, sessions
from troth.proof.twin.fake_stripe.listing import page
from troth.proof.twin.fake_stripe.params import Params
from troth.proof.twin.fake_stripe.records import Event, Record
from troth.proof.twin.fake_stripe.refusals import invalid, no_such
from troth.proof.twin.fake_stripe.shown import shown, shown_event
from troth.proof.twin.fake_stripe.world import World
from troth.proof.twin.values import Fields, Json

Act = Callable[[World, str, Params], Fields]
Kind = TypeVar("Kind", bound=Record)

_QUERY: Final = re.compile(r"^metadata\[['\"](\w+)['\"]\]:\s*['\"]([^'\"]*)['\"]$")
_USUAL: Final = 10


def route(method: str, path: str) -> tuple[Act, str] | None:
    """Return what a request does, and the id that its path names."""
    for wanted, pattern, act in _ROUTES:
        if wanted == method and (match := pattern.fullmatch(path)):
            return act, match.groupdict().get("id", "")
    return None


def _one(table: Callable[[World], Mapping[str, Kind]], kind: str) -> Act:
    """Return an endpoint that shows one object."""
    return _change(table, kind, lambda _, record, __: record)


def _make(act: Callable[[World, Params], Record]) -> Act:
    """Return an endpoint that makes an object and shows it."""

    def made(world: World, ref: str, params: Params) -> Fields:
        del ref
        record = act(world, params)
        params.end()
        return shown(record)

    return made


def _change(
    table: Callable[[World], Mapping[str, Kind]],
    kind: str,
    act: Callable[[World, Kind, Params], Record],
) -> Act:
    """Return an endpoint that does something to one object and shows it."""

    def changed(world: World, ref: str, params: Params) -> Fields:
        record = table(world).get(ref)
        if record is None:
            raise no_such(kind, ref)
        after = act(world, record, params)
        params.end()
        return shown(after)

    return changed


def _list(table: Callable[[World], Mapping[str, Kind]], **filters: str) -> Act:
    """Return an endpoint that lists objects; `filters` names the field of each parameter."""

    def listed(world: World, ref: str, params: Params) -> Fields:
        del ref
        kept = list(table(world).values())
        for name, field in filters.items():
            wanted = params.text(name)
            if wanted:
                kept = [each for each in kept if getattr(each, field) == wanted]
        told = page(kept, params, shown)
        params.end()
        return told

    return listed


def _events(world: World, ref: str, params: Params) -> Fields:
    del ref
    kinds = [*params.texts("types"), *filter(None, [params.text("type")])]
    kept = [each for each in world.events if not kinds or each.kind in kinds]
    told = page(kept, params, _event)
    params.end()
    return told


def _event(event: Event) -> Fields:
    current: Json = msgspec.json.decode(event.shown)
    return {**shown_event(event), "data": {"object": current}}


def _one_event(world: World, ref: str, params: Params) -> Fields:
    params.end()
    for event in world.events:
        if event.id == ref:
            return _event(event)
    raise no_such("event", ref)


def _search(world: World, ref: str, params: Params) -> Fields:
    """Find payments by one pair of metadata."""
    del ref
    query = _QUERY.match(params.needed("query").strip())
    if query is None:
        raise invalid("The double searches for one pair of metadata only.", "query")
    name, wanted = query.groups()
    kept = [each for each in world.intents.values() if each.notes.get(name) == wanted]
    limit = params.whole("limit", _USUAL)
    params.text("page")
    params.end()
    rows: list[Json] = [shown(each) for each in kept[::-1][:limit]]
    return {
        "object": "search_result",
        "data": rows,
        "has_more": False,
        "next_page": None,
        "url": "/v1/payment_intents/search",
    }


def _balance(world: World, ref: str, params: Params) -> Fields:
    del ref
    params.end()
    amounts = {True: 0, False: 0}
    for each in world.movements.values():
        amounts[each.available_on <= world.now_s] += each.cents - each.fee_cents
    told: Fields = {"object": "balance", "livemode": False}
    for name, is_ready in (("available", True), ("pending", False)):
        amount: Fields = {"amount": amounts[is_ready], "currency": "usd"}
        told[name] = [amount]
    return told


def _kept_cards(world: World) -> Mapping[str, Record]:
    return {ref: card for ref, card in world.cards.items() if card.payer}


def _buying() -> Iterator[tuple[str, str, Act]]:
    """Yield the endpoints of who pays and how: method, path, what it does."""
    yield "POST", "customers", _make(intents.make_payer)
    yield "GET", "customers", _list(lambda w: w.payers, email="email")
    yield "GET", "customers/{id}", _one(lambda w: w.payers, "customer")
    yield "POST", "checkout/sessions", _make(sessions.make_session)
    yield "GET", "checkout/sessions", _list(lambda w: w.sessions, payment_intent="intent")
    yield "GET", "checkout/sessions/{id}", _one(lambda w: w.sessions, "checkout.session")
    yield (
        "POST",
        "checkout/sessions/{id}/expire",
        _change(lambda w: w.sessions, "checkout.session", lambda w, s, _: sessions.expire(w, s)),
    )
    yield "POST", "payment_intents", _make(intents.make_intent)
    yield "GET", "payment_intents", _list(lambda w: w.intents, customer="payer")
    yield "GET", "payment_intents/search", _search
    yield "GET", "payment_intents/{id}", _one(lambda w: w.intents, "payment_intent")
    yield (
        "POST",
        "payment_intents/{id}/confirm",
        _change(lambda w: w.intents, "payment_intent", intents.confirm_named),
    )
    yield (
        "POST",
        "payment_intents/{id}/cancel",
        _change(lambda w: w.intents, "payment_intent", lambda w, i, _: intents.cancel(w, i)),
    )
    yield "GET", "payment_methods", _list(_kept_cards, customer="payer")
    yield "GET", "payment_methods/{id}", _one(lambda w: w.cards, "PaymentMethod")
    yield "POST", "payment_methods/{id}/attach", _attach
    yield (
        "POST",
        "payment_methods/{id}/detach",
        _change(lambda w: w.cards, "PaymentMethod", lambda w, c, _: intents.detach(w, c.id)),
    )


def _after() -> Iterator[tuple[str, str, Act]]:
    """Yield the endpoints of what comes after a payment."""
    yield "GET", "charges", _list(lambda w: w.charges, payment_intent="intent", customer="payer")
    yield "GET", "charges/{id}", _one(lambda w: w.charges, "charge")
    yield "POST", "refunds", _make(refunds.make_refund)
    yield "GET", "refunds", _list(lambda w: w.refunds, payment_intent="intent", charge="charge")
    yield "GET", "refunds/{id}", _one(lambda w: w.refunds, "refund")
    yield "GET", "disputes", _list(lambda w: w.disputes, payment_intent="intent", charge="charge")
    yield "GET", "disputes/{id}", _one(lambda w: w.disputes, "dispute")
    yield "POST", "disputes/{id}", _change(lambda w: w.disputes, "dispute", disputes.answer)
    yield (
        "POST",
        "disputes/{id}/close",
        _change(lambda w: w.disputes, "dispute", lambda w, d, _: disputes.close(w, d)),
    )
    yield (
        "GET",
        "balance_transactions",
        _list(lambda w: w.movements, payout="payout", type="kind", source="source"),
    )
    yield (
        "GET",
        "balance_transactions/{id}",
        _one(lambda w: w.movements, "balance transaction"),
    )
    yield "GET", "balance", _balance
    yield "GET", "payouts", _list(lambda w: w.payouts, status="status")
    yield "GET", "payouts/{id}", _one(lambda w: w.payouts, "payout")
    yield "GET", "events", _events
    yield "GET", "events/{id}", _one_event


def _attach(world: World, ref: str, params: Params) -> Fields:
    card = intents.attach(world, ref, params)
    params.end()
    return shown(card)


_ROUTES: Final = tuple(
    (method, re.compile("/v1/" + path.replace("{id}", r"(?P<id>\w+)")), act)
    for method, path, act in (*_buying(), *_after())
)
