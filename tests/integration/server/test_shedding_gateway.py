"""A gateway with too much memory in use refuses new requests, ends the running ones, recovers."""

import asyncio
import resource
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path

from tests.builders.installation import Told, installed
from tests.journeys import crowd
from tests.journeys.patience import wait_until
from tests.journeys.raw_http import hello

STREAMS = 12
CAP_BYTES = 512 << 20


def test_new_requests_are_refused_until_there_is_room(tmp_path: Path) -> None:
    with installed(tmp_path / "data", memory_bytes=1, erase_on_free=False) as house:
        key = house.organization("acme")
        assert house.ask(key, max_tokens=1).status == 200
        with ExitStack() as stack:
            streams = [
                stack.enter_context(closing(house.begin(key, stream=True, max_tokens=200)))
                for _ in range(STREAMS)
            ]
            asked: list[Told] = []

            def is_refused() -> bool:
                asked.append(house.ask(key, max_tokens=1))
                return asked[-1].status == 503

            wait_until(is_refused, 10, "it sheds")
            assert asked[-1].text.count(b"overloaded") == 1
            assert house.get(house.api_port, "/healthz")[0] == 200
            replies = [one.end() for one in streams]
            served = [reply for reply in replies if reply.status == 200]
            assert served
            assert all(reply.text.endswith(b"data: [DONE]\n\n") for reply in served)
            assert {reply.status for reply in replies} <= {200, 503}  # it may have begun to shed
        wait_until(lambda: house.ask(key, max_tokens=1).status == 200, 10, "it recovers")


def test_a_thousand_large_streams_do_not_end_a_gateway_of_half_a_gigabyte(tmp_path: Path) -> None:
    answers = after_a_thousand_large_streams(tmp_path, CAP_BYTES * 8 // 10)
    assert answers[200] > 0


def test_what_has_no_room_is_refused_and_not_cut(tmp_path: Path) -> None:
    answers = after_a_thousand_large_streams(tmp_path, CAP_BYTES // 4)
    assert answers[200] > 0
    assert answers[503] > 0


def after_a_thousand_large_streams(tmp_path: Path, memory_bytes: int) -> Counter[int]:
    """Ask 700 MB at once of a gateway that cannot have more than half a gigabyte; count statuses.

    Every answer is whole or refused in its turn, and the gateway lives on.
    """
    with installed(tmp_path / "data", memory_bytes=memory_bytes) as house:
        key = house.organization("acme", "5000")
        former = house.supervisor.pids
        resource.prlimit(former[0], resource.RLIMIT_DATA, (CAP_BYTES, CAP_BYTES))
        address = f"http://127.0.0.1:{house.api_port}"
        ask = hello("simulated", stream=True, max_tokens=40)
        ask["messages"] = [{"role": "user", "content": "x" * 700_000}]
        replies = asyncio.run(crowd.all_at_once(1_000, lambda _: crowd.asked(address, key, ask)))
        answers = Counter(reply.status for reply in replies)
        assert set(answers) <= {200, 503}
        assert all(reply.is_whole for reply in replies)
        for reply in replies:
            if reply.status == 200:
                assert reply.body.endswith(b"data: [DONE]\n\n")
            else:
                assert reply.error["code"] == "overloaded"
                assert reply.headers["retry-after"] == "1"
        wait_until(lambda: house.ask(key, max_tokens=1).status == 200, 10, "it recovers")
        assert house.supervisor.pids == former
    return answers
