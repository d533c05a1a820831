"""What the stages need of the world, as Protocols and the rows they look things up in.

Nothing here opens a store: the gateway process fills these tables from the desk's snapshot.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from troth.catalog.offering import Offering, Upstream
from troth.kernel.errors import UpstreamFailed
from troth.kernel.fields import Code
from troth.kernel.secret import Secret


class KeyRow(msgspec.Struct, frozen=True, array_like=True):
    """An API key as a gateway knows it: no secret, no hash.

    `purses` are those that each request of the key draws on, the wallet first. Limits of 0 mean
    none. `networks` are CIDR blocks, empty for any. `rate_slot` is the key's row in the table of
    rates that all gateways of the machine share.
    """

    public_id: str
    ref: str
    org: str
    project: str
    purses: tuple[bytes, ...]
    models: frozenset[str]
    networks: tuple[str, ...]
    expires_at_ms: int
    requests_per_minute: int
    tokens_per_minute: int
    concurrency: int
    may_read_wallet: bool
    rate_slot: int


class OrgRow(msgspec.Struct, frozen=True, array_like=True):
    """An organization as a gateway knows it; `price_set` is the one it is pinned to, if any."""

    ref: str
    is_frozen: bool
    price_set: str = ""


class Keys(Protocol):
    """Keys by public id. A key's first use in a process is verified at the desk."""

    def find(self, public_id: str) -> KeyRow | None:
        """Return the row of a live key, or None: revoked and unknown are the same."""
        ...

    def org(self, ref: str) -> OrgRow | None:
        """Return the organization's row."""
        ...

    def is_worth_asking(self, public_id: str) -> bool:
        """Tell whether the desk may know a key that is not here: then `verify` brings its row."""
        ...

    @property
    def is_fresh(self) -> bool:
        """Tell whether the tables may still be trusted (the desk's beat is recent)."""
        ...

    async def verify(self, public_id: str, text: Secret, peer: str) -> bool:
        """Ask the desk whether the whole key matches its hash.

        Raises:
            Unavailable: the desk does not answer.
            RateLimited: too many first uses of this id from this address.
        """
        ...


class Offerings(Protocol):
    """Models and their offerings, in the order of preference."""

    def of(self, model: str, price_set: str = "") -> Sequence[Offering]:
        """Return the offerings of a public name; empty when there is no such model.

        At the prices of a set that somebody is pinned to, or at today's.
        """
        ...

    def names(self) -> Sequence[str]:
        """Return all public names, sorted."""
        ...


class Wallet(Protocol):
    """Money. Purses, reservations and amounts only; integers in nano-USD."""

    def admit(
        self, reservation: bytes, purses: tuple[bytes, ...], want: int, least: int, *, enough: int
    ) -> int | Awaitable[int]:
        """Set aside between `least` and `want` from all purses at once; return the amount.

        When the lease is dry, what is returned waits for the desk and raises what is to be raised.
        Where `want` is not there while other requests run, a request takes at most half of what
        is, unless that half is below `enough`.

        Raises:
            CreditsExhausted: not even `least` is there, or only running requests have it.
            Overloaded: the desk is away or the journal cannot be written.
        """
        ...

    def free(self, purses: tuple[bytes, ...]) -> int:
        """Return what all of these purses have free in this process."""
        ...

    def reach(self, purses: tuple[bytes, ...]) -> int:
        """Return what all of these purses have free here and at the desk, as it last said."""
        ...

    def extend(
        self, reservation: bytes, amount: int, done: Callable[[UpstreamFailed | None], None]
    ) -> None:
        """Add `amount` to a reservation; `done` hears at once or when the desk answered.

        It hears None when that was done, else what to end the answer with once it must end.
        """
        ...

    def cover(self, reservation: bytes, nusd: int) -> int:
        """Return how much of `nusd` can be charged: the reservation, and the rest if free."""
        ...

    def settle(self, reservation: bytes, charged: int, record: bytes, *, overrun: int) -> None:
        """Journal charge and usage record in one; free what is left of the reservation.

        `overrun` is what was used beyond what could be charged: the operator's.
        """
        ...

    def abort(self, reservation: bytes) -> None:
        """Free a reservation whose request was never forwarded; no record."""
        ...


class Credentials(Protocol):
    """The operator's provider keys."""

    def of(self, upstream: Upstream) -> Secret:
        """Return the credential; an empty one for an upstream that needs none."""
        ...


class Reading(Code):
    """What a key may read about itself."""

    RECEIPT = "receipt"
    RECEIPTS = "receipts"
    GENERATION = "generation"
    KEY = "key"
    CREDITS = "credits"


class Question(msgspec.Struct, frozen=True, array_like=True):
    """What a key asks: `subject` is a request, or the receipt that the list goes on after.

    `limit` is how many are wanted, 0 where one is asked for.
    """

    what: Reading
    org: str
    key: str
    subject: str = ""
    limit: int = 0


class Reads(Protocol):
    """What a key may read about itself; the desk answers."""

    async def read(self, question: Question) -> bytes | None:
        """Return the answer as JSON; None when there is nothing of this key's.

        Raises:
            ReceiptNotPosted: the request ended here and is not posted yet.
            ReceiptExpired: the time of such a receipt is over.
            Unavailable: the desk does not answer.
        """
        ...


class Naming(msgspec.Struct, frozen=True, array_like=True):
    """A name that a caller gives to a request, whose it is, and the request's sixteen bytes."""

    org: str
    name: str
    request: bytes


class Names(Protocol):
    """Names of requests, kept by the desk for a day: one name is charged once."""

    async def claim(self, naming: Naming, form: Callable[[bytes], bytes]) -> None:
        """Take a name for a request; `form` hashes what is asked with a key.

        Raises:
            AlreadyRunning, AlreadyCharged: the same request was sent before.
            NameReused: another was.
            Overloaded: the desk does not answer.
        """
        ...

    def free(self, naming: Naming) -> None:
        """Give a name back: nothing was forwarded under it."""
        ...


class Call(Protocol):
    """An upstream call under way, as the wire or the simulated provider keeps it."""

    def close(self) -> None:
        """Stop it; nothing more comes."""
        ...

    def pause(self) -> None:
        """Read no more for now: the client is slow."""
        ...

    def resume(self) -> None:
        """Go on reading."""
        ...
