import msgspec

from tests.builders.dialect_world import (
    at,
    chat,
    chunk,
    ended,
    event,
    message_stream,
    messages,
    named,
    shown,
)
from troth.catalog.price import PriceLine
from troth.gateway.dialects import OPENAI_EMBEDDINGS, model_body, unsupported
from troth.gateway.dialects.messages_reader import MessagesReader
from troth.gateway.dialects.progress import Progress
from troth.kernel.quantities import NOTHING
from troth.wire.events import Event

TEXT = {"type": "text", "text": ""}


def test_the_neutral_half_of_a_rendering_says_nothing() -> None:
    plain = Progress()
    assert plain.piece(b"x") == b""
    assert plain.ended()
    assert plain.whole(1, NOTHING) == b""
    reader = MessagesReader()
    assert reader.piece(message_stream([(TEXT, [])], "end_turn")) == b""
    assert reader.ended()
    assert Event(b"", b"").data == b""


def test_the_first_failure_stays() -> None:
    plain = Progress()
    plain.fail()
    first = plain.failure
    plain.delivered_bytes = 5
    plain.fail()
    assert plain.failure is first


def test_an_unknown_end_of_an_exact_stream_is_written_anew() -> None:
    answer = shown(chat(stream=True), at("openai", exact=True))
    assert b'"finish_reason":"stop"' in ended(answer, chunk({"content": "a"}) + chunk({}, "odd"))


def test_a_count_without_a_reason_does_not_end_a_message() -> None:
    counted = named({"type": "message_delta", "usage": {"output_tokens": 3}})
    data = message_stream([(TEXT, [])], "end_turn")
    answer = shown(messages(stream=True), at("anthropic", "anthropic"))
    place = data.index(b"event: message_delta")
    ended(answer, data[:place] + counted + data[place:])
    short = shown(messages(stream=True), at("anthropic", "anthropic"))
    short.piece(data[:place] + counted)
    assert not short.ended()


def test_a_message_without_usage_is_a_message() -> None:
    answer = shown(messages(), at("anthropic", "anthropic"))
    answer.piece(b'{"content":[],"stop_reason":"end_turn"}')
    assert answer.ended()
    assert answer.reported is None


def test_a_lone_answer_of_several_choices_is_counted_once_each() -> None:
    answer = shown(chat(stream=True), at("openai", "vllm"))
    answer.piece(event({"choices": [{"index": 0, "delta": None}, {"index": 0}]}))
    assert answer.delivered_bytes == 0


def test_embeddings_are_never_translated() -> None:
    ask = OPENAI_EMBEDDINGS.read(b'{"model":"m","input":"a"}')
    assert unsupported(ask, at("openai")) is None


def test_a_model_of_text_alone_says_so() -> None:
    offered = at("openai")
    model = msgspec.structs.replace(offered.model, features=frozenset())
    lines = (*offered.sale.lines, PriceLine("audio_ms", 1))
    sale = msgspec.structs.replace(offered.sale, lines=lines)
    found = msgspec.json.decode(
        model_body("openai", [msgspec.structs.replace(offered, model=model, sale=sale)])
    )
    assert found["architecture"]["input_modalities"] == ["text"]
    assert found["pricing"].keys() == {"prompt", "completion"}
