"""TensorZero's gateway, from its wheel: the Rust server that the Python package carries."""

import re
from pathlib import Path

from typing_extensions import override

from bench.harness.cases import Case
from bench.harness.places import PEERS
from bench.harness.processes import NotReady, Started, answers, ready
from bench.harness.programs import MockUpstream, Route
from bench.systems.environments import PythonEnvironment
from bench.systems.system import Facts, Running

CONFIGURATION = """
[gateway]
observability.enabled = false

[models.bench-model]
routing = ["mock"]

[models.bench-model.providers.mock]
type = "openai"
model_name = "bench-model"
api_base = "http://127.0.0.1:{port}/v1/"
api_key_location = "none"
"""
PROGRAM = """
import sys, threading
import tensorzero
gateway = tensorzero._start_http_gateway(
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None,
    async_setup=False,
)
print("listening at", gateway.base_url, flush=True)
threading.Event().wait()
"""
ENVIRONMENT = PythonEnvironment(PEERS / "tensorzero", "tensorzero", ("tensorzero==2026.6.0",))


class TensorZero:
    """One process, no observability database."""

    name = "tensorzero"
    rounds_most = 2
    warm_seconds = 1.0

    def facts(self) -> Facts | None:
        """Return the version of the environment that `python -m bench peers` makes."""
        version = ENVIRONMENT.version()
        return Facts("TensorZero", version, "no database") if version else None

    def start(self, upstream: MockUpstream, folder: Path) -> Running:
        """Start it on a port of its own."""
        folder.mkdir(parents=True, exist_ok=True)
        configuration = folder / "tensorzero.toml"
        configuration.write_text(CONFIGURATION.format(port=upstream.port))
        argv: list[str | Path] = [ENVIRONMENT.program("python"), "-c", PROGRAM, configuration]
        started = Started(argv, folder, is_read=True)
        line = b" "
        while line and b"listening at" not in line:
            line = started.line()
        found = re.search(rb"127\.0\.0\.1:(\d+)", line) or re.search(rb":(\d+)/", line)
        if found is None:
            started.stop()
            raise NotReady(f"TensorZero did not start; see {started.log}")
        port = int(found[1])
        seconds = ready(started, lambda: answers(port, "/health"), "TensorZero", 30)
        return _TensorZero(started, seconds, port)


class _TensorZero(Running):
    def __init__(self, started: Started, seconds: float, port: int) -> None:
        super().__init__(started, seconds)
        self._port = port

    @override
    def route(self, case: Case) -> Route | None:
        if case.upstream != "plain" or case.is_poor or case.prompt.dialect != "chat":
            return None
        return Route(
            self._port, "/openai/v1/chat/completions", "tensorzero::model_name::bench-model"
        )
