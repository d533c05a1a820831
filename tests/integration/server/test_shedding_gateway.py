"""A gateway with too much memory in use refuses new requests, ends the running ones, recovers."""

from contextlib import ExitStack, closing
from pathlib import Path

from tests.builders.installation import installed
from tests.journeys.patience import wait_until

STREAMS = 12


def test_new_requests_are_refused_until_there_is_room(tmp_path: Path) -> None:
    with installed(tmp_path / "data", memory_bytes=1, erase_on_free=False) as house:
        key = house.organization("acme")
        assert house.ask(key, max_tokens=1).status == 200
        with ExitStack() as stack:
            streams = [
                stack.enter_context(closing(house.begin(key, stream=True, max_tokens=200)))
                for _ in range(STREAMS)
            ]
            wait_until(lambda: house.ask(key, max_tokens=1).status == 503, 10, "it sheds")
            assert house.get(house.api_port, "/healthz")[0] == 200
            assert house.ask(key, max_tokens=1).text.count(b"overloaded") == 1
            whole = [one.end().text.endswith(b"data: [DONE]\n\n") for one in streams]
            assert whole == [True] * STREAMS
        wait_until(lambda: house.ask(key, max_tokens=1).status == 200, 10, "it recovers")
