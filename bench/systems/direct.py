"""No gateway at all: what load generator and mock upstream cost by themselves."""

from pathlib import Path

from typing_extensions import override

from bench.harness.cases import Case
from bench.harness.programs import MockUpstream, Route
from bench.systems.system import Facts, Running


class Direct:
    """The mock upstream, asked directly."""

    name = "direct"
    rounds_most = 99
    warm_seconds = 0.5

    def facts(self) -> Facts | None:
        """It is always there."""
        return Facts("direct", "", "no gateway; both programs share one core")

    def start(self, upstream: MockUpstream, folder: Path) -> Running:  # noqa: ARG002
        """Nothing starts."""
        return _Direct(upstream)


class _Direct(Running):
    def __init__(self, upstream: MockUpstream) -> None:
        super().__init__(None)
        self._port = upstream.port

    @override
    def route(self, case: Case) -> Route | None:
        if case.upstream != "plain" or case.is_poor or case.needs == "translation":
            return None
        return Route(self._port, f"/v1{case.prompt.path}")
