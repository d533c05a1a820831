"""Lists as Stripe gives them: newest first, filtered, a page at a time."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from troth.proof.twin.fake_stripe.params import Params
from troth.proof.twin.fake_stripe.records import Event, Record
from troth.proof.twin.fake_stripe.refusals import invalid
from troth.proof.twin.values import Fields, Json

_USUAL: Final = 10
_MOST: Final = 100

Each = TypeVar("Each", bound=Record | Event)


def page(found: Iterable[Each], params: Params, show: Callable[[Each], Fields]) -> Fields:
    """Return one page of `found`, which comes oldest first; who answers adds the url."""
    limit = params.whole("limit", _USUAL)
    if not 1 <= limit <= _MOST:
        raise invalid("This value must be between 1 and 100.", "limit")
    items = _within(found, params)[::-1]
    after, before = params.text("starting_after"), params.text("ending_before")
    if after:
        items = items[_place(items, after, "starting_after") + 1 :]
        shown, has_more = items[:limit], len(items) > limit
    elif before:
        items = items[: _place(items, before, "ending_before")]
        shown, has_more = items[-limit:], len(items) > limit
    else:
        shown, has_more = items[:limit], len(items) > limit
    rows: list[Json] = [show(each) for each in shown]
    return {"object": "list", "data": rows, "has_more": has_more}


def _within(found: Iterable[Each], params: Params) -> list[Each]:
    """Filter by `created`, a moment or a range."""
    if not params.has("created"):
        return list(found)
    span = params.table("created")
    least, above = span.whole("gte"), span.whole("gt", -1)
    most, below = span.whole("lte", 1 << 62), span.whole("lt", 1 << 62)
    return [
        each for each in found if least <= each.created <= most and above < each.created < below
    ]


def _place(items: Sequence[Record | Event], ref: str, param: str) -> int:
    for at, each in enumerate(items):
        if each.id == ref:
            return at
    raise invalid(f"No such object: '{ref}'", param, "resource_missing")
