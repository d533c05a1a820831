"""An office over a database of its own: what management works with, without gateways."""

from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from tests.builders.mail_server import KeptMails, mail_server
from tests.builders.paying_office import PayingOffice
from tests.builders.postgres_cluster import Cluster, running
from troth.control import accounts
from troth.control.accounts import Organization
from troth.control.audit import Actor
from troth.kernel.clock import ManualClock
from troth.kernel.ids import IdMaker, system_entropy
from troth.kernel.sealer import Sealer
from troth.server.offer import offer_of
from troth.server.office import NoGateways, Office
from troth.server.settings import ProviderSettings, Settings
from troth.store import engine

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with running() as cluster:
        yield cluster


@pytest.fixture
def books_path(quick_path: Path) -> Path:
    """Where SQLite has its file."""
    return quick_path


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, books_path: Path) -> str:
    """Both databases for every test that asks for an office."""
    if request.param == "sqlite":
        return f"sqlite:///{books_path / 'troth.db'}"
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.url(f"control_{next(_NUMBERS)}")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def office(url: str, clock: ManualClock) -> Iterator[Office]:
    settings = Settings(providers={"simulated": ProviderSettings(kind="simulated")})
    with closing(engine.open(url)) as store:
        yield Office(
            store=store,
            clock=clock,
            entropy=system_entropy,
            maker=IdMaker(clock),
            catalog=offer_of(settings).catalog,
            key_defaults=settings.keys,
            gateways=NoGateways(),
            sealer=Sealer(b"p" * 32, system_entropy, "people"),
        )


@pytest.fixture
def actor(clock: ManualClock) -> Actor:
    return Actor(uid=1000, at_ms=clock.now_ms())


@pytest.fixture
def paying(office: Office) -> PayingOffice:
    """The office with a payment company at the other end."""
    return PayingOffice(office)


@pytest.fixture
def ada(office: Office, actor: Actor) -> Organization:
    """An organization without money."""
    with office.store.write() as tx:
        return accounts.create(tx, actor, office.maker.raw(), "Ada")


@pytest.fixture
def mails() -> Iterator[KeptMails]:
    with mail_server() as keeper:
        yield keeper
