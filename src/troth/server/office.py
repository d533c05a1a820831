"""What management works with: the store, the clock, the catalog, and word to the gateways."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from troth.catalog.load import Catalog
from troth.control.documents import Terms as DocumentTerms
from troth.kernel.clock import Clock
from troth.kernel.ids import Entropy, IdMaker
from troth.kernel.sealer import Sealer
from troth.server.cashier import Cashier
from troth.server.handover import AlertTerms
from troth.server.settings import KeySettings
from troth.server.shelf import Stock
from troth.store.engine import Store

_PAGES_NS: Final = 60_000_000_000
DESK: Final = 0
"""The stripe of the operator's books that management writes to."""


class Told(msgspec.Struct, frozen=True):
    """Which gateways have a change in force; `silent` slots stop by themselves at `until_ms`."""

    confirmed: int = 0
    silent: tuple[int, ...] = ()
    until_ms: int = 0


class Gateways(Protocol):
    """The running gateways, as far as management must tell them."""

    def refresh(self, public_ids: Sequence[str], orgs: Sequence[str]) -> Told:
        """Tell them what changed, after the commit, and wait for their word."""
        ...

    def call_back(self, purse: bytes) -> None:
        """Ask them to give back what they have of a purse and do not need now."""
        ...

    def refused(self) -> Mapping[bytes, int]:
        """Return which budgets have refused a request since the last call, and when (unix ms)."""
        ...


class Sales(Protocol):
    """The running gateways, as far as prices must reach them."""

    @property
    def mark(self) -> tuple[int, ...]:
        """Return the mark of the stock that they sell, empty when that is not known."""
        ...

    def sell(self, stock: Stock) -> Told:
        """Put prices in force that are not yet, and wait for their word."""
        ...


class NoGateways:
    """Nothing runs: the next start reads the database."""

    __slots__ = ()

    def refresh(self, public_ids: Sequence[str], orgs: Sequence[str]) -> Told:
        """Tell nobody."""
        del public_ids, orgs
        return Told()

    def call_back(self, purse: bytes) -> None:
        """Ask nobody."""
        del purse

    def refused(self) -> Mapping[bytes, int]:
        """Nothing was refused."""
        return {}

    @property
    def mark(self) -> tuple[int, ...]:
        """Nothing is sold."""
        return ()

    def sell(self, stock: Stock) -> Told:
        """Sell nothing."""
        del stock
        return Told()


class Exports:
    """Who reads the ledger page by page: until he is through, nothing may be dropped of it."""

    __slots__ = ("_last_ns",)

    def __init__(self) -> None:
        self._last_ns: int | None = None

    def note(self, clock: Clock) -> None:
        """A page is read."""
        self._last_ns = clock.monotonic_ns()

    def are_read(self, clock: Clock) -> bool:
        """Tell whether a page was read lately, so that others may follow."""
        last_ns = self._last_ns
        return last_ns is not None and clock.monotonic_ns() - last_ns < _PAGES_NS


class Office(msgspec.Struct, frozen=True):
    """All of it in one place. `is_serving` tells whether gateways run beside.

    `warnings` say what of the settings is not served, and why. `catalog` is what is configured;
    what was accepted since is in the database. `notice_days` is how long before a rise is known.
    `usage_days` is how long the rows of single requests are kept, 0 for always.
    `cashier` takes payments, if anybody does. `sealer` seals what names a person. `refusing` tells
    upstreams and models at which they refuse us.
    """

    store: Store
    clock: Clock
    entropy: Entropy
    maker: IdMaker
    catalog: Catalog
    key_defaults: KeySettings
    gateways: Gateways
    sealer: Sealer
    is_serving: bool = False
    warnings: tuple[str, ...] = ()
    sales: Sales = NoGateways()
    notice_days: int = 14
    cashier: Cashier | None = None
    alerts: AlertTerms = AlertTerms()
    usage_days: int = 0
    documents: DocumentTerms = DocumentTerms()
    exports: Exports = msgspec.field(default_factory=Exports)
    refusing: Callable[[], list[tuple[str, str]]] = list
