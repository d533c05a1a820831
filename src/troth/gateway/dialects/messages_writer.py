"""Writes the events of a messages stream as the published types have them.

Blocks never interleave and are numbered from 0. The end waits for the cost: `message_delta` with
the true usage and `message_stop` are written together.
"""

from typing import Final

import msgspec

from troth.gateway.dialects.envelopes import anthropic_broken
from troth.gateway.dialects.messages_shapes import BlockOut
from troth.gateway.dialects.usage_objects import anthropic_delta_usage, anthropic_usage
from troth.kernel.quantities import Quantities

PING: Final = b'event: ping\ndata: {"type":"ping"}\n\n'

_DELTA: Final = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":'
_STOP: Final = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

_encode: Final = msgspec.json.Encoder().encode
broken: Final = anthropic_broken


def start(answer_id: str, model: str, known: Quantities | None) -> bytes:
    """Return `message_start`; the input's tokens are there if the upstream told them already."""
    return (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":%b,"type":"message",'
        b'"role":"assistant","model":%b,"content":[],"stop_reason":null,"stop_sequence":null,'
        b'"stop_details":null,"container":null,"usage":%b}}\n\n'
    ) % (_encode(answer_id), _encode(model), anthropic_usage(known))


def block_start(index: int, block: BlockOut) -> bytes:
    """Return the event that begins a block."""
    return (
        b'event: content_block_start\ndata: {"type":"content_block_start","index":%d,'
        b'"content_block":%b}\n\n'
    ) % (index, _encode(block))


def text(index: int, piece: str) -> bytes:
    """Return a piece of text."""
    return b'%b%d,"delta":{"type":"text_delta","text":%b}}\n\n' % (_DELTA, index, _encode(piece))


def around_text(index: int) -> tuple[bytes, bytes]:
    """Return what is around the content of a piece of text, between its quotes."""
    return b'%b%d,"delta":{"type":"text_delta","text":"' % (_DELTA, index), b'"}}\n\n'


def arguments(index: int, piece: str) -> bytes:
    """Return a piece of a tool call's arguments."""
    return b'%b%d,"delta":{"type":"input_json_delta","partial_json":%b}}\n\n' % (
        _DELTA,
        index,
        _encode(piece),
    )


def thinking(index: int, piece: str) -> bytes:
    """Return a piece of thinking."""
    return b'%b%d,"delta":{"type":"thinking_delta","thinking":%b}}\n\n' % (
        _DELTA,
        index,
        _encode(piece),
    )


def signature(index: int, piece: str) -> bytes:
    """Return the signature of thinking."""
    return b'%b%d,"delta":{"type":"signature_delta","signature":%b}}\n\n' % (
        _DELTA,
        index,
        _encode(piece),
    )


def block_stop(index: int) -> bytes:
    """Return the event that ends a block."""
    return b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n' % index


def end(stop_reason: str, stop_sequence: str | None, used: Quantities) -> bytes:
    """Return the two events that end a message."""
    return (
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":%b,'
        b'"stop_sequence":%b,"stop_details":null,"container":null},"usage":%b}\n\n%b'
    ) % (_encode(stop_reason), _encode(stop_sequence), anthropic_delta_usage(used), _STOP)


def whole(
    names: tuple[str, str], blocks: list[BlockOut], reason: tuple[str, str | None], used: Quantities
) -> bytes:
    """Return a buffered message: `names` are its id and model, `reason` why it stopped."""
    answer_id, model = names
    stop_reason, stop_sequence = reason
    return (
        b'{"id":%b,"type":"message","role":"assistant","model":%b,"content":%b,"stop_reason":%b,'
        b'"stop_sequence":%b,"stop_details":null,"container":null,"usage":%b}'
    ) % (
        _encode(answer_id),
        _encode(model),
        _encode(blocks),
        _encode(stop_reason),
        _encode(stop_sequence),
        anthropic_usage(used),
    )
