"""What is measured. A case is a prompt, a number of connections, and how long."""

from typing import Literal

import msgspec

from bench.harness.prompts import Prompt

Upstream = Literal["plain", "tls", "anthropic"]
Unit = Literal["request", "event"]

IDLE_STREAMS = 10_000


class Case(msgspec.Struct, frozen=True):
    """One measurement.

    `rounds` requests a connection, or as many as fit into `seconds` when it is 0; a slow gateway
    is stopped after `deadline` seconds and its completed units count. `warm_connections` are open
    before it starts, on both sides of a gateway that keeps them.
    """

    name: str
    title: str
    prompt: Prompt
    connections: int
    seconds: float = 4.0
    rounds: int = 0
    ramp: float = 0.0
    deadline: float = 30.0
    upstream: Upstream = "plain"
    is_poor: bool = False
    needs: str = ""
    warm_connections: int = 64

    @property
    def unit(self) -> Unit:
        """What the CPU time is divided by."""
        return "event" if self.prompt.events else "request"

    @property
    def nominal_seconds(self) -> float:
        """How long the streams take when nothing slows them; 0 where that is not fixed."""
        prompt = self.prompt
        if not self.rounds:
            return 0.0
        return self.ramp + self.rounds * (prompt.events + 1) * prompt.every_ms / 1e3

    def shortened(self, share: float) -> "Case":
        """Return the case with less work, for a first look."""
        return msgspec.structs.replace(self, seconds=self.seconds * share)


STREAM = Prompt(events=64, every_ms=50)
"""64 events, 20 a second."""

CASES: tuple[Case, ...] = (
    Case("one", "1 connection", Prompt(), 1, seconds=2),
    Case("many", "64 connections", Prompt(), 64),
    Case("long", "64 kB prompt, 16 connections", Prompt(size=64_000), 16, seconds=3),
    Case("streams-200", "200 streams x 20 events/s", STREAM, 200, rounds=1, ramp=0.5, deadline=15),
    Case(
        "streams-2000", "2,000 streams x 20 events/s", STREAM, 2_000, rounds=2, ramp=1, needs="pace"
    ),
    Case(
        "streams-1000",
        "1,000 streams x 20 events/s",
        STREAM,
        1_000,
        rounds=1,
        ramp=1,
        warm_connections=1_000,
    ),
    Case("burst", "64 streams, events without pause", Prompt(events=64), 64, seconds=2),
    Case("tls", "64 connections, upstream TLS 1.3", Prompt(), 64, upstream="tls"),
    Case(
        "tls-streams",
        "1,000 streams x 20 events/s, upstream TLS 1.3",
        STREAM,
        1_000,
        rounds=1,
        ramp=1,
        upstream="tls",
        warm_connections=1_000,
    ),
    Case(
        "translated",
        "64 connections, messages client, chat upstream",
        Prompt(dialect="messages"),
        64,
        needs="translation",
    ),
    Case(
        "translated-streams",
        "1,000 streams x 20 events/s, messages client, chat upstream",
        msgspec.structs.replace(STREAM, dialect="messages"),
        1_000,
        rounds=1,
        ramp=1,
        needs="translation",
    ),
    Case(
        "reversed-streams",
        "1,000 streams x 20 events/s, chat client, messages upstream",
        STREAM,
        1_000,
        rounds=1,
        ramp=1,
        upstream="anthropic",
        needs="translation",
    ),
    Case("embeddings", "64 connections, embeddings", Prompt(dialect="embeddings"), 64, seconds=2),
    Case(
        "poor",
        "4 connections, wallet near zero",
        Prompt(max_tokens=100_000),
        4,
        seconds=1.5,
        is_poor=True,
    ),
    Case(
        "idle",
        "10,000 open streams, one event in 5 s",
        Prompt(events=1, every_ms=5_000),
        IDLE_STREAMS,
        rounds=1,
        ramp=4,
        needs="pace",
    ),
)
"""`needs` names a feature that a system must have: see `systems.system.System.features`."""

BY_NAME = {case.name: case for case in CASES}
