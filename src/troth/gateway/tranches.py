"""Money for a long stream, a tranche at a time: what is not delivered yet blocks nobody else.

A token is taken to be one byte here, the fewest it can be: what was delivered is never more than
what is set aside, and most streams need a fraction of what they could have at most.
"""

from typing import Final

import msgspec

from troth.gateway.flight import Flight
from troth.gateway.journey import Journey
from troth.gateway.ports import Wallet
from troth.gateway.reserve import TRANCHE, asks_media
from troth.kernel.errors import UpstreamFailed


class Tranches:
    """Extends one stream's reservation as it grows. The flight tells what was delivered."""

    __slots__ = (
        "_asked_nusd",
        "_covered",
        "_delivered",
        "_flight",
        "_is_asking",
        "_is_paused",
        "_journey",
        "_most",
        "_refusal",
        "_step",
        "_wallet",
    )

    def __init__(self, journey: Journey, flight: Flight, wallet: Wallet) -> None:
        """The journey's reservation is one that covers only some of the answer."""
        choices = journey.ask.choices
        self._journey = journey
        self._flight = flight
        self._wallet = wallet
        self._covered = journey.reservation.covered
        self._most = journey.reservation.max_tokens * choices
        self._step: Final = TRANCHE * choices
        self._delivered = 0
        self._asked_nusd = 0
        self._is_asking = False
        self._refusal: UpstreamFailed | None = None
        self._is_paused = False

    def seen(self, delivered_bytes: int) -> None:
        """So much was delivered: ask for more at half use, end where nothing covers the rest."""
        self._delivered = delivered_bytes
        if self._covered - delivered_bytes >= self._step // 2 or self._covered >= self._most:
            return
        if self._refusal is not None:
            self._end_if_due(self._refusal)
        elif not self._is_asking:
            self._ask()
        if self._is_asking and delivered_bytes >= self._covered and not self._is_paused:
            self._is_paused = True
            self._flight.pause()

    def _ask(self) -> None:
        journey = self._journey
        reservation = journey.reservation
        covered = min(self._covered + self._step, self._most)
        [bound] = self._flight.outlet.offering.sale.bounds(
            reservation.most_input,
            (covered,),
            asks_cache=journey.ask.size.asks_cache,
            asks_media=asks_media(journey.ask),
        )
        self._asked_nusd = max(0, bound - reservation.reserved_nusd)
        self._is_asking = True
        self._wallet.extend(journey.raw, self._asked_nusd, self._extended)

    def _extended(self, refusal: UpstreamFailed | None) -> None:
        """Hear the wallet, at once or a little later."""
        self._is_asking = False
        if refusal is not None:
            self._refusal = refusal
            self._end_if_due(refusal)
        else:
            self._covered = min(self._covered + self._step, self._most)
            reservation = self._journey.reservation
            self._journey.reservation = msgspec.structs.replace(
                reservation,
                reserved_nusd=reservation.reserved_nusd + self._asked_nusd,
                covered=self._covered,
            )
        if self._is_paused:
            self._is_paused = False
            self._flight.resume()

    def _end_if_due(self, refusal: UpstreamFailed) -> None:
        if self._delivered >= self._covered:
            self._flight.end(refusal)
