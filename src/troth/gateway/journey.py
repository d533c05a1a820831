"""A request's own state while it is served: what the stages decided, and how the attempts went."""

import msgspec

from troth.gateway.admit import Admission
from troth.gateway.authenticate import Caller
from troth.gateway.exchange import Ask
from troth.gateway.flight import Flight
from troth.gateway.name import Claim
from troth.gateway.reserve import Reservation
from troth.gateway.route import Choice
from troth.kernel.usage_record import Attempt


class Journey(msgspec.Struct):
    """The stages' values in one place; `attempts` and `flight` grow while it is forwarded.

    `raw` is the request's sixteen bytes, `request_id` their outer form, `started_ns` monotonic.
    """

    raw: bytes
    request_id: str
    started_ns: int
    caller: Caller
    ask: Ask
    admission: Admission
    choice: Choice
    reservation: Reservation
    attempts: list[Attempt]
    flight: Flight | None = None
    named: Claim | None = None
