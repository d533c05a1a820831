"""A desk that writes usage rows with its charges, and requests that leave such rows."""

from collections.abc import Sequence

from typing_extensions import override

from tests.builders.money_world import GatewayProcess, MoneyWorld
from troth.kernel import ids
from troth.kernel.quantities import Quantities
from troth.kernel.usage_record import Outcome, UsageRecord, UsageSource, encode
from troth.ledger.books import Posted, wallet_purse
from troth.ledger.shard import Short
from troth.server.records import write_usage
from troth.store.transaction import Transaction

KEY = ids.text("key", b"k" * 16)


class PostedWorld(MoneyWorld):
    """Writes usage rows with its charges, as the desk does."""

    @override
    def _write_usage(self, tx: Transaction, posted: Sequence[Posted]) -> None:
        super()._write_usage(tx, posted)
        write_usage(tx, posted)


def ask(
    gateway: GatewayProcess,
    org: bytes,
    charge: int,
    model: str = "simulated",
    *,
    cost: int = 40,
    source: UsageSource = UsageSource.REPORTED,
) -> str:
    """Make one request; return its name."""
    gateway.shard.beat(gateway.world.clock.monotonic_ns())
    admitted = gateway.admit((wallet_purse(org),), charge)
    assert not isinstance(admitted, Short)
    request = ids.text("req", admitted[0])
    row = UsageRecord(
        request=request,
        org=ids.text("org", org),
        key=KEY,
        endpoint="chat",
        model_asked=model,
        model_served=model,
        provider="simulated",
        upstream="simulated",
        region="",
        price_set="",
        started_at_ms=gateway.world.clock.now_ms(),
        first_byte_ms=5,
        latency_ms=9,
        status=200,
        outcome=Outcome.DONE,
        streamed=True,
        usage_source=source,
        quantities=Quantities(input=10, output=20),
        reserved_nusd=charge,
        charged_nusd=charge,
        cost_nusd=cost,
        max_tokens_clamped=0,
        attempts=(),
    )
    gateway.shard.settle(admitted[0], charge, encode(row))
    return request
