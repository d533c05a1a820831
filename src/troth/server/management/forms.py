"""What the management endpoints share: who calls, what they get, how a fault is told."""

import re
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from fastapi import Depends, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, field_validator

from troth.control import audit
from troth.control.deeds import Once
from troth.kernel.errors import (
    BadRequest,
    InvalidValue,
    InvariantBroken,
    Missing,
    RateLimited,
    TrothError,
    Unavailable,
)
from troth.kernel.money import nusd_of
from troth.kernel.receipt_errors import ReceiptExpired
from troth.server.office import Office
from troth.store.transaction import Unwritable

LIST_MAX: Final = 1_000
JSON: Final = "application/json"
_STATUSES: Final[Mapping[type[TrothError], int]] = {
    ReceiptExpired: 410,
    Missing: 404,
    BadRequest: 422,
    RateLimited: 429,
    Unavailable: 503,
    InvariantBroken: 500,
}


_NOT_FOUND: Final = 404
_INT_MAX: Final = 2**63 - 1
_UNKEPT: Final = re.compile("[\0\ud800-\udfff]")
"""NUL, and halves of characters, which JSON can spell."""


class Body(BaseModel):
    """A form whose fields are all known and of their exact type, and can be kept."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @field_validator("*")
    @classmethod
    def _is_kept(cls, value: object) -> object:
        """Refuse what no column holds: it would be found out too late to be told."""
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, int) and not -_INT_MAX <= each <= _INT_MAX:
                raise ValueError("Input should be a 64-bit integer")
            if isinstance(each, str) and _UNKEPT.search(each):
                raise ValueError("Input should be whole characters, without NUL")
        return value


def _office(request: Request) -> Office:
    """Return the office; nothing there is named by what no column holds.

    Raises:
        Missing: it is.
    """
    if _UNKEPT.search(request.scope["path"] + "".join(request.query_params.values())):
        raise Missing
    office = request.app.state.office
    assert isinstance(office, Office)
    return office


def _actor(request: Request, office: Annotated[Office, Depends(_office)]) -> audit.Actor:
    """Return who calls; the socket's server puts the uid where a port would stand."""
    return audit.Actor(request.client.port if request.client else -1, office.clock.now_ms())


def _key(idempotency_key: Annotated[str, Header()] = "") -> str:
    """Return what the caller calls this request, so that it is done once however often it comes.

    Raises:
        InvalidValue: it is too long, or has other than visible ASCII characters.
    """
    if not re.fullmatch(r"[!-~]{0,255}", idempotency_key):
        raise InvalidValue("idempotency-key", "give at most 255 visible ASCII characters")
    return idempotency_key


Key = Annotated[str, Depends(_key)]
Here = Annotated[Office, Depends(_office)]
By = Annotated[audit.Actor, Depends(_actor)]


class Fault(msgspec.Struct, frozen=True):
    """What a refusal says."""

    code: str
    message: str
    param: str | None = None


def once(key: str, what: str, body: Body | None = None) -> Once:
    """Return a caller's name for a deed, with all that is asked for."""
    return Once(key, f"{what} {body.model_dump_json()}" if body else what)


def answer(document: msgspec.Struct | list[msgspec.Struct], status: int = 200) -> Response:
    """Return a document as JSON."""
    return Response(msgspec.json.encode(document), status, media_type=JSON)


def refusal(status: int, fault: Fault) -> Response:
    """Return a fault in the envelope."""
    return Response(msgspec.json.encode({"error": fault}), status, media_type=JSON)


def refuse(_: Request, error: Exception) -> Response:
    """Tell an error of ours."""
    assert isinstance(error, TrothError)
    status = next((_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES), 500)
    sentence = error.message
    if isinstance(error, Missing) and error.param and status == _NOT_FOUND:
        sentence = f"There is no such {error.param}."
    if isinstance(error, InvariantBroken):
        sentence = f"The books do not agree: {error.rule}."
    return refusal(status, Fault(error.code, sentence, error.param))


def refuse_body(_: Request, error: Exception) -> Response:
    """Name field and reason; the value itself is never repeated."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:])
    reason = first["msg"].removeprefix("Value error, ")
    return refusal(422, Fault("invalid_value", f"'{field}': {reason}", field))


def refuse_busy(_: Request, error: Exception) -> Response:
    """Say that the database did not answer in time, or cannot write."""
    if isinstance(error, Unwritable):
        return refusal(
            503,
            Fault(
                "storage_full",
                "The database cannot write, and nothing was changed: its disk is full or has "
                "failed. Make room, then try again.",
            ),
        )
    return refusal(503, Fault("busy", "The database is busy. Try again."))


def dollars(param: str, text: str) -> int:
    """Return nano-USD of US dollars in a string.

    Raises:
        InvalidValue: it is no such amount.
    """
    amount = nusd_of(text)
    if amount is None:
        reason = "give US dollars in digits with at most nine decimals, such as 12.50"
        raise InvalidValue(param, reason)
    return amount
