"""`troth demo`: one command, a real model, official clients, a receipt; then it goes on serving."""

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.journeys.patience import wait_until
from tests.journeys.raw_http import events, hello, post
from tests.journeys.serving import TROTH, children_of
from troth.cli.demo_story import QUESTION
from troth.gateway.exchange import Json

FIRST_TOKEN_SECONDS = 10
CREDITED_SECONDS = 5
ALL_SECONDS = 60


@contextmanager
def demo(folder: Path, *more: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run the demo; yield it and the file that it prints to."""
    printed = folder / "printed"
    command = [TROTH, "demo", "--data", str(folder / "demo"), "--bind", "127.0.0.1:0", *more]
    with printed.open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        yield process, printed
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(ALL_SECONDS)


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match[1]


def test_the_demo_shows_a_request_and_ends(tmp_path: Path) -> None:
    with demo(tmp_path, "--once") as (process, printed):
        assert process.wait(ALL_SECONDS) == 0, printed.read_text(encoding="utf-8")
    text = printed.read_text(encoding="utf-8")
    assert float(found(r"first token came ([0-9.]+) s", text)) < FIRST_TOKEN_SECONDS
    tokens = [
        int(number) for number in re.findall(r"(\d+) in, 0 from the cache, (\d+) out", text)[0]
    ]
    charged = found(r"charged +([0-9.]+) USD", text)
    assert charged == f"{(tokens[0] * 50 + tokens[1] * 100) / 1e9:.9f}"
    assert found(r"balance +([0-9.]+) USD", text).startswith("17.4999")
    assert found(r"topup (top_[0-9a-f]{32}): 12.50 USD, paid", text)
    assert float(found(r"credited ([0-9.]+) s after it was paid", text)) < CREDITED_SECONDS
    assert "embeddings >" in text
    assert "anthropic  >" in text
    kept = [path for path in (tmp_path / "demo").rglob("*") if path.is_file()]
    assert [path for path in kept if QUESTION.encode() in path.read_bytes()] == []


def test_the_demo_goes_on_serving_until_it_is_stopped(tmp_path: Path) -> None:
    with demo(tmp_path) as (process, printed):

        def is_told() -> bool:
            assert process.poll() is None, printed.read_text(encoding="utf-8")
            return "Ctrl-C" in printed.read_text(encoding="utf-8")

        wait_until(is_told, ALL_SECONDS, "the demo tells its story")
        text = printed.read_text(encoding="utf-8")
        key = found(r"key +(sk-troth-\S+)", text)
        address = found(r"Anthropic +(\S+)", text)
        check_answers(address, key)
        children = children_of(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(ALL_SECONDS) == 0
    assert len(children) == 5
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def check_answers(address: str, key: str) -> None:
    """Ask the real model: whole, streamed, with a tool, for a schema, in the other dialect."""
    whole = post(address, key, hello("demo", max_tokens=20))
    assert whole.status == 200
    [choice] = shaped(whole.fields["choices"])
    assert isinstance(choice, dict)
    assert choice.keys() >= {"index", "message", "finish_reason", "logprobs"}
    assert "timings" not in whole.fields
    streamed = events(post(address, key, hello("demo", max_tokens=20, stream=True)))
    assert streamed[-1] == "[DONE]"
    schema: Json = {
        "type": "object",
        "properties": {"grams": {"type": "integer"}},
        "required": ["grams"],
    }
    function: Json = {"name": "weigh", "parameters": schema}
    tool: Json = {"type": "function", "function": function}
    called = post(address, key, hello("demo", tools=[tool], max_tokens=300))
    assert b'"weigh"' in called.body
    wanted: Json = {"name": "weight", "schema": schema}
    formed: Json = {"type": "json_schema", "json_schema": wanted}
    parsed = post(address, key, hello("demo", response_format=formed, max_tokens=300))
    assert b'{\\"grams\\"' in parsed.body
    message = post(address, key, hello("demo", max_tokens=20), "/v1/messages")
    assert message.fields["type"] == "message"
    assert str(message.fields["id"]).startswith("msg_")


def shaped(value: Json) -> list[Json]:
    assert isinstance(value, list)
    return value
