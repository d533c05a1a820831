"""The mock upstream on uvloop: chat, messages and embeddings, buffered and streamed."""

import argparse
import asyncio
import re
import socket
import sys
import time
from typing import cast

import uvloop
from typing_extensions import override

MARK = re.compile(rb"troth-bench ((?:\w+=\d+ ?)+)")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
TEXT = b"The bench answers with a text of common length so that copies cost what they cost. " * 6
USAGE = b'{"prompt_tokens":212,"completion_tokens":146,"total_tokens":358}'
TOP = b'"created":1790000000,"model":"bench-model"'
CHUNK = b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk",%b,' % TOP
CHOICE = CHUNK + b'"choices":[{"index":0,"delta":%b,"logprobs":null,"finish_reason":%b}]}\n\n'
MESSAGE = (
    b'{"id":"msg_bench","type":"message","role":"assistant","model":"bench-model","content":%b,'
    b'"stop_reason":%b,"stop_sequence":null,"usage":{"input_tokens":212,"output_tokens":%d}}'
)
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


def _named(name: bytes, inner: bytes) -> bytes:
    return b'event: %b\ndata: {"type":"%b"%b}\n\n' % (name, name, inner)


def _whole(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


def _chunked(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def _buffered(path: bytes) -> bytes:
    text = TEXT + b"troth-bench-answer"
    if path.endswith(b"/messages"):
        return _whole(MESSAGE % (b'[{"type":"text","text":"%b"}]' % text, b'"end_turn"', 146))
    if path.endswith(b"/embeddings"):
        vector = b",".join([b"0.0125,-0.0375"] * 32)
        item = b'{"object":"embedding","index":0,"embedding":[%b]}' % vector
        usage = b'{"prompt_tokens":212,"total_tokens":212}'
        body = b'{"object":"list","data":[%b],"model":"bench-model","usage":%b}' % (item, usage)
        return _whole(body)
    message = b'{"role":"assistant","content":"%b","refusal":null}' % text
    choice = b'{"index":0,"message":%b,"logprobs":null,"finish_reason":"stop"}' % message
    form = b'{"id":"chatcmpl-bench","object":"chat.completion",%b,"choices":[%b],"usage":%b}'
    return _whole(form % (TOP, choice, USAGE))


def _opening(*, is_messages: bool) -> bytes:
    if not is_messages:
        return CHOICE % (b'{"role":"assistant","content":""}', b"null")
    block = b',"index":0,"content_block":{"type":"text","text":""}'
    start = b',"message":' + MESSAGE % (b"[]", b"null", 1)
    return _named(b"message_start", start) + _named(b"content_block_start", block)


def _event(*, is_messages: bool) -> bytes:
    stamp = b"t=%d " % time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    if not is_messages:
        return CHOICE % (b'{"content":"%b"}' % stamp, b"null")
    delta = b',"index":0,"delta":{"type":"text_delta","text":"%b"}' % stamp
    return _named(b"content_block_delta", delta)


def _ending(*, is_messages: bool) -> bytes:
    if not is_messages:
        usage = CHUNK + b'"choices":[],"usage":%b}\n\n' % USAGE
        return CHOICE % (b"{}", b'"stop"') + usage + b"data: [DONE]\n\n"
    stop = b',"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":146}'
    end = _named(b"message_delta", stop) + _named(b"message_stop", b"")
    return _named(b"content_block_stop", b',"index":0') + end


class Upstream(asyncio.Protocol):
    """One caller."""

    def __init__(self) -> None:
        self._unread = b""
        self._transport: asyncio.Transport | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    @override
    def data_received(self, data: bytes) -> None:
        self._unread += data
        end = self._unread.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._unread[: end + 2]
        found = LENGTH.search(head)
        length = int(found[1]) if found else 0
        if len(self._unread) < end + 4 + length:
            return
        body = self._unread[end + 4 : end + 4 + length]
        self._unread = self._unread[end + 4 + length :]
        self._answer(head.split(b" ", 2)[1], body)

    def _answer(self, path: bytes, body: bytes) -> None:
        assert self._transport is not None
        marked = MARK.search(body)
        if not re.search(rb'"stream": ?true', body):
            self._transport.write(_buffered(path))
            return
        pairs = dict(pair.split(b"=") for pair in marked[1].split()) if marked else {}
        events, pause = int(pairs.get(b"events", 0)), int(pairs.get(b"every_ms", 0)) / 1e3
        playing = self._stream(events, pause, is_messages=path.endswith(b"/messages"))
        task = asyncio.get_running_loop().create_task(playing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stream(self, events: int, pause: float, *, is_messages: bool) -> None:
        assert self._transport is not None
        due = asyncio.get_running_loop().time()
        self._transport.write(STREAM_HEAD + _chunked(_opening(is_messages=is_messages)))
        for _ in range(events):
            due += pause
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            self._transport.write(_chunked(_event(is_messages=is_messages)))
        await asyncio.sleep(pause)
        self._transport.write(_chunked(_ending(is_messages=is_messages)) + b"0\r\n\r\n")


async def _serve(address: str) -> None:
    host, _, asked = address.rpartition(":")
    server = await asyncio.get_running_loop().create_server(
        Upstream, host, int(asked), family=socket.AF_INET, backlog=4096
    )
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f'{{"port":{port}}}\n')
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("-listen", default="127.0.0.1:0")
    uvloop.run(_serve(parser.parse_args().listen))
