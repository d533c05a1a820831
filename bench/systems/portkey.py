"""Portkey's gateway, from its registry, on Node, one process.

`@hono/node-server` is kept at 1.3.3: with later ones its streams break. A custom host must be
trusted by a variable.
"""

import shutil
from pathlib import Path

from typing_extensions import override

from bench.harness.cases import Case
from bench.harness.places import PEERS
from bench.harness.processes import Started, answers, free_port, ready
from bench.harness.programs import MockUpstream, Route
from bench.systems.environments import NodeEnvironment
from bench.systems.system import Facts, Running

MANIFEST = b"""{
  "name": "troth-bench-portkey",
  "private": true,
  "version": "0.0.0",
  "dependencies": {"@portkey-ai/gateway": "1.15.2"},
  "overrides": {"@hono/node-server": "1.3.3"}
}
"""
ENVIRONMENT = NodeEnvironment(PEERS / "portkey", "@portkey-ai/gateway", MANIFEST)


class Portkey:
    """One process, routed by headers, no key of its own."""

    name = "portkey"
    rounds_most = 2
    warm_seconds = 10.0

    def facts(self) -> Facts | None:
        """Return the version of the folder that `python -m bench peers` makes."""
        version = ENVIRONMENT.version()
        return Facts("Portkey", version, "routed by headers, no keys") if version else None

    def start(self, upstream: MockUpstream, folder: Path) -> Running:
        """Start it on a port of its own."""
        port = free_port()
        script = ENVIRONMENT.folder / "node_modules/@portkey-ai/gateway/build/start-server.js"
        started = Started(
            [shutil.which("node") or "node", script, f"--port={port}", "--headless"],
            folder,
            variables={"TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost", "NODE_ENV": "production"},
        )
        seconds = ready(started, lambda: answers(port), "Portkey")
        return _Portkey(started, seconds, port, upstream.port)


class _Portkey(Running):
    def __init__(self, started: Started, seconds: float, port: int, upstream: int) -> None:
        super().__init__(started, seconds)
        self._port = port
        self._headers = (
            "x-portkey-provider: openai",
            f"x-portkey-custom-host: http://127.0.0.1:{upstream}/v1",
            "authorization: Bearer sk-upstream",
        )

    @override
    def route(self, case: Case) -> Route | None:
        if case.upstream != "plain" or case.is_poor or case.prompt.dialect == "messages":
            return None
        return Route(self._port, f"/v1{case.prompt.path}", headers=self._headers)
