"""Libraries built upon the official clients: run in their own environment, fails by raising.

python built_upon.py ADDRESS KEY EMPTY_KEY
"""

import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it fetches a price list when imported

import litellm
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

SAID = "Tokens are counted here and words are forgotten ."
HELLO = [{"role": "user", "content": "hello there"}]


class Person(BaseModel):
    """A person."""

    name: str
    age: int


@tool
def weigh(grams: int) -> str:
    """Weigh something."""
    return f"{grams} grams"


def langchain(address: str, key: str) -> None:
    settings = {"base_url": f"{address}/v1", "api_key": key, "max_retries": 0}
    model = ChatOpenAI(model="chat", **settings)
    answer = model.invoke([HumanMessage("hello there")])
    assert answer.content == SAID
    assert answer.usage_metadata["output_tokens"] == 9
    assert "".join(chunk.content for chunk in model.stream("hello there")) == SAID
    called = model.bind_tools([weigh]).invoke("hello there")
    assert called.tool_calls[0]["args"] == {"grams": 7}
    assert model.with_structured_output(Person).invoke("who?") == Person(name="Ada", age=7)
    embedder = OpenAIEmbeddings(
        model="embed", check_embedding_ctx_length=False, base_url=f"{address}/v1", api_key=key
    )
    assert len(embedder.embed_documents(["one", "two"])[1]) == 16


def through_litellm(address: str, key: str, empty: str) -> None:
    for model, base in (
        ("openai/chat", f"{address}/v1"),
        ("openai/claude", f"{address}/v1"),
        ("anthropic/claude", address),
        ("anthropic/chat", address),
    ):
        settings = {"model": model, "api_base": base, "api_key": key, "messages": HELLO}
        answer = litellm.completion(**settings, max_tokens=90)
        assert answer.choices[0].message.content == SAID, model
        assert answer.usage.completion_tokens == 9, model
        parts = litellm.completion(**settings, max_tokens=90, stream=True)
        text = "".join(part.choices[0].delta.content or "" for part in parts)
        assert text == SAID, model
        settings["api_key"] = "sk-troth-of-nobody"
        try:
            litellm.completion(**settings, max_tokens=90)
            raise AssertionError("a wrong key was taken")
        except litellm.exceptions.AuthenticationError:
            pass
    vectors = litellm.embedding(
        model="openai/embed", input=["one"], api_base=f"{address}/v1", api_key=key
    )
    assert len(vectors.data[0]["embedding"]) == 16
    try:
        litellm.completion(
            model="openai/chat", api_base=f"{address}/v1", api_key=empty, messages=HELLO
        )
        raise AssertionError("an empty wallet paid")
    except litellm.exceptions.APIError as error:
        assert error.status_code == 402


def main(address: str, key: str, empty: str) -> None:
    langchain(address, key)
    through_litellm(address, key, empty)
    print("langchain-openai and litellm: fine")


if __name__ == "__main__":
    main(*sys.argv[1:])
