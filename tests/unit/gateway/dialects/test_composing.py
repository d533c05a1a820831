import msgspec
import pytest

from tests.builders.dialect_world import at, chat, messages, outlet
from troth.catalog.offering import Offering
from troth.gateway.dialects import OPENAI_EMBEDDINGS, compose, dropped, unsupported
from troth.gateway.exchange import Ask
from troth.providers.openai_fields import changes, without_cache_marks

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def sent(ask: Ask, offered: Offering, max_tokens: int | None = 5) -> dict[str, object]:
    """Return the body of the composed request, read back."""
    made = compose(ask, outlet(offered), max_tokens)
    body = b"".join(made.body)
    assert f"content-length: {len(body)}\r\n".encode() in made.head
    found: dict[str, object] = msgspec.json.decode(body)
    assert msgspec.json.encode(found) == body
    return found


def head(ask: Ask, offered: Offering, credential: str = "sk-up") -> bytes:
    return compose(ask, outlet(offered, credential), 5).head


def test_the_head_is_ours_alone() -> None:
    assert head(chat(), at("openai")).startswith(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: api.example.com\r\n"
        b"authorization: Bearer sk-up\r\ncontent-type: application/json\r\n"
        b"accept-encoding: identity\r\nuser-agent: troth\r\ncontent-length: "
    )
    anthropic = head(messages(), at("anthropic", "anthropic"))
    assert anthropic.startswith(b"POST /v1/messages HTTP/1.1\r\n")
    assert b"x-api-key: sk-up\r\nanthropic-version: 2023-06-01\r\n" in anthropic
    assert b"authorization" not in anthropic


def test_an_upstream_without_a_credential_gets_none() -> None:
    assert b"authorization" not in head(chat(), at("openai"), "")
    assert b"x-api-key" not in head(chat(), at("anthropic"), "")


def test_a_port_that_is_not_the_scheme_s_own_is_named() -> None:
    offered = at("openai")
    upstream = msgspec.structs.replace(offered.upstream, scheme="http", port=8000)
    assert b"host: api.example.com:8000\r\n" in head(
        chat(), msgspec.structs.replace(offered, upstream=upstream)
    )


def test_the_fields_go_as_they_came_under_the_upstream_s_name() -> None:
    ask = chat(temperature=0.5, stop="x", stream=True, max_tokens=99, user="u", metadata={})
    assert sent(ask, at("openai")) == {
        "model": "up/m",
        "messages": [{"role": "user", "content": "hello"}],
        "temperature": 0.5,
        "stop": "x",
        "max_completion_tokens": 5,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert sent(chat(), at("openai", "vllm"), None).keys() == {"model", "messages"}


def test_a_large_body_stays_in_parts() -> None:
    ask = chat(messages=[{"role": "user", "content": "x" * 20_000}])
    made = compose(ask, outlet(at("openai")), None)
    assert len(made.body) > 1


def test_deviations_are_undone() -> None:
    turns = [
        {"role": "developer", "content": "d", "name": "n"},
        {"role": "assistant", "content": "a", "reasoning_content": "r"},
        {"role": "user", "content": "u"},
    ]
    groq = sent(chat(messages=turns, temperature=0), at("openai", "groq"))
    assert groq["temperature"] == 1e-8
    assert groq["messages"] == [
        {"role": "developer", "content": "d"},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "u"},
    ]
    plain = sent(chat(messages=turns), at("openai", "somebody"))
    assert plain["messages"] == [
        {"role": "system", "content": "d", "name": "n"},
        *turns[1:],
    ]


def test_cache_marks_go_to_those_who_know_them() -> None:
    part = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    ask = chat(messages=[{"role": "user", "content": [part]}, {"role": "user", "content": "b"}])
    assert b"cache_control" in msgspec.json.encode(sent(ask, at("openai", "openrouter")))
    assert b"cache_control" not in msgspec.json.encode(sent(ask, at("openai")))


def test_hints_are_left_out_and_told() -> None:
    ask = chat(verbosity="low", service_tier="auto", top_k=3, min_p=0.1, tool_choice="auto", seed=1)
    ollama = msgspec.structs.replace(at("openai", "ollama"), extra_fields=frozenset({"min_p"}))
    assert dropped(ask, ollama) == ("service_tier", "tool_choice", "top_k", "verbosity")
    assert sent(ask, ollama).keys() == {"model", "messages", "min_p", "seed", "max_tokens"}
    assert dropped(ask, at("openai")) == ("min_p", "top_k")
    many = messages(stop_sequences=["a"])
    assert unsupported(many, at("openai")) is None


@pytest.mark.parametrize(
    ("fields", "offered", "param"),
    [
        ({"logprobs": True}, at("openai", "groq"), "logprobs"),
        ({"n": 2}, at("openai", "ollama"), "n"),
        ({"n": 2}, at("anthropic"), "n"),
        ({"tool_choice": "required", "tools": [TOOL]}, at("openai", "ollama"), "tool_choice"),
        ({"tools": [{"type": "custom", "custom": {"name": "g"}}]}, at("anthropic"), "tools"),
        ({"functions": [{"name": "f"}]}, at("anthropic"), "functions"),
        (
            {"tools": [TOOL]},
            msgspec.structs.replace(at("openai"), lacks=frozenset({"tools"})),
            "tools",
        ),
    ],
)
def test_what_changes_the_answer_is_refused(
    fields: dict[str, object], offered: Offering, param: str
) -> None:
    assert unsupported(chat(**fields), offered) == param


def test_pictures_by_address_are_refused_where_nobody_fetches_them() -> None:
    data = "data:image/png;base64,AA=="
    named = {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}}
    held = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}}
    for url, part, param in (("https://a.example/b.png", named, "messages"), (data, held, None)):
        picture = {"type": "image_url", "image_url": {"url": url}}
        result = {"type": "tool_result", "tool_use_id": "t", "content": [part]}
        asks = [chat(messages=[{"role": "user", "content": [picture]}])]
        asks += [messages(messages=[{"role": "user", "content": [one]}]) for one in (part, result)]
        for ask in asks:
            assert unsupported(ask, at("openai", "ollama")) == param
            assert unsupported(ask, at("openai", "vllm")) is None


def test_what_a_model_lacks_is_named_as_the_caller_named_it() -> None:
    plain = msgspec.structs.replace(at("openai").model, features=frozenset({"tools"}))
    offered = msgspec.structs.replace(at("openai"), model=plain)
    wanted = {"type": "json_schema", "schema": {}}
    assert unsupported(messages(output_config={"format": wanted}), offered) == "output_config"
    assert unsupported(chat(logprobs=True), offered) == "logprobs"
    assert unsupported(chat(tools=[TOOL]), offered) is None


def test_what_only_anthropic_knows_is_refused_elsewhere() -> None:
    for fields, param in (
        ({"stop_sequences": ["a"] * 5}, "stop_sequences"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools"),
    ):
        ask = messages(**fields)
        assert unsupported(ask, at("openai")) == param
        assert unsupported(ask, at("anthropic", "anthropic")) is None
        assert param in sent(ask, at("anthropic", "anthropic"))


def test_a_messages_request_goes_as_it_came_to_its_own_dialect() -> None:
    ask = messages(system="s", stream=True, top_k=3, max_tokens=99, metadata={"user_id": "u"})
    assert sent(ask, at("anthropic", "anthropic")) == {
        "model": "up/m",
        "messages": [{"role": "user", "content": "hello"}],
        "system": "s",
        "top_k": 3,
        "max_tokens": 5,
        "stream": True,
    }
    assert dropped(ask, at("anthropic", "anthropic")) == ()
    assert sent(messages(max_tokens=99), at("anthropic"), None)["max_tokens"] == 99


def test_a_chat_request_becomes_a_messages_request() -> None:
    ask = chat(
        messages=[
            {"role": "system", "content": "s"},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a"}}]},
        ],
        stream=True,
        seed=1,
    )
    assert sent(ask, at("anthropic")) == {
        "model": "up/m",
        "messages": [
            {
                "role": "user",
                "content": [{"type": "image", "source": {"type": "url", "url": "https://a"}}],
            }
        ],
        "system": "s",
        "max_tokens": 5,
        "stream": True,
    }
    assert dropped(ask, at("anthropic")) == ("seed",)


def test_a_chat_request_without_a_limit_gets_the_model_s() -> None:
    assert sent(chat(), at("anthropic"), None)["max_tokens"] == 1_024


def test_a_messages_request_becomes_a_chat_request() -> None:
    ask = messages(system="s", stream=True, temperature=0.5, speed="standard")
    assert sent(ask, at("openai", "llamacpp")) == {
        "model": "up/m",
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "hello"},
        ],
        "temperature": 0.5,
        "max_tokens": 5,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert dropped(ask, at("openai")) == ("speed",)


def test_embeddings_ask_for_base64_where_it_is_known() -> None:
    ask = OPENAI_EMBEDDINGS.read(b'{"model":"m","input":"a","encoding_format":"base64"}')
    assert sent(ask, at("openai"))["encoding_format"] == "base64"
    assert sent(ask, at("openai", "deepinfra"))["encoding_format"] == "float"
    plain = OPENAI_EMBEDDINGS.read(b'{"model":"m","input":"a","dimensions":3}')
    assert sent(plain, at("openai")) == {
        "model": "up/m",
        "input": "a",
        "dimensions": 3,
        "encoding_format": "float",
    }
    assert head(ask, at("openai")).startswith(b"POST /v1/embeddings ")
    assert dropped(ask, at("openai")) == ()


def test_turns_that_fit_are_sent_as_they_are() -> None:
    turns = [{"role": "user", "content": "a", "name": "n"}]
    assert sent(chat(messages=turns), at("openai"))["messages"] == turns


def test_marks_of_strings_are_left_out_with_the_parts_untouched() -> None:
    odd = without_cache_marks(5)
    assert odd == 5
    assert changes({}, at("openai"), has_cache_marks=True) == {}


def test_a_choice_of_a_custom_tool_cannot_be_said_in_messages() -> None:
    ask = chat(tools=[TOOL], tool_choice={"type": "custom", "custom": {"name": "f"}})
    assert unsupported(ask, at("anthropic", "anthropic")) == "tool_choice"
    assert unsupported(ask, at("openai")) is None


def test_cache_marks_of_tools_go_where_caches_are_marked() -> None:
    mark = {"type": "ephemeral"}

    def marks(ask: Ask, offered: Offering) -> list[bool]:
        tools = msgspec.convert(sent(ask, offered)["tools"], list[dict[str, object]])
        return ["cache_control" in tool for tool in tools]

    asked = chat(tools=[{**TOOL, "cache_control": mark}])
    said = messages(tools=[{"name": "f", "input_schema": {}, "cache_control": mark}])
    for ask in (asked, said):
        assert marks(ask, at("anthropic", "anthropic")) == [True]
        assert marks(ask, at("openai", "openrouter")) == [True]
        assert marks(ask, at("openai")) == [False]


def test_a_system_turn_goes_on_as_it_is_or_joins_the_system_s_words() -> None:
    hello, brief = {"role": "user", "content": "hello"}, {"role": "system", "content": "be brief"}
    ask = messages(system="be kind", messages=[hello, brief])
    assert sent(ask, at("anthropic", "anthropic"))["messages"] == [hello, brief]
    there = msgspec.convert(sent(ask, at("openai"))["messages"], list[dict[str, object]])
    assert [(one["role"], one["content"]) for one in there] == [
        ("system", "be kind"),
        ("system", "be brief"),
        ("user", "hello"),
    ]
