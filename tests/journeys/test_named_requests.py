"""Requests that their callers name, with the official clients and over two gateways."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import anthropic
import httpx2
import openai
import pytest

from tests.journeys.patience import wait_until
from tests.journeys.serving import House, Key, children_of, command_line, number_at
from troth.kernel.ids import system_entropy


def name() -> str:
    return f"order-{system_entropy(6).hex()}"


def chat(
    house: House,
    key: Key,
    named: str,
    *,
    text: str = "hello",
    model: str = "chat",
    retries: int = 0,
) -> openai.types.chat.ChatCompletion:
    """Ask once on a connection of its own, so that either gateway may get it."""
    with openai.OpenAI(
        base_url=f"{house.address}/v1", api_key=key.text, max_retries=retries
    ) as client:
        return client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": text}],
            extra_headers={"Idempotency-Key": named},
        )


def refused(asking: Callable[[], object]) -> openai.APIStatusError:
    """Ask until the answer's charge is in the books; return how it is refused."""
    found: list[openai.APIStatusError] = []

    def is_known() -> bool:
        with pytest.raises(openai.APIStatusError) as caught:
            asking()
        found[:] = [caught.value]
        return caught.value.code != "already_running"

    wait_until(is_known, 10, "the charge is posted")
    return found[0]


def test_a_repeat_hears_what_it_cost_and_pays_nothing(house: House, key: Key) -> None:
    named = name()
    answer = chat(house, key, named)
    assert answer.usage is not None
    left = house.posted(key)
    for _ in range(6):
        error = refused(lambda: chat(house, key, named))
        assert isinstance(error, openai.ConflictError)
        assert error.code == "already_charged"
        assert error.type == "conflict"
        assert error.response.headers["x-should-retry"] == "false"
        assert isinstance(error.body, dict)
        told = error.body["x_troth"]
        receipt = house.receipt(key, told["receipt"])
        assert number_at(receipt, "charged_nusd") == told["cost_nusd"] > 0
    assert house.posted(key) == left
    again = chat(house, key, name())
    assert again.id != answer.id


def test_another_body_under_the_name_is_refused(house: House, key: Key) -> None:
    named = name()
    chat(house, key, named)
    for text in ("hello!", "bye"):
        with pytest.raises(openai.UnprocessableEntityError) as caught:
            chat(house, key, named, text=text)
        assert caught.value.code == "idempotency_key_reused"
    chat(house, house.key(), named, text="bye")  # another organization has names of its own


def test_of_many_at_once_one_runs(house: House, key: Key) -> None:
    named = name()
    before = house.posted(key)

    def outcome(_: int) -> str:
        try:
            chat(house, key, named, model="slow-1000")
        except openai.ConflictError as error:
            return str(error.code)
        return "answered"

    with ThreadPoolExecutor(16) as pool:
        seen = list(pool.map(outcome, range(16)))
    assert sorted(set(seen)) == ["already_running", "answered"]
    assert seen.count("answered") == 1
    error = refused(lambda: chat(house, key, named, model="slow-1000"))
    assert isinstance(error.body, dict)
    assert before - house.posted(key) == error.body["x_troth"]["cost_nusd"]


def test_a_client_that_repeats_by_itself_hears_how_it_ended(house: House, key: Key) -> None:
    named = name()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(chat, house, key, named, model="slow-1000")
        time.sleep(0.3)  # the first is at its provider
        with pytest.raises(openai.ConflictError) as caught:
            chat(house, key, named, model="slow-1000", retries=3)
        assert caught.value.code == "already_charged"
        assert first.result().choices


def test_what_failed_runs_again_under_its_name(house: House, key: Key) -> None:
    named = name()
    before = len(house.twin.seen("err-400"))
    for turn in (1, 2, 3):
        error = refused(lambda: chat(house, key, named, model="err-400"))
        assert isinstance(error, openai.BadRequestError)
        assert len(house.twin.seen("err-400")) == before + turn


def test_anthropic_is_told_in_its_own_words(house: House, key: Key) -> None:
    named = name()
    with anthropic.Anthropic(base_url=house.address, api_key=key.text, max_retries=5) as client:

        def ask(text: str) -> None:
            client.messages.create(
                model="chat",
                max_tokens=50,
                messages=[{"role": "user", "content": text}],
                extra_headers={"Idempotency-Key": named},
            )

        ask("hello")
        with pytest.raises(anthropic.ConflictError) as caught:
            ask("hello")
        assert isinstance(caught.value.body, dict)
        error = caught.value.body["error"]
        assert error["type"] == "conflict_error"
        assert error["x_troth"]["receipt"].startswith("req_")
        with pytest.raises(anthropic.UnprocessableEntityError):
            ask("bye")


def test_the_clients_name_nothing_by_themselves(house: House, key: Key) -> None:
    sent: list[httpx2.Headers] = []
    web = httpx2.Client(event_hooks={"request": [lambda one: sent.append(one.headers)]})
    with openai.OpenAI(base_url=f"{house.address}/v1", api_key=key.text, http_client=web) as client:
        client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "a"}])
    [headers] = sent
    assert "idempotency-key" not in headers


def test_no_file_has_a_name_and_a_new_desk_compares_no_bodies(own_house: House) -> None:
    key, named = own_house.key(), name()
    chat(own_house, key, named)
    assert refused(lambda: chat(own_house, key, named)).code == "already_charged"
    [desk] = [
        pid for pid in children_of(own_house.pids()[0]) if b"control_process" in command_line(pid)
    ]
    os.kill(desk, signal.SIGKILL)

    def refused_again(text: str) -> bool:
        try:
            chat(own_house, key, named, text=text)
        except openai.ConflictError as error:
            return error.code == "already_charged"
        except openai.APIError:
            return False  # nobody judges while there is no desk
        raise AssertionError(text)

    for text in ("hello", "bye"):
        wait_until(partial(refused_again, text), 30, "a new desk judges")
    files = [path for path in Path(own_house.folder).rglob("*") if path.is_file()]
    assert files
    assert not any(named.encode() in path.read_bytes() for path in files)
