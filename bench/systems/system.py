"""What the bench needs of a gateway, to start it and to ask it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from bench.harness.cases import Case
from bench.harness.processes import GATEWAY_CORE, Started, pin, tree
from bench.harness.programs import MockUpstream, Route

Feature = Literal["tls", "translation", "embeddings", "poor"]


class Running:
    """A started gateway: its process tree and the way in."""

    def __init__(self, started: Started | None, seconds_to_ready: float = 0.0) -> None:
        self.started = started
        self.seconds_to_ready = seconds_to_ready
        self.condition = ""

    @property
    def root(self) -> int:
        """The first process of the tree, or 0 where there is none to count."""
        return self.started.pid if self.started is not None else 0

    def gateway_pids(self) -> Sequence[int]:
        """Processes on the request's path; all of the tree unless a gateway knows better."""
        return tree(self.root) if self.root else ()

    def pin(self) -> None:
        """Put the request's path on the gateway's core."""
        for pid in self.gateway_pids():
            pin(pid, GATEWAY_CORE)

    def route(self, case: Case) -> Route | None:
        """Return the way in for a case, or None where the gateway has none."""
        raise NotImplementedError

    def stop(self) -> None:
        """End the tree."""
        if self.started is not None:
            self.started.stop()


class Facts(msgspec.Struct, frozen=True):
    """How a system appears in tables: name, version, and what to know about its figures."""

    name: str
    version: str
    note: str = ""


class System(Protocol):
    """A gateway that may be installed here."""

    name: str
    rounds_most: int
    warm_seconds: float

    def facts(self) -> Facts | None:
        """Return name and version, or None where it is not installed."""
        ...

    def start(self, upstream: MockUpstream, folder: Path) -> Running:
        """Start it in front of the mock upstream, with its files in a folder."""
        ...
