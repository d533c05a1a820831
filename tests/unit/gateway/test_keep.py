"""Where charges must be on disk before an answer ends, nothing of the end leaves before."""

import asyncio

import pytest

from tests.builders.gateway_world import Reply, Scene, answers, scene, streams
from tests.unit.gateway.test_pipeline import ASK, DONE, FIRST, LAST, STREAM, WHOLE
from troth.kernel.stream_errors import NotKept

pytestmark = pytest.mark.anyio


class Disk:
    """Says when it has written, or that it cannot."""

    def __init__(self, stage: Scene) -> None:
        self.written = asyncio.Event()
        self.is_broken = False
        self.settled_first = False
        self.stage = stage

    async def kept(self) -> None:
        self.settled_first = len(self.stage.wallet.records) == 1
        await self.written.wait()
        if self.is_broken:
            raise NotKept


@pytest.mark.parametrize("body", [ASK, STREAM])
async def test_the_end_waits_for_the_charge(body: bytes) -> None:
    script = streams(FIRST, LAST, DONE) if body is STREAM else answers(200, WHOLE)
    stage = scene(script)
    disk = Disk(stage)
    stage.world.kept = disk.kept
    asking = asyncio.get_running_loop().create_task(stage.ask(body))
    await asyncio.sleep(0.05)
    assert not asking.done()
    assert disk.settled_first
    disk.written.set()
    reply = await asking
    assert reply.status == 200
    assert reply.body.endswith(b"data: [DONE]\n\n") or b'"usage"' in reply.body


async def broken(body: bytes, path: str) -> Reply:
    is_anthropic = "messages" in path
    stage = scene(streams(FIRST, LAST, DONE) if body is STREAM else answers(200, WHOLE))
    disk = Disk(stage)
    disk.is_broken = True
    disk.written.set()
    stage.world.kept = disk.kept
    reply = await stage.ask(body, path)
    assert (b"overloaded_error" if is_anthropic else b"not_kept") in reply.body
    assert NotKept.sentence.encode() in reply.body
    (row,) = stage.wallet.records
    assert row.charged_nusd > 0
    return reply


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_an_answer_that_may_not_be_charged_is_withheld(path: str) -> None:
    reply = await broken(ASK, path)
    assert reply.status == (529 if "messages" in path else 503)
    assert reply.headers["x-should-retry"] == "false"
    assert b"word" not in reply.body


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_a_stream_that_may_not_be_charged_does_not_look_whole(path: str) -> None:
    reply = await broken(STREAM, path)
    assert reply.status == 200
    assert b"[DONE]" not in reply.body
    assert b"message_stop" not in reply.body


async def test_nobody_waits_for_a_client_that_has_left() -> None:
    stage = scene(streams(FIRST, ends=False))
    disk = Disk(stage)
    stage.world.kept = disk.kept
    stage.leaves_after = 3
    await stage.ask(STREAM)
    assert not disk.settled_first
