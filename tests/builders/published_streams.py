"""Streams held against the published documents, event by event and in their order."""

import msgspec
from msgspec import UNSET, UnsetType

from tests.builders.published_shapes import (
    AnthropicError,
    BlockDelta,
    BlockStart,
    BlockStop,
    Chunk,
    ChunkChoice,
    ErrorEnvelope,
    MessageDelta,
    MessageEvent,
    MessageStart,
    MessageStop,
    Ping,
)

DONE = b"data: [DONE]"


def blocks(stream: bytes) -> list[bytes]:
    """Return the events of a stream as they came; comments left out."""
    assert stream.endswith(b"\n\n")
    found = stream.removesuffix(b"\n\n").split(b"\n\n")
    return [block for block in found if not block.startswith(b":")]


def check_chat_stream(stream: bytes, choices: int = 1, *, has_usage: bool) -> None:
    """Hold a chat stream to its document: shapes, one identity, order, its end or its error."""
    *events, last = blocks(stream)
    is_whole = last == DONE
    if not is_whole:
        msgspec.json.decode(last.removeprefix(b"data: "), type=ErrorEnvelope)
    chunks = [msgspec.json.decode(one.removeprefix(b"data: "), type=Chunk) for one in events]
    assert len({(one.id, one.created, one.model) for one in chunks}) <= 1
    told = [one for one in chunks if not one.choices]
    assert len(told) == (is_whole and has_usage)
    assert all(one.usage is (None if has_usage else UNSET) for one in chunks if one.choices)
    if told:
        assert chunks[-1].usage is not UNSET
        assert chunks[-1].usage is not None
    for index in range(choices):
        steps = [step for one in chunks for step in one.choices if step.index == index]
        if is_whole or steps:
            check_choice(steps, is_whole=is_whole)


def check_choice(steps: list[ChunkChoice], *, is_whole: bool) -> None:
    """Hold the steps of one choice to their order: the role first and once, the reason last."""
    roles = [step.delta.role for step in steps]
    assert roles == ["assistant", *[UNSET] * (len(roles) - 1)]
    reasons = [step.finish_reason for step in steps]
    assert reasons[:-1] == [None] * (len(reasons) - 1)
    assert (reasons[-1] is not None) is is_whole or not is_whole
    known: set[int] = set()
    for step in steps:
        for call in step.delta.tool_calls or ():
            if call.index not in known:
                assert call.id is not UNSET
                assert call.type == "function"
                assert not isinstance(call.function, UnsetType)
                assert call.function.name is not UNSET
                known.add(call.index)


def check_message_stream(stream: bytes) -> None:
    """Hold a messages stream to its types: shapes, names, blocks in order, its end or its error."""
    events: list[object] = []
    for block in blocks(stream):
        name, _, data = block.removeprefix(b"event: ").partition(b"\ndata: ")
        if name == b"error":
            events.append(msgspec.json.decode(data, type=AnthropicError))
        else:
            events.append(msgspec.json.decode(data, type=MessageEvent))
            assert msgspec.json.decode(data)["type"] == name.decode()
    said = [one for one in events if not isinstance(one, Ping)]
    assert isinstance(said[0], MessageStart)
    assert [type(one) for one in said].count(MessageStart) == 1
    if isinstance(said[-1], AnthropicError):
        assert not any(isinstance(one, MessageStop) for one in said)
        check_blocks(said[1:-1], is_whole=False)
    else:
        assert isinstance(said[-2], MessageDelta)
        assert isinstance(said[-1], MessageStop)
        check_blocks(said[1:-2], is_whole=True)


def check_blocks(events: list[object], *, is_whole: bool) -> None:
    """Hold blocks to their order: numbered from 0, one open at a time."""
    opened, is_open = 0, False
    for one in events:
        match one:
            case BlockStart():
                assert not is_open
                assert one.index == opened
                is_open = True
            case BlockDelta():
                assert is_open
                assert one.index == opened
            case BlockStop():
                assert is_open
                assert one.index == opened
                opened, is_open = opened + 1, False
            case _:
                raise AssertionError(one)
    assert not (is_whole and is_open)
