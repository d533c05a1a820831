"""What a key may read: models in both dialects, itself, its own receipts. No body, no money."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote

import msgspec

from troth.gateway.authenticate import Caller, authenticate
from troth.gateway.dialects import model_body, models_body
from troth.gateway.endpoints.table import Match, Purpose
from troth.gateway.ports import Question, Reading
from troth.gateway.world import World
from troth.kernel.errors import (
    Forbidden,
    InvalidValue,
    Missing,
    MissingParameter,
    ModelNotFound,
)
from troth.kernel.ids import raw_of, text
from troth.wire import Arrival, Sink

_LIMIT: Final = 20
_LIMIT_MAX: Final = 100
_MODELS_MAX: Final = 1_000
_NAMES: Final = ("req_", "chatcmpl-", "msg_")
_JSON: Final = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]


async def models(found: Match, arrival: Arrival, sink: Sink, world: World) -> None:
    """List the models that this key may use, at the prices that its organization pays.

    All of them, or in the Anthropic dialect the page that is asked for.

    Raises:
        InvalidValue: a page of no size.
    """
    caller = await authenticate(arrival.head, world)
    price_set = _price_set(caller, world)
    names = [name for name in world.offerings.names() if _may_use(caller, name)]
    page = _page(names, arrival.head.query) if found.dialect == "anthropic" else Page(names)
    sold = [world.offerings.of(name, price_set) for name in page.names]
    body = models_body(found.dialect, [each for each in sold if each], has_more=page.has_more)
    _send(sink, body, found, world)


async def model(found: Match, arrival: Arrival, sink: Sink, world: World) -> None:
    """Describe one model.

    Raises:
        ModelNotFound: no such model for this key.
    """
    caller = await authenticate(arrival.head, world)
    offered = world.offerings.of(found.subject, _price_set(caller, world))
    if not offered or not _may_use(caller, found.subject):
        raise ModelNotFound("model")
    _send(sink, model_body(found.dialect, offered), found, world)


async def own(found: Match, arrival: Arrival, sink: Sink, world: World) -> None:
    """Show what a key may know of itself: a receipt or all of them, its limits, its credit.

    Raises:
        Missing: no such receipt of this key.
        ReceiptNotPosted: the request ended and is not posted yet.
        ReceiptExpired: the time of such a receipt is over.
        Forbidden: this key may not read the wallet.
        MissingParameter, InvalidValue: the query.
    """
    caller = await authenticate(arrival.head, world)
    asked = _question(found, arrival.head.query, caller)
    body = await world.reads.read(asked)
    if body is None:
        raise Missing
    _send(sink, body, found, world)


def _question(found: Match, query: str, caller: Caller) -> Question:
    org, key = caller.key.org, caller.key.ref
    match found.purpose:
        case Purpose.RECEIPT:
            return Question(Reading.RECEIPT, org, key, _request(found.subject))
        case Purpose.RECEIPTS:
            after = _parameter(query, "after")
            limit = _limit(_parameter(query, "limit"))
            return Question(Reading.RECEIPTS, org, key, after and _request(after), limit)
        case Purpose.GENERATION:
            named = _parameter(query, "id")
            if not named:
                raise MissingParameter("id")
            return Question(Reading.GENERATION, org, key, _request(named))
        case Purpose.CREDITS:
            if not caller.key.may_read_wallet:
                raise Forbidden
            return Question(Reading.CREDITS, org, key)
        case _:
            return Question(Reading.KEY, org, key)


def _request(named: str) -> str:
    """Return the request that is named by its id, or by that of its answer.

    Raises:
        Missing: it is neither.
    """
    for name in _NAMES:
        request = f"req_{named.removeprefix(name)}"
        if named.startswith(name) and raw_of("req", request) is not None:
            return request
    raise Missing


def _parameter(query: str, name: str) -> str:
    """Return a parameter of a query as it stands there, an empty one when it is absent."""
    pairs = (pair.partition("=") for pair in query.split("&"))
    return next((value for found, _, value in pairs if found == name), "")


def _limit(text: str) -> int:
    if not text:
        return _LIMIT
    if not text.isascii() or not text.isdecimal() or not 0 < int(text[:4]) <= _LIMIT_MAX:
        raise InvalidValue("limit", f"give a number from 1 to {_LIMIT_MAX}")
    return int(text[:4])


class Page(msgspec.Struct, frozen=True):
    """Some of the names in their order; `has_more` tells that others follow, or come before."""

    names: Sequence[str]
    has_more: bool = False


def _page(names: Sequence[str], query: str) -> Page:
    """Return the page that `limit`, `after_id` and `before_id` ask for; all without a limit."""
    after, before = _unquoted(query, "after_id"), _unquoted(query, "before_id")
    if before:
        names = [name for name in names if name < before]
    elif after:
        names = [name for name in names if name > after]
    text = _parameter(query, "limit")
    if not text:
        return Page(names)
    if not text.isascii() or not text.isdecimal() or not 0 < int(text[:5]) <= _MODELS_MAX:
        raise InvalidValue("limit", f"give a number from 1 to {_MODELS_MAX}")
    most = int(text[:5])
    return Page(names[-most:] if before else names[:most], len(names) > most)


def _unquoted(query: str, name: str) -> str:
    return unquote(_parameter(query, name))


def _price_set(caller: Caller, world: World) -> str:
    """Return the price set that the caller's organization is pinned to, empty for today's."""
    organization = world.keys.org(caller.key.org)
    return organization.price_set if organization is not None else ""


def _may_use(caller: Caller, name: str) -> bool:
    return not caller.key.models or name in caller.key.models


def _send(sink: Sink, body: bytes, found: Match, world: World) -> None:
    shown = text("req", world.ids.raw()).encode()
    headers = [*_JSON, (b"x-request-id", shown)]
    if found.dialect == "anthropic":
        headers.append((b"request-id", shown))
    sink.answer(200, headers, body)
