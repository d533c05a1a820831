"""Answers whose charge is on disk before they end: the official clients notice nothing."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import anthropic
import openai
import pytest

from tests.journeys.serving import House, Key, TwinView, cost_in, number_at, running_house

STRICT = '[journal]\ndurability = "strict"\n'


@pytest.fixture(scope="module")
def strict_house(twin: TwinView, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_house(tmp_path_factory.mktemp("strict"), twin, more=STRICT) as house:
        yield house


@pytest.fixture
def strict_key(strict_house: House) -> Key:
    return strict_house.key()


def chat(client: openai.OpenAI, *, is_streamed: bool) -> int:
    """Ask once; return the cost that was told, in nano-USD."""
    if not is_streamed:
        raw = client.chat.completions.with_raw_response.create(
            model="chat", messages=[{"role": "user", "content": "hello"}]
        )
        return int(raw.headers["x-troth-cost-nusd"])
    chunks = client.chat.completions.create(
        model="chat",
        messages=[{"role": "user", "content": "hello"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    return cost_in(list(chunks)[-1].model_dump())


def test_what_was_told_is_what_the_wallet_pays(strict_house: House, strict_key: Key) -> None:
    before = strict_house.posted(strict_key)
    with (
        openai.OpenAI(
            base_url=f"{strict_house.address}/v1", api_key=strict_key.text, max_retries=0
        ) as client,
        ThreadPoolExecutor(16) as pool,
    ):
        told = list(pool.map(lambda at: chat(client, is_streamed=at % 2 == 0), range(60)))
    with anthropic.Anthropic(base_url=strict_house.address, api_key=strict_key.text) as other:
        answer = other.messages.create(
            model="chat", max_tokens=50, messages=[{"role": "user", "content": "hello"}]
        )
        assert answer.stop_reason == "end_turn"
        assert answer._request_id is not None
        told.append(number_at(strict_house.receipt(strict_key, answer._request_id), "charged_nusd"))
    assert all(cost > 0 for cost in told)
    assert strict_house.posted(strict_key) == before - sum(told)
