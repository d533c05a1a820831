"""The mock provider keeps to the published documents, and fails as it is told."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import anthropic
import msgspec
import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam
from pydantic import create_model

from troth.kernel.clock import SystemClock
from troth.proof.twin import upstream
from troth.proof.twin.values import Fields, sample

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello there"}]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with upstream.running(SystemClock()) as address:
        yield address


@pytest.fixture
def client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="twin", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(address: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=address, api_key="twin", max_retries=0) as client:
        yield client


def raw(address: str, body: bytes, path: str = "/v1/chat/completions") -> bytes:
    """Send one request and read until the provider closes."""
    parts = urlsplit(address)
    head = f"POST {path} HTTP/1.1\r\nhost: twin\r\nauthorization: Bearer twin\r\n"
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5) as way:
        way.sendall(head.encode() + b"content-length: %d\r\n\r\n%b" % (len(body), body))
        read = b""
        try:
            way.shutdown(socket.SHUT_WR)
            while data := way.recv(1 << 16):
                read += data
        except OSError:
            return read + b"RESET"
    return read


def asked(model: str, *, streamed: bool = False) -> bytes:
    ask: Fields = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    return msgspec.json.encode({**ask, "stream": streamed})


def test_a_chat_completion_fits_the_published_types(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="twin-chat", messages=HELLO)
    checked = ChatCompletion.model_validate(answer.model_dump(), strict=False)
    assert checked.usage is not None
    assert checked.usage.total_tokens == checked.usage.prompt_tokens + 9
    assert checked.choices[0].message.content == "Tokens are counted here and words are forgotten ."
    assert checked.choices[0].finish_reason == "stop"


def test_a_stream_ends_with_usage_when_asked(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="cached-2+reason-5",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [ChatCompletionChunk.model_validate(chunk.model_dump()) for chunk in stream]
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.completion_tokens == 14
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == 2
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_a_tool_is_called_with_arguments_of_its_schema(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="twin-chat",
        messages=HELLO,
        tools=[
            {
                "type": "function",
                "function": {
                    "name": "weigh",
                    "parameters": {"type": "object", "properties": {"grams": {"type": "integer"}}},
                },
            }
        ],
    )
    [call] = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("weigh", '{"grams":7}')


def test_a_schema_is_answered_by_a_value_of_it(client: openai.OpenAI) -> None:
    person = create_model("Person", name=(str, ...), age=(int, ...))
    answer = client.chat.completions.parse(
        model="twin-chat", messages=HELLO, response_format=person
    )
    assert answer.choices[0].message.parsed == person(name="Ada", age=7)


def test_choices_and_log_probabilities_come_as_asked(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="words-3", messages=HELLO, n=2, logprobs=True, max_tokens=2
    )
    assert [choice.finish_reason for choice in answer.choices] == ["length", "length"]
    told = answer.choices[1].logprobs
    assert told is not None
    assert [token.token for token in told.content or []] == ["Tokens", " are"]


def test_embeddings_are_equal_as_numbers_and_as_text(client: openai.OpenAI, address: str) -> None:
    told = client.embeddings.create(model="twin-embed", input=["a", "b"])
    plain = client.embeddings.create(model="twin-embed", input="a", encoding_format="float")
    assert len(told.data) == 2
    assert told.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert address


def test_a_message_and_its_stream_say_the_same(claude: anthropic.Anthropic) -> None:
    answer = claude.messages.create(
        model="twin-claude", max_tokens=50, messages=[{"role": "user", "content": "hello"}]
    )
    with claude.messages.stream(
        model="twin-claude", max_tokens=50, messages=[{"role": "user", "content": "hello"}]
    ) as stream:
        streamed = stream.get_final_message()
    told, said = streamed.content[0], answer.content[0]
    assert told.type == said.type == "text"
    assert told.text == said.text
    assert streamed.usage.output_tokens == answer.usage.output_tokens == 9
    assert streamed.stop_reason == "end_turn"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 422, 429, 500, 502, 503, 529])
def test_a_status_is_told_in_the_envelope(client: openai.OpenAI, status: int) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=f"err-{status}", messages=HELLO)
    assert caught.value.status_code == status
    assert ("retry-after" in caught.value.response.headers) is (status in {429, 503, 529})


def test_an_overload_breaks_a_message_in_the_middle(claude: anthropic.Anthropic) -> None:
    with (
        pytest.raises(anthropic.APIStatusError),
        claude.messages.stream(
            model="overload-mid", max_tokens=50, messages=[{"role": "user", "content": "hello"}]
        ) as stream,
    ):
        stream.until_done()


def test_failures_end_after_as_many_as_asked(client: openai.OpenAI) -> None:
    for _ in range(2):
        for _ in range(2):
            with pytest.raises(openai.InternalServerError):
                client.chat.completions.create(model="fail-2", messages=HELLO)
        assert client.chat.completions.create(model="fail-2", messages=HELLO).choices


def test_a_torn_stream_holds_the_same_bytes(address: str) -> None:
    torn = raw(address, asked("torn-5", streamed=True)).partition(b"\r\n\r\n")[2]
    sizes = []
    text = b""
    while torn:
        size, _, torn = torn.partition(b"\r\n")
        sizes.append(int(size, 16))
        text += torn[: sizes[-1]]
        torn = torn[sizes[-1] + 2 :]
    assert max(sizes) <= 7
    assert text.endswith(b"data: [DONE]\n\n")


def test_broken_answers_are_broken_as_told(address: str) -> None:
    def of(model: str, *, streamed: bool) -> bytes:
        return raw(address, asked(model, streamed=streamed))

    assert not of("cut-4", streamed=True).endswith(b"0\r\n\r\n")
    assert b"[DONE]" not in of("stop-4", streamed=True)
    assert of("stop-4", streamed=True).endswith(b"0\r\n\r\n")
    assert of("undone", streamed=True).endswith(b"0\r\n\r\n")
    assert of("reset", streamed=False) == b"RESET"
    assert b"content-encoding: gzip" in of("gzip", streamed=False)
    assert b"<html>" in of("garbage", streamed=False)
    assert b"location: /__redirected" in of("redirect", streamed=False)
    assert len(of("headers-80", streamed=False)) > 80_000
    assert len(of("bigevent-5000", streamed=True)) > 5_000_000
    assert len(of("bomb-8", streamed=False)) < 100_000


@pytest.mark.parametrize("bend", ["negative", "absurd", "text", "float"])
def test_an_account_is_bent_as_told(address: str, bend: str) -> None:
    body = raw(address, asked(f"usage-{bend}")).partition(b"\r\n\r\n")[2]
    told = msgspec.json.decode(body)["usage"]["completion_tokens"]
    assert told == {"negative": -9, "absurd": 10**15, "text": "9", "float": 9.5}[bend]


def test_what_came_in_can_be_read_and_forgotten(address: str) -> None:
    raw(address, asked("echo+words-1"), "/v1/chat/completions?key=1")
    seen = raw_get(address, "/__seen?model=echo+words-1")
    assert [one.query for one in seen] == ["key=1"]
    assert seen[0].ended == "whole"
    assert "authorization" in dict(seen[0].headers)


def test_a_client_that_leaves_is_noticed(address: str) -> None:
    parts = urlsplit(address)
    body = asked("endless", streamed=True)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5) as way:
        head = b"POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer twin\r\n"
        way.sendall(head + b"content-length: %d\r\n\r\n%b" % (len(body), body))
        assert way.recv(1 << 10)
    clock = SystemClock()
    until = clock.now_ms() + 5_000
    while raw_get(address, "/__seen?model=endless")[0].ended != "left":
        assert clock.now_ms() < until


def raw_get(address: str, target: str) -> list[upstream.Seen]:
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5) as way:
        way.sendall(f"GET {target} HTTP/1.1\r\nhost: twin\r\n\r\n".encode())
        way.shutdown(socket.SHUT_WR)
        read = b""
        while data := way.recv(1 << 16):
            read += data
    return msgspec.json.decode(read.partition(b"\r\n\r\n")[2], type=list[upstream.Seen])


def test_a_sample_follows_references_and_choices() -> None:
    schema: Fields = {
        "type": "object",
        "properties": {
            "a": {"$ref": "#/$defs/one"},
            "b": {"anyOf": [{"type": "null"}, {"type": "string"}]},
            "c": {"type": "array", "items": {"enum": ["x", "y"]}},
            "d": {"const": 3},
        },
        "$defs": {"one": {"type": ["boolean", "null"]}},
    }
    assert sample(schema) == {"a": True, "b": None, "c": ["x"], "d": 3}
