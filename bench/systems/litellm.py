"""LiteLLM's proxy, from its registry, one process.

Two packages are added without which it retries an import on every request (opentelemetry).
The version is pinned: others of its releases are reported to have carried malware, so none is
taken that was not looked at.
"""

from pathlib import Path

from typing_extensions import override

from bench.harness.cases import Case
from bench.harness.places import PEERS
from bench.harness.processes import SYSTEM_PATH, Started, answers, free_port, ready
from bench.harness.programs import MockUpstream, Route
from bench.systems.environments import PythonEnvironment
from bench.systems.system import Facts, Running

KEY = "sk-bench-0123456789abcdef"
CONFIGURATION = """
model_list:
  - model_name: bench-model
    litellm_params:
      model: openai/bench-model
      api_base: http://127.0.0.1:{port}/v1
      api_key: sk-upstream
general_settings:
  master_key: {key}
"""
ENVIRONMENT = PythonEnvironment(
    PEERS / "litellm",
    "litellm",
    ("litellm[proxy]==1.106.2", "opentelemetry-sdk", "opentelemetry-exporter-otlp"),
    marks_of_malware=("litellm_init.pth",),
)


class LiteLLM:
    """One process, no database, its master key as the only key."""

    name = "litellm"
    rounds_most = 1
    warm_seconds = 4.0

    def facts(self) -> Facts | None:
        """Return the version of the environment that `python -m bench peers` makes."""
        version = ENVIRONMENT.version()
        return Facts("LiteLLM", version, "no database, master key") if version else None

    def start(self, upstream: MockUpstream, folder: Path) -> Running:
        """Start the proxy on a port of its own."""
        port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        configuration = folder / "litellm.yaml"
        configuration.write_text(CONFIGURATION.format(port=upstream.port, key=KEY))
        argv: list[str | Path] = [
            ENVIRONMENT.program("litellm"),
            "--config",
            configuration,
            "--host",
            "127.0.0.1",
        ]
        started = Started(
            [*argv, "--port", str(port), "--num_workers", "1"],
            folder,
            variables={
                "PATH": f"{ENVIRONMENT.folder}/bin:{SYSTEM_PATH}",
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "LITELLM_LOG": "ERROR",
            },
        )
        seconds = ready(started, lambda: answers(port, "/health/liveliness"), "LiteLLM", 120)
        return _LiteLLM(started, seconds, port)


class _LiteLLM(Running):
    def __init__(self, started: Started, seconds: float, port: int) -> None:
        super().__init__(started, seconds)
        self._port = port

    @override
    def route(self, case: Case) -> Route | None:
        if case.upstream != "plain" or case.is_poor or case.prompt.dialect != "chat":
            return None
        header = f"authorization: Bearer {KEY}"
        return Route(self._port, "/v1/chat/completions", headers=(header,))
