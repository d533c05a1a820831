"""One installation for all journeys: the twin, and `troth serve` before it with two gateways."""

from collections.abc import Iterator
from pathlib import Path

import anthropic
import openai
import pytest

from tests.journeys.serving import House, Key, TwinView, running_house
from troth.proof.twin import children


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def twin() -> Iterator[TwinView]:
    child = children.mock_provider()
    try:
        yield TwinView(child.address(20))
    finally:
        child.stop()


@pytest.fixture(scope="session")
def house(twin: TwinView, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_house(tmp_path_factory.mktemp("house"), twin) as house:
        yield house


@pytest.fixture
def own_house(twin: TwinView, tmp_path: Path) -> Iterator[House]:
    """An installation of the test's own, to be broken."""
    with running_house(tmp_path, twin) as house:
        yield house


@pytest.fixture
def slow_house(twin: TwinView, tmp_path: Path) -> Iterator[House]:
    """An installation that waits for slow senders half a second only."""
    limits = "[limits]\nheaders_ms = 500\nbody_silent_ms = 500\n"
    with running_house(tmp_path, twin, more=limits) as house:
        yield house


@pytest.fixture
def key(house: House) -> Key:
    return house.key()


@pytest.fixture
def openai_client(house: House, key: Key) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{house.address}/v1", api_key=key.text) as client:
        yield client


@pytest.fixture
def anthropic_client(house: House, key: Key) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=house.address, api_key=key.text) as client:
        yield client
