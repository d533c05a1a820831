"""The small worlds that are searched, each as wide as can be seen to its end."""

from typing import Final

from tests.simulation.lease_state import World

WORLDS: Final = (
    World("links of two seats break", bought=2, ops=2, amount_max=2, has_deaths=False),
    World("links of one seat break, two requests", seats=1, bought=3, ops=6, requests=2,
          has_deaths=False),
    World("processes die, power is cut", bought=2, ops=1, lives=2, amount_max=2),
    World("one slot has three lives", seats=1, bought=2, ops=3, lives=3, amount_max=2),
    World("seats recall from each other", requests=2, ops=3, is_ahead=True, has_breaks=False,
          has_deaths=False, has_reclaims=False),
    World("two requests are late", bought=3, requests=2, ops=2, has_breaks=False,
          has_deaths=False),
    World("a budget beside the wallet", bought=2, limit=2, ops=2, amount_max=2, has_breaks=False,
          has_deaths=False),
    World("a period ends, two seats", limit=3, ops=2, has_periods=True, has_breaks=False,
          has_deaths=False, has_reclaims=False),
    World("a period ends, one seat", seats=1, bought=5, limit=3, ops=6, has_periods=True,
          is_ahead=True, has_breaks=False, has_deaths=False, has_reclaims=False),
    World("gifts end, refunds, disputes", gift=1, bought=1, payments=1, ops=1, wants=(1,),
          amount_max=2, has_ends=True, has_breaks=False, has_deaths=False),
    World("the same with one seat and more requests", seats=1, gift=1, bought=2, payments=1,
          ops=3, has_ends=True, has_breaks=False, has_deaths=False),
)  # fmt: skip
EVERYTHING: Final = World(
    "everything at once", gift=2, bought=3, limit=4, requests=2, wants=(1, 2), ops=5, lives=2,
    payments=1, has_ends=True, has_periods=True, is_ahead=True,
)  # fmt: skip
