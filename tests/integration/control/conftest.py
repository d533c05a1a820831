"""An office over a database of its own: what management works with, without gateways."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from troth.control.audit import Actor
from troth.kernel.clock import ManualClock
from troth.kernel.ids import IdMaker, system_entropy
from troth.server.offer import offer_of
from troth.server.office import NoGateways, Office
from troth.server.settings import ProviderSettings, Settings
from troth.store import engine


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def office(tmp_path: Path, clock: ManualClock) -> Iterator[Office]:
    settings = Settings(providers={"simulated": ProviderSettings(kind="simulated")})
    with closing(engine.open(f"sqlite:///{tmp_path / 'troth.db'}")) as store:
        yield Office(
            store=store,
            clock=clock,
            entropy=system_entropy,
            maker=IdMaker(clock),
            catalog=offer_of(settings).catalog,
            key_defaults=settings.keys,
            gateways=NoGateways(),
        )


@pytest.fixture
def actor(clock: ManualClock) -> Actor:
    return Actor(uid=1000, at_ms=clock.now_ms())
