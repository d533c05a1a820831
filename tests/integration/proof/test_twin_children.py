"""The twin's servers start as programs of their own, say where they are, and end when told."""

import sys
from pathlib import Path

import httpx2
import pytest

from troth.kernel.errors import Misconfigured
from troth.proof.twin import children
from troth.proof.twin.children import Child


def test_the_mock_provider_starts_and_ends() -> None:
    child = children.mock_provider()
    try:
        address = child.address(10)
        assert httpx2.get(f"{address}/health").json() == {"status": "ok"}
    finally:
        child.stop()
    with pytest.raises(httpx2.TransportError):
        httpx2.get(f"{address}/health")


def test_a_program_that_fails_tells_its_last_words() -> None:
    child = Child("thing", [sys.executable, "-c", "raise SystemExit('no luck')"])
    with pytest.raises(Misconfigured, match="the thing did not start: no luck"):
        child.address(10)
    child.stop()


def test_a_program_that_says_nothing_is_given_up() -> None:
    child = Child("thing", [sys.executable, "-c", "import sys; sys.stdin.read()"])
    with pytest.raises(Misconfigured, match="it said nothing"):
        child.address(0.2)
    child.stop()


def test_the_tiny_model_speaks_calls_tools_and_keeps_to_schemas(tmp_path: Path) -> None:
    child = children.model_server(tmp_path)
    try:
        address = child.address(20)
        with httpx2.Client(base_url=address, timeout=20) as client:
            ask = {"model": "tiny-chat", "messages": [{"role": "user", "content": "Hello"}]}
            spoken = client.post("/v1/chat/completions", json={**ask, "max_tokens": 20}).json()
            schema = {"type": "object", "properties": {"grams": {"type": "integer"}}}
            schema["required"] = ["grams"]
            function = {"name": "weigh", "parameters": schema}
            tools = [{"type": "function", "function": function}]
            called = client.post(
                "/v1/chat/completions", json={**ask, "tools": tools, "max_tokens": 200}
            ).json()
            message = client.post("/v1/messages", json={**ask, "max_tokens": 20}).json()
    finally:
        child.stop()
    assert 0 < spoken["usage"]["completion_tokens"] <= 20
    assert spoken["choices"][0]["message"]["content"]
    [call] = called["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "weigh"
    assert call["function"]["arguments"].startswith('{"grams":')
    assert message["usage"]["output_tokens"] > 0


def test_embeddings_are_real() -> None:
    child = children.embedding_server()
    try:
        address = child.address(30)
        ask = {"model": "e5", "input": ["a cat sleeps", "a kitten naps", "tax law of 1912"]}
        rows = httpx2.post(f"{address}/v1/embeddings", json=ask, timeout=20).json()["data"]
    finally:
        child.stop()
    first, second, third = (row["embedding"] for row in rows)
    assert len(first) == 384
    assert sum(map(float.__mul__, first, second)) > sum(map(float.__mul__, first, third))
