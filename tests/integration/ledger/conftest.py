"""Both databases for every test that asks for a `store`; a missing PostgreSQL is an error."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.builders.money_world import MoneyWorld
from tests.builders.postgres_cluster import Cluster, running
from troth.store import engine
from troth.store.engine import Store

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
    if request.param == "sqlite":
        return f"sqlite:///{books_path}/books.db"
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.url(f"books_{next(_NUMBERS)}")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = engine.open(url)
    yield store
    store.close()


@pytest.fixture
def world(store: Store, quick_path: Path) -> Iterator[MoneyWorld]:
    world = MoneyWorld(store, quick_path)
    yield world
    for gateway in world.gateways.values():
        gateway.journal.close()
