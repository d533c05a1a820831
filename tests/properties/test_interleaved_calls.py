"""Tool calls whose pieces come in any order reach the other dialect whole, one block at a time."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders.dialect_world import at, chat, chunk, ended, events_of, message_stream, messages
from tests.builders.dialect_world import shown as rendering_of

PIECES = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(['{"a"', ":", "1", "}", "é"])), max_size=14
)


def stream_of(pieces: list[tuple[int, str]]) -> tuple[bytes, list[str]]:
    """Return a chat stream of the pieces, each of a call, and the arguments of all calls."""
    numbers: dict[int, int] = {}
    wanted: list[str] = []
    stream = b""
    for call, piece in pieces:
        told: dict[str, object] = {"function": {"arguments": piece}}
        if call not in numbers:
            numbers[call] = len(wanted)
            wanted.append("")
            named = {"name": "f", "arguments": piece}
            told = {"id": f"id_{numbers[call]}", "type": "function", "function": named}
        wanted[numbers[call]] += piece
        stream += chunk({"tool_calls": [told | {"index": numbers[call]}]})
    return stream + chunk({}, "tool_calls" if wanted else "stop"), wanted


def blocks_of(events: list[dict[str, object]]) -> list[tuple[object, str]]:
    """Return what began each block and its text; no block may begin within another."""
    blocks: list[tuple[object, str]] = []
    is_open = False
    for event in events:
        match event:
            case {"type": "content_block_start", "index": index, "content_block": block}:
                assert (is_open, index) == (False, len(blocks))
                is_open = True
                blocks.append((block, ""))
            case {"type": "content_block_delta", "index": index, "delta": {**delta}}:
                assert (is_open, index) == (True, len(blocks) - 1)
                block, said = blocks[-1]
                blocks[-1] = (block, said + str(delta.get("partial_json", delta.get("text"))))
            case {"type": "content_block_stop", "index": index}:
                assert (is_open, index) == (True, len(blocks) - 1)
                is_open = False
            case _:
                pass
    assert not is_open
    return blocks


@settings(deadline=None, max_examples=150)
@given(pieces=PIECES, words=st.booleans())
def test_interleaved_pieces_of_calls_become_blocks_one_after_the_other(
    pieces: list[tuple[int, str]], *, words: bool
) -> None:
    stream, wanted = stream_of(pieces)
    begin = chunk({"role": "assistant", "content": "first" if words else ""})
    answer = rendering_of(messages(stream=True), at("openai"))
    blocks = blocks_of(events_of(ended(answer, begin + stream)))
    texts = [said for block, said in blocks if isinstance(block, dict) and block["type"] == "text"]
    assert texts == ["first"] * words
    calls = blocks[len(texts) :]
    assert [said for _, said in calls] == wanted
    for number, (block, _) in enumerate(calls):
        assert isinstance(block, dict)
        assert (block["type"], block["id"]) == ("tool_use", f"id_{number}")


def test_blocks_that_nobody_asked_for_add_nothing_to_the_calls_beside_them() -> None:
    def call(number: int) -> tuple[object, list[object]]:
        block = {"type": "tool_use", "id": f"id_{number}", "name": "f", "input": {}}
        return block, [{"type": "input_json_delta", "partial_json": f'{{"n":{number}}}'}]

    foreign = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    hosted: tuple[object, list[object]] = (
        foreign,
        [{"type": "input_json_delta", "partial_json": '{"query":"x"}'}],
    )
    stream = message_stream([hosted, call(0), hosted, call(1), hosted], "tool_use")
    answer = rendering_of(chat(stream=True), at("anthropic", "anthropic"))
    said: dict[object, str] = {}
    for event in events_of(ended(answer, stream)):
        choices = event["choices"]
        assert isinstance(choices, list)
        for choice in choices:
            for piece in choice["delta"].get("tool_calls", ()):
                at_call = piece["index"]
                said[at_call] = said.get(at_call, "") + piece["function"]["arguments"]
    assert said == {0: '{"n":0}', 1: '{"n":1}'}
