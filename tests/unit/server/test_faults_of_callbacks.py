"""A fault in a callback of the loop is told by its line: no text of it goes anywhere."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest
import uvloop

from troth.kernel.clock import ManualClock
from troth.kernel.log import Log
from troth.server.listener import tell_by_line

SECRET = "words of a prompt"


def fail() -> None:
    raise KeyError(SECRET)


@pytest.mark.parametrize(
    "make", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
def test_no_text_of_a_fault_goes_to_standard_error(
    make: Callable[[], asyncio.AbstractEventLoop], capfd: pytest.CaptureFixture[str]
) -> None:
    lines: list[bytes] = []

    async def turn() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(tell_by_line(Log(lines.append, ManualClock(), "gateway-0")))
        loop.call_soon(fail)
        loop.call_exception_handler({"message": SECRET})
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(turn())
    told = [msgspec.json.decode(line) for line in lines]
    assert [each["event"] for each in told] == ["RequestFailed"] * 2
    assert SECRET.encode() not in b"".join(lines)
    assert capfd.readouterr() == ("", "")
