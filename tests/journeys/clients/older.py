"""The official clients of the generation before: run in their own environment, fails by raising.

python older.py ADDRESS KEY EMPTY_KEY
"""

import asyncio
import sys

import anthropic
import openai
from pydantic import BaseModel

SAID = "Tokens are counted here and words are forgotten ."
HELLO = [{"role": "user", "content": "hello there"}]
PARAMETERS = {"type": "object", "properties": {"grams": {"type": "integer"}}}
WEIGH = {"type": "function", "function": {"name": "weigh", "parameters": PARAMETERS}}


class Person(BaseModel):
    name: str
    age: int


def chat(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="chat", messages=HELLO)
    assert raw.parse().choices[0].message.content == SAID
    assert int(raw.headers["x-troth-cost-nusd"]) > 0
    for model in ("chat", "claude", "torn-1", "bare"):
        stream = client.chat.completions.create(model=model, messages=HELLO, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        assert text == SAID, model
    parsed = client.chat.completions.parse(model="chat", messages=HELLO, response_format=Person)
    assert parsed.choices[0].message.parsed == Person(name="Ada", age=7)
    called = client.chat.completions.create(model="chat", messages=HELLO, tools=[WEIGH])
    assert called.choices[0].message.tool_calls[0].function.arguments == '{"grams":7}'


def embeddings(client: openai.OpenAI) -> None:
    packed = client.embeddings.create(model="embed", input=["one", "two"])
    plain = client.embeddings.create(model="embed", input=["one", "two"], encoding_format="float")
    pairs = zip(packed.data[1].embedding, plain.data[1].embedding, strict=True)
    assert all(abs(one - other) < 1e-6 for one, other in pairs)


async def chat_async(address: str, key: str) -> None:
    async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key=key) as client:
        answer = await client.chat.completions.create(model="chat", messages=HELLO)
        assert answer.choices[0].message.content == SAID
        stream = await client.chat.completions.create(model="chat", messages=HELLO, stream=True)
        parts = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(parts) == SAID


def errors(address: str, key: str, empty: str) -> None:
    with openai.OpenAI(base_url=f"{address}/v1", api_key=empty) as client:
        try:
            client.chat.completions.create(model="chat", messages=HELLO)
            raise AssertionError("an empty wallet paid")
        except openai.APIStatusError as error:
            assert error.status_code == 402
            assert error.code == "insufficient_quota"
    with openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0) as client:
        for model, kind in (
            ("nobody-has-this", openai.NotFoundError),
            ("err-500", openai.InternalServerError),
            ("err-429", openai.RateLimitError),
        ):
            try:
                client.chat.completions.create(model=model, messages=HELLO)
                raise AssertionError(model)
            except kind:
                pass
        try:
            list(client.chat.completions.create(model="cut-4", messages=HELLO, stream=True))
            raise AssertionError("a cut stream looked whole")
        except openai.APIError:
            pass


def messages(client: anthropic.Anthropic) -> None:
    for model in ("claude", "chat"):
        answer = client.messages.create(model=model, max_tokens=90, messages=HELLO)
        assert answer.content[0].text == SAID
        with client.messages.stream(model=model, max_tokens=90, messages=HELLO) as stream:
            assert stream.get_final_message().content[0].text == SAID
        tool = {"name": "weigh", "input_schema": PARAMETERS}
        called = client.messages.create(model=model, max_tokens=90, messages=HELLO, tools=[tool])
        assert called.content[-1].input == {"grams": 7}


def main(address: str, key: str, empty: str) -> None:
    with openai.OpenAI(base_url=f"{address}/v1", api_key=key) as client:
        chat(client)
        embeddings(client)
    asyncio.run(chat_async(address, key))
    errors(address, key, empty)
    with anthropic.Anthropic(base_url=address, api_key=key) as client:
        messages(client)
    print(f"openai {openai.__version__}, anthropic {anthropic.__version__}: fine")


if __name__ == "__main__":
    main(*sys.argv[1:])
