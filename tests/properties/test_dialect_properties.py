"""What holds of the dialects for any input: no foreign exception, no cut that looks whole."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders.dialect_world import (
    CHAT_USAGE,
    DONE,
    at,
    chat,
    chunk,
    ended,
    events_of,
    message_stream,
    messages,
    named,
    shown,
)
from troth.catalog.offering import Offering
from troth.gateway.dialects import ANTHROPIC_MESSAGES, OPENAI_CHAT, OPENAI_EMBEDDINGS
from troth.gateway.exchange import Ask, Rendering
from troth.kernel.errors import Refused
from troth.kernel.quantities import NOTHING
from troth.providers import anthropic_dialect, openai_dialect
from troth.providers.conversation import (
    Call,
    Choice,
    Conversation,
    Document,
    Form,
    Image,
    Part,
    Result,
    Text,
    Thinking,
    Tool,
    Turn,
)
from troth.providers.counting import anthropic_quantities, openai_quantities
from troth.providers.forms import with_form_as_tool

many = settings(
    max_examples=2_500, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
few = settings(many, max_examples=500)

NAMES = ["choices", "usage", "error", "delta", "message", "content_block", "index", "type", "id"]
WORDS = st.text(max_size=12)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
CHAT_STREAM = (
    chunk({"role": "assistant", "content": ""}, usage=None)
    + chunk({"content": "hé 🙂"}, usage=None)
    + chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f"}}]}, usage=None)
    + chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}, usage=None)
    + chunk({}, "tool_calls", usage=None)
    + CHAT_USAGE
    + DONE
)
MESSAGE_STREAM = message_stream(
    (
        ({"type": "text", "text": ""}, [{"type": "text_delta", "text": "hé 🙂"}]),
        (
            {"type": "tool_use", "id": "t", "name": "f", "input": {}},
            [{"type": "input_json_delta", "partial_json": "{}"}],
        ),
    ),
    "tool_use",
)
STREAMS = [
    (chat(stream=True), at("openai", exact=True), CHAT_STREAM),
    (chat(stream=True, n=2), at("openai", "vllm"), CHAT_STREAM),
    (messages(stream=True), at("openai", "vllm"), CHAT_STREAM),
    (chat(stream=True), at("anthropic", "anthropic"), MESSAGE_STREAM),
    (messages(stream=True), at("anthropic", "anthropic", exact=True), MESSAGE_STREAM),
    (messages(stream=True), at("anthropic", "anthropic"), MESSAGE_STREAM),
    (chat(), at("openai"), b'{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}'),
    (messages(), at("openai"), b'{"choices":[{"message":{},"finish_reason":"stop"}]}'),
    (chat(), at("anthropic"), b'{"content":[{"type":"text"}],"stop_reason":"end_turn"}'),
    (messages(), at("anthropic"), b'{"content":[{"type":"text"}],"stop_reason":"end_turn"}'),
    (
        OPENAI_EMBEDDINGS.read(b'{"model":"m","input":"a","encoding_format":"base64"}'),
        at("openai"),
        b'{"data":[{"embedding":[1.5]}],"usage":{"prompt_tokens":1}}',
    ),
]
WHOLE_STREAMS = [STREAMS[0], *STREAMS[2:6]]
BODIES = [
    b'{"model":"m","messages":[{"role":"user","content":"a"}],"max_tokens":5,"stream":true}',
    (
        b'{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"text",'
        b'"text":"a"},{"type":"image","source":{"type":"base64","media_type":"a","data":"b"}}]},'
        b'{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"b","input":{"c":1}}]}],'
        b'"tools":[{"name":"b","input_schema":{}}],"thinking":{"type":"disabled"}}'
    ),
    (
        b'{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"function",'
        b'"function":{"name":"b","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":'
        b'[{"type":"text","text":"c"}]}],"tools":[{"type":"function","function":{"name":"b"}}],'
        b'"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{}}},"n":2}'
    ),
    b'{"model":"m","input":["a",[1,2]],"dimensions":4,"encoding_format":"base64"}',
]


def fed(ask: Ask, offered: Offering, data: bytes, cuts: Sequence[int]) -> tuple[Rendering, bytes]:
    """Feed bytes in pieces; return the rendering and what the client got."""
    answer = shown(ask, offered)
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    out = b""
    for begin, end in zip([0, *places], [*places, len(data)], strict=True):
        out += answer.piece(data[begin:end])
    return answer, out


CUTS = st.lists(st.integers(0, 10_000), max_size=6)


@many
@given(st.sampled_from(STREAMS), st.data(), CUTS)
def test_garbage_at_any_split_is_a_failure_and_never_an_exception(
    stream: tuple[Ask, Offering, bytes], data: st.DataObject, cuts: list[int]
) -> None:
    ask, offered, good = stream
    begin = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(begin, len(good)))
    middle = data.draw(
        st.binary(max_size=40)
        | WORDS.map(str.encode)
        | VALUES.map(lambda value: b"data: " + msgspec.json.encode(value) + b"\n\n")
    )
    answer, _ = fed(ask, offered, good[:begin] + middle + good[end:], cuts)
    if not answer.ended():
        assert answer.failure is not None
        assert b"[DONE]" not in answer.broken(answer.failure)
        assert b"message_stop" not in answer.broken(answer.failure)


@many
@given(st.sampled_from(STREAMS), st.dictionaries(WORDS, VALUES, max_size=3), st.data())
def test_events_with_foreign_values_never_raise(
    stream: tuple[Ask, Offering, bytes], extra: dict[str, object], data: st.DataObject
) -> None:
    ask, offered, _ = stream
    name = data.draw(
        st.sampled_from(
            [
                "choices",
                "usage",
                "error",
                "delta",
                "message",
                "content_block",
                "index",
                "type",
                "id",
            ]
        )
    )
    value = data.draw(VALUES)
    choice = {"index": 0, "delta": {"content": "a"}, name: value}
    answer = shown(ask, offered)
    kind = data.draw(st.sampled_from(["message_start", "content_block_start", "message_delta"]))
    answer.piece(chunk({"content": "a"}) + named({"type": kind, **extra, name: value}))
    answer.piece(b"data: " + msgspec.json.encode({"choices": [choice], **extra}) + b"\n\n")
    if not answer.ended():
        assert answer.failure is not None


@many
@given(st.sampled_from(WHOLE_STREAMS), CUTS)
def test_a_stream_is_the_same_at_any_split(
    stream: tuple[Ask, Offering, bytes], cuts: list[int]
) -> None:
    ask, offered, good = stream
    answer, out = fed(ask, offered, good, cuts)
    plain = shown(ask, offered)
    assert out == plain.piece(good)
    assert answer.ended()
    assert plain.ended()
    assert answer.reported == plain.reported is not None
    assert answer.delivered_bytes == plain.delivered_bytes


@many
@given(st.sampled_from(WHOLE_STREAMS), st.integers(0, 10_000))
def test_what_was_cut_before_its_reason_never_looks_whole(
    stream: tuple[Ask, Offering, bytes], place: int
) -> None:
    ask, offered, good = stream
    reason = b'"finish_reason":"' if offered.upstream.dialect == "openai" else b'"message_delta"'
    answer, out = fed(ask, offered, good[: place % good.index(reason)], [])
    assert not answer.ended()
    assert b"[DONE]" not in out
    assert b"message_stop" not in out


@many
@given(st.sampled_from(BODIES), st.data())
def test_mutated_bodies_raise_nothing_but_our_refusals(body: bytes, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(begin, min(len(body), begin + 20)))
    new = data.draw(
        st.binary(max_size=12)
        | st.sampled_from([b"null", b"5", b"[]", b"{}", b'"a"', b"1e999", b"true", b"-1"])
    )
    mutated = body[:begin] + new + body[end:]
    for dialect in (OPENAI_CHAT, OPENAI_EMBEDDINGS, ANTHROPIC_MESSAGES):
        with suppress(Refused):
            dialect.read(mutated)


@many
@given(st.sampled_from(BODIES), st.data(), VALUES)
def test_foreign_values_in_bodies_raise_nothing_but_our_refusals(
    body: bytes, data: st.DataObject, value: object
) -> None:
    fields = msgspec.json.decode(body)
    spot = fields
    for _ in range(data.draw(st.integers(0, 6))):
        keys = [*spot] if isinstance(spot, dict) else [*range(len(spot))]
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if not isinstance(spot[key], dict | list):
            spot[key] = value
            break
        spot = spot[key]
    else:
        if isinstance(spot, dict):
            spot[data.draw(WORDS)] = value
    try:
        written = msgspec.json.encode(fields)
    except UnicodeEncodeError:
        return
    for dialect in (OPENAI_CHAT, OPENAI_EMBEDDINGS, ANTHROPIC_MESSAGES):
        try:
            ask = dialect.read(written)
        except Refused:
            continue
        assert ask.size.text_bytes <= len(written)


@few
@given(VALUES, st.booleans())
def test_no_usage_is_a_credit_or_a_drain(value: object, inside: bool) -> None:  # noqa: FBT001
    try:
        usage = msgspec.json.encode(value)
    except UnicodeEncodeError:
        return
    for used in (openai_quantities(usage, reasoning_inside=inside), anthropic_quantities(usage)):
        if used is not None:
            assert all(getattr(used, name) >= 0 for name in used.__struct_fields__)


IDS = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)
FILLED = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
MARKS = st.sampled_from([None, {"type": "ephemeral"}])
TEXTS = st.builds(Text, FILLED, MARKS)
IMAGES = st.builds(Image, st.just("image/png"), st.just("AA=="), cache=MARKS) | st.builds(
    Image, url=st.just("https://a.example/b.png"), cache=MARKS
)
DOCUMENTS = st.builds(Document, st.just("application/pdf"), st.just("AA=="), FILLED, MARKS)
OBJECTS = st.dictionaries(FILLED, st.integers(0, 9) | FILLED, max_size=2)
CALLS = st.builds(Call, IDS, IDS, OBJECTS.map(lambda value: msgspec.json.encode(value).decode()))
# Images of tools are no part of what both can say: one of them has tools answer in text.
RESULTS = st.builds(Result, IDS, st.lists(TEXTS, max_size=2).map(tuple), cache=MARKS)
THOUGHTS = st.builds(Thinking, FILLED, FILLED) | st.builds(Thinking, redacted=FILLED)


def parts(*kinds: st.SearchStrategy[Part]) -> st.SearchStrategy[tuple[Part, ...]]:
    """Return parts in the order in which both dialects say them: kind after kind."""
    lists = [st.lists(kind, max_size=2) for kind in kinds]
    return st.tuples(*lists).map(lambda found: tuple(part for some in found for part in some))


def alternating(pairs: list[tuple[tuple[Part, ...], tuple[Part, ...]]]) -> tuple[Turn, ...]:
    """Return turns of user and assistant in turn, none of them empty."""
    turns: list[Turn] = []
    for asked, answered in pairs:
        if asked and answered:
            turns += (Turn("user", asked), Turn("assistant", answered))
    return tuple(turns)


TURNS = st.lists(
    st.tuples(parts(RESULTS, TEXTS | IMAGES | DOCUMENTS), parts(THOUGHTS, TEXTS, CALLS)), max_size=3
).map(alternating)
TOOLS = st.builds(
    Tool, IDS, st.none() | FILLED, st.just({"type": "object"}), st.none() | st.booleans(), MARKS
)
CONVERSATIONS = st.builds(
    Conversation,
    system=st.lists(TEXTS, max_size=2).map(tuple),
    turns=TURNS,
    tools=st.lists(TOOLS, min_size=1, max_size=2).map(tuple),
    choice=st.sampled_from([Choice("auto"), Choice("any"), Choice("tool", "f")]),
    is_parallel=st.none() | st.booleans(),
    top_p=st.none() | st.floats(0, 1),
    top_k=st.none() | st.integers(0, 99),
    stop=st.lists(FILLED, max_size=4).map(tuple),
    form=st.none() | st.just(Form({"type": "object"})),
    effort=st.sampled_from([None, "low", "medium", "high"]),
)


@few
@given(CONVERSATIONS)
def test_a_conversation_survives_both_dialects(said: Conversation) -> None:
    as_chat = openai_dialect.fields_from(said)
    as_messages = anthropic_dialect.fields_from(said, 99_999)
    assert openai_dialect.conversation_of(as_chat) == said
    assert anthropic_dialect.conversation_of(as_messages) == said
    there = anthropic_dialect.fields_from(openai_dialect.conversation_of(as_chat), 99_999)
    assert openai_dialect.fields_from(anthropic_dialect.conversation_of(there)) == as_chat


@few
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), OBJECTS, st.booleans())
def test_streamed_and_buffered_translations_say_the_same(
    words: str,
    arguments: dict[str, object],
    has_call: bool,  # noqa: FBT001
) -> None:
    written = msgspec.json.encode(arguments).decode()
    stop = "tool_use" if has_call else "end_turn"
    blocks: list[dict[str, object]] = [{"type": "text", "text": words}]
    pieces = [({"type": "text", "text": ""}, [{"type": "text_delta", "text": words}])]
    if has_call:
        call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
        blocks.append({**call, "input": arguments})
        pieces.append((call, [{"type": "input_json_delta", "partial_json": written}]))  # type: ignore[arg-type]
    offered = at("anthropic", "anthropic")
    stream = events_of(ended(shown(chat(stream=True), offered), message_stream(pieces, stop)))
    deltas = [one["choices"][0] for one in stream]  # type: ignore[index]
    whole = shown(chat(), offered)
    whole.piece(msgspec.json.encode({"content": blocks, "stop_reason": stop}))
    assert whole.ended()
    choice = msgspec.json.decode(whole.whole(0, NOTHING))["choices"][0]
    assert deltas[-1]["finish_reason"] == choice["finish_reason"]
    said = "".join(one["delta"].get("content") or "" for one in deltas)
    assert said == (choice["message"]["content"] or "")
    spoken = "".join(
        call["function"].get("arguments", "")
        for one in deltas
        for call in one["delta"].get("tool_calls", [])
    )
    calls = choice["message"].get("tool_calls", [])
    assert spoken == "".join(call["function"]["arguments"] for call in calls)


NO_FIELD = msgspec.structs.replace(
    at("anthropic", "anthropic"),
    model=msgspec.structs.replace(at("anthropic").model, features=frozenset({"tools"})),
)
FORM = {"type": "json_object"}


@few
@given(CONVERSATIONS)
def test_a_form_as_a_tool_changes_nothing_else_of_what_is_said(said: Conversation) -> None:
    forced = with_form_as_tool(said)
    fields = anthropic_dialect.fields_from(forced, 99_999)
    assert anthropic_dialect.conversation_of(fields) == forced
    if said.form is None:
        assert forced == said
        return
    [tool] = forced.tools
    assert (tool.schema, tool.name, forced.form) == (said.form.schema, said.form.name, None)
    assert forced.choice == Choice("tool", tool.name)
    assert (forced.system, forced.turns, forced.stop) == (said.system, said.turns, said.stop)


@few
@given(OBJECTS, st.text(st.characters(exclude_categories=["Cs"]), max_size=9), CUTS)
def test_a_form_that_was_called_for_is_the_same_streamed_and_whole(
    answer: dict[str, object], beside: str, cuts: list[int]
) -> None:
    written = msgspec.json.encode(answer).decode()
    at_all = sorted({0, len(written), *(cut % (len(written) + 1) for cut in cuts)})
    deltas = [
        {"type": "input_json_delta", "partial_json": written[begin:end]}
        for begin, end in pairwise(at_all)
    ]
    call = {"type": "tool_use", "id": "t", "name": "answer", "input": {}}
    words: dict[str, object] = {"type": "text", "text": beside}
    data = message_stream([(words, []), (call, deltas)], "tool_use")
    asked = chat(stream=True, response_format=FORM)
    stream = events_of(ended(shown(asked, NO_FIELD), data))
    steps = [one["choices"][0] for one in stream]  # type: ignore[index]
    whole = shown(chat(response_format=FORM), NO_FIELD)
    blocks = [words, {**call, "input": answer}]
    whole.piece(msgspec.json.encode({"content": blocks, "stop_reason": "tool_use"}))
    assert whole.ended()
    choice = msgspec.json.decode(whole.whole(0, NOTHING))["choices"][0]
    said = "".join(one["delta"].get("content") or "" for one in steps)
    assert said == choice["message"]["content"] == written
    assert steps[-1]["finish_reason"] == choice["finish_reason"] == "stop"
