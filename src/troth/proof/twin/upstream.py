"""A mock provider on loopback, in both dialects, that fails as the model's name asks (`faults`).

    python -m troth.proof.twin.upstream [--port N] [--child]

It says `ready http://127.0.0.1:PORT` when it listens. `--child` ends it with its standard input.
`GET /__seen` lists what it was sent (of one model: `?model=NAME`), `DELETE /__seen` forgets it;
`ended` tells whether the answer went out whole, was broken off, the client left, or it runs.
"""

import argparse
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import msgspec

from troth.kernel.clock import Clock, SystemClock
from troth.proof.twin.answer import Answer, Request, refusal
from troth.proof.twin.chat import chat
from troth.proof.twin.delivery import Broken, Out, deliver, garbage
from troth.proof.twin.embeddings import embeddings, models
from troth.proof.twin.faults import faults_of
from troth.proof.twin.listening import Incoming, Listener
from troth.proof.twin.messages import count_tokens, messages
from troth.proof.twin.values import Fields, text_of

_KEPT: Final = 5_000
_MODELS: Final = ("twin-chat", "twin-claude", "twin-embed")
_DIALECTS: Final = (
    ("/chat/completions", chat),
    ("/messages", messages),
    ("/messages/count_tokens", count_tokens),
    ("/embeddings", embeddings),
)
_UNSURE: Final = frozenset({429, 503, 529})
"""Statuses that come with a retry-after of a second."""


class Seen(msgspec.Struct):
    """One request as it came in; `body` as text, bytes that are none escaped."""

    number: int
    method: str
    path: str
    query: str
    model: str
    headers: tuple[tuple[str, str], ...]
    body: str
    ended: str = "running"


class Twin:
    """The provider: its memory of what it was sent, and its answers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: deque[Seen] = deque(maxlen=_KEPT)
        self._fails: dict[str, int] = {}
        self._number = 0

    def handle(self, out: Out, incoming: Incoming) -> bool:
        """Answer one request; return whether the connection may go on."""
        if incoming.path.startswith("/__"):
            deliver(out, self._memory(incoming), {})
            return True
        fields = _fields(incoming.body)
        seen = self._note(incoming, text_of(fields.get("model")))
        faults = faults_of(seen.model)
        try:
            deliver(out, self._answer(incoming, seen, fields, faults), faults)
        except Broken:
            seen.ended = "broken"
        except OSError:
            seen.ended = "left"
        else:
            seen.ended = "whole"
        return seen.ended == "whole"

    def _memory(self, incoming: Incoming) -> Answer:
        with self._lock:
            if incoming.method == "DELETE":
                self._seen.clear()
            wanted = incoming.query.removeprefix("model=")
            kept = [one for one in self._seen if not wanted or one.model == wanted]
            return Answer(body=msgspec.json.encode(kept))

    def _note(self, incoming: Incoming, model: str) -> Seen:
        text = incoming.body.decode("utf-8", "backslashreplace")
        with self._lock:
            self._number += 1
            seen = Seen(
                number=self._number,
                method=incoming.method,
                path=incoming.path,
                query=incoming.query,
                model=model,
                headers=incoming.headers,
                body=text,
            )
            self._seen.append(seen)
        return seen

    def _still_fails(self, model: str, times: int) -> bool:
        """Tell whether this call is among the first `times` of a round of `times` + 1."""
        with self._lock:
            done = self._fails.get(model, 0)
            self._fails[model] = (done + 1) % (times + 1)
            return done < times

    def _answer(
        self, incoming: Incoming, seen: Seen, fields: Fields, faults: Mapping[str, int]
    ) -> Answer:
        if incoming.method == "GET":
            return _listed(incoming)
        path = incoming.path
        dialect = next((answer for end, answer in _DIALECTS if path.endswith(end)), None)
        if dialect is None:
            return refusal(404, "Unknown request URL.", anthropic=False, code="unknown_url")
        anthropic = dialect in {messages, count_tokens}
        answer = (
            _unauthorized(incoming, anthropic=anthropic)
            or self._refused(incoming, seen, faults, anthropic=anthropic)
            or garbage(faults)
            or dialect(Request(fields, faults, seen.number, self._clock.now_ms() // 1_000))
        )
        if "wrongtype" in faults:
            answer.content_type = "text/plain"
        return answer

    def _refused(
        self, incoming: Incoming, seen: Seen, faults: Mapping[str, int], *, anthropic: bool
    ) -> Answer | None:
        if "err" in faults:
            status = faults["err"]
            after = faults.get("after", 1 if status in _UNSURE else None)
            return refusal(status, f"told to say {status}", anthropic=anthropic, after=after)
        if "leak" in faults:
            quoted = f"the key {_credential(incoming)} sent {seen.body}"
            return refusal(faults["leak"], quoted, anthropic=anthropic)
        if "fail" in faults and self._still_fails(seen.model, faults["fail"]):
            return refusal(503, "told to fail, try again", anthropic=anthropic, after=0)
        if "no-such" in faults:
            return refusal(404, "The model does not exist.", anthropic=anthropic)
        if "ctx" in faults:
            code = "context_length_exceeded"
            return refusal(400, "The context is 10 tokens long.", anthropic=anthropic, code=code)
        return None


def _fields(body: bytes) -> Fields:
    try:
        fields: Fields = msgspec.json.decode(body, type=dict)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return fields


def _listed(incoming: Incoming) -> Answer:
    if incoming.path == "/health":
        return Answer(body=b'{"status":"ok"}')
    if incoming.path.endswith("/models"):
        return models(_MODELS, anthropic=bool(incoming.header("anthropic-version")))
    return refusal(404, "Unknown request URL.", anthropic=False, code="unknown_url")


def _credential(incoming: Incoming) -> str:
    bearer = incoming.header("authorization").removeprefix("Bearer ").strip()
    return incoming.header("x-api-key") or bearer


def _unauthorized(incoming: Incoming, *, anthropic: bool) -> Answer | None:
    credential = _credential(incoming)
    if credential and not credential.startswith("bad"):
        return None
    return refusal(401, "Incorrect API key provided.", anthropic=anthropic)


@contextmanager
def running(clock: Clock, port: int = 0) -> Iterator[str]:
    """Serve in threads of this process while the block runs; yield the address."""
    listener = Listener(port, Twin(clock).handle)
    try:
        yield listener.address
    finally:
        listener.close()


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(description="A mock provider that fails on demand.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--child", action="store_true", help="end with the standard input")
    asked = parser.parse_args()
    with running(SystemClock(), asked.port) as address:
        sys.stdout.write(f"ready {address}\n")
        sys.stdout.flush()
        if asked.child:
            sys.stdin.buffer.read()
        else:
            threading.Event().wait()


if __name__ == "__main__":
    main()
