"""What needs content at rest is refused, and the refusal names the clause."""

import pytest

from tests.journeys.raw_http import Reply, events, get, head, hello, hello_claude, post
from tests.journeys.serving import House, Key
from troth.gateway.exchange import Fields, Json
from troth.policy.strict import CONTENT_AT_REST

FIELDS: dict[str, Json] = {
    "previous_response_id": "resp_1",
    "conversation": "conv_1",
    "background": True,
    "container": "c",
    "mcp_servers": [{"type": "url", "url": "https://example.com"}],
}
PATHS = {
    "GET /v1/chat/completions": 403,
    "GET /v1/chat/completions/chatcmpl-1": 404,
    "DELETE /v1/chat/completions/chatcmpl-1": 404,
    "GET /v1/responses/resp_1": 404,
    "DELETE /v1/responses/resp_1": 404,
    "POST /v1/responses/resp_1/cancel": 404,
    "POST /v1/conversations": 403,
    "GET /v1/conversations/conv_1": 404,
    "POST /v1/files": 403,
    "GET /v1/files": 403,
    "GET /v1/files/file-1/content": 404,
    "POST /v1/batches": 403,
    "GET /v1/batches/batch_1": 404,
    "POST /v1/uploads": 403,
}


def clause_of(reply: Reply) -> Json:
    ours = reply.error["x_troth"]
    assert isinstance(ours, dict)
    return ours["clause"]


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_that_needs_state_is_refused(house: House, key: Key, field: str) -> None:
    reply = post(house.address, key.text, {**hello(), field: FIELDS[field]})
    assert (reply.status, reply.error["code"]) == (400, "refused_by_policy")
    assert reply.error["param"] == field
    assert clause_of(reply) == CONTENT_AT_REST


@pytest.mark.parametrize("kind", ["file_search", "code_interpreter", "mcp"])
def test_a_tool_that_needs_state_is_refused(house: House, key: Key, kind: str) -> None:
    reply = post(house.address, key.text, hello(tools=[{"type": kind}]))
    assert (reply.status, reply.error["code"]) == (400, "refused_by_policy")
    assert clause_of(reply) == CONTENT_AT_REST


def test_a_stored_file_is_refused_in_either_dialect(house: House, key: Key) -> None:
    part: Fields = {"type": "file", "file": {"file_id": "file-1"}}
    asked = hello(messages=[{"role": "user", "content": [part]}])
    assert post(house.address, key.text, asked).error["code"] == "refused_by_policy"
    source: Fields = {"type": "file", "file_id": "file-1"}
    document: Fields = {"type": "document", "source": source}
    claude = hello_claude(messages=[{"role": "user", "content": [document]}])
    reply = post(house.address, key.text, claude, "/v1/messages")
    assert reply.status == 400
    assert CONTENT_AT_REST in str(reply.error["message"])


@pytest.mark.parametrize("operation", PATHS)
def test_an_operation_on_kept_content_is_refused(house: House, key: Key, operation: str) -> None:
    method, path = operation.split(" ")
    reply = house.ask(head(path, key.text, "content-length: 0", method=method))
    assert (reply.status, reply.error["code"]) == (PATHS[operation], "refused_by_policy")
    assert clause_of(reply) == CONTENT_AT_REST


def test_a_batch_of_messages_is_refused_in_its_dialect(house: House, key: Key) -> None:
    reply = house.ask(head("/v1/messages/batches", key.text, "content-length: 0"))
    assert (reply.status, reply.error["type"]) == (403, "permission_error")
    assert CONTENT_AT_REST in str(reply.error["message"])


def test_asking_to_store_is_answered_with_not_stored(house: House, key: Key) -> None:
    house.twin.forget()
    whole = post(house.address, key.text, hello(store=True, metadata={"topic": "x"}))
    assert whole.status == 200
    assert whole.fields.get("store", False) is False
    streamed = post(house.address, key.text, hello(store=True, stream=True))
    assert events(streamed)[-1] == "[DONE]"
    for seen in house.twin.seen("twin-chat"):
        assert '"store":true' not in seen.body
        assert "metadata" not in seen.body


def test_nothing_can_be_found_again(house: House, key: Key) -> None:
    answer = post(house.address, key.text, hello()).fields
    found = get(house.address, key.text, f"/v1/chat/completions/{answer['id']}")
    assert found.status == 404
