"""Troth itself, as its own commands set it up: one gateway process, one desk, SQLite, one key.

The key carries limits too high to bind, so that every check runs. Twice: as shipped, and without
erase-on-free (`troth-plain`), which costs what the difference says.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from typing_extensions import override

from bench.harness.cases import Case
from bench.harness.places import ROOT
from bench.harness.processes import (
    BENCH_CORE,
    GATEWAY_CORE,
    Started,
    answers,
    command_of,
    free_port,
    pin,
    ready,
    run,
    tree,
)
from bench.harness.programs import MockUpstream, Route
from bench.systems.system import Facts, Running

SETTINGS = """
[server]
bind = "127.0.0.1:{port}"
control_bind = "127.0.0.1:{control}"
erase_on_free = {erases}

[data]
folder = "data"

[upstream]
extra_ca = "{authority}"

[providers.plain]
kind = "openai"
url = "http://127.0.0.1:{upstream}/v1"
api_key = "sk-upstream"
shipped_models = false

[providers.tls]
kind = "openai"
url = "https://localhost:{upstream_tls}/v1"
api_key = "sk-upstream"
shipped_models = false

[providers.anthropic]
kind = "anthropic"
url = "http://127.0.0.1:{upstream}/v1"
api_key = "sk-upstream"
shipped_models = false
"""
MODEL = """
[models.{name}]
provider = "{provider}"
upstream_model = "bench-model"
price = {{ input = "0.15", cache_read = "0.075", output = "0.60", reasoning = "0.60" }}
context_length = 200000
max_output = 131072
endpoints = {endpoints}
exact = {exact}
"""
NAMES = {"plain": "bench-model", "tls": "bench-tls", "anthropic": "bench-claude"}
EMBEDDER = "bench-embedder"
RICH, POOR = "rich", "poor"
CREDITS = {RICH: "1000000", POOR: "0.45"}
"""The poor wallet holds less than eight of its calls may cost, so that the desk lends per call."""

LIMITS = ("--requests-per-minute", "1000000000", "--tokens-per-minute", "1000000000000")

_PROGRAM = Path(sys.executable).with_name("troth")


class _Key(msgspec.Struct):
    text: str


class Troth:
    """One gateway process and its desk."""

    name = "troth"
    rounds_most = 99
    warm_seconds = 1.0
    erases = True

    def facts(self) -> Facts | None:
        """Return the version of this work tree."""
        if not _PROGRAM.exists():
            return None
        version = run([_PROGRAM, "version"], ROOT).split()[-1]
        mode = "erase-on-free" if self.erases else "no erase-on-free"
        note = f"{mode}; one gateway process, one desk on SQLite, everything on"
        return Facts("Troth" if self.erases else "Troth, no erase", version, note)

    def start(self, upstream: MockUpstream, folder: Path) -> Running:
        """Make an installation, its keys and credit, then serve."""
        folder = _fresh(folder)
        port = free_port()
        settings = folder / "troth.toml"
        settings.write_text(_settings(upstream, port, self.erases))
        run([_PROGRAM, "init", "--config", settings], folder, 60)
        keys = {name: _key(folder, name) for name in CREDITS}
        started = Started([_PROGRAM, "serve", "--config", settings], folder)
        seconds = ready(started, lambda: answers(port, "/readyz"), "Troth", 30)
        return _Troth(started, seconds, port, keys)


class TrothPlain(Troth):
    """The same without erase-on-free."""

    name = "troth-plain"
    erases = False


def _fresh(folder: Path) -> Path:
    """Return a new, empty folder for an installation."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _settings(upstream: MockUpstream, port: int, erases: bool) -> str:  # noqa: FBT001
    text = SETTINGS.format(
        port=port,
        control=free_port(),
        erases=str(erases).lower(),
        authority=upstream.authority or "",
        upstream=upstream.port,
        upstream_tls=upstream.tls_port or 9,
    )
    for provider, name in NAMES.items():
        exact = str(provider != "anthropic").lower()
        text += MODEL.format(
            name=name, provider=provider, exact=exact, endpoints='["chat", "messages"]'
        )
    return text + MODEL.format(
        name=EMBEDDER, provider="plain", exact="false", endpoints='["embeddings"]'
    )


def _key(folder: Path, name: str) -> str:
    def troth(*arguments: str) -> str:
        return run([_PROGRAM, *arguments, "--config", "troth.toml", "--json"], folder, 60)

    troth("org", "create", name)
    troth("wallet", "credit", name, CREDITS[name])
    made = troth("keys", "create", name, *LIMITS, "--concurrency", "100000")
    return msgspec.json.decode(made, type=_Key).text


class _Troth(Running):
    def __init__(self, started: Started, seconds: float, port: int, keys: dict[str, str]) -> None:
        super().__init__(started, seconds)
        self._port = port
        self._keys = keys

    @override
    def gateway_pids(self) -> Sequence[int]:
        return [pid for pid in tree(self.root) if "gateway_process" in command_of(pid)]

    @override
    def pin(self) -> None:
        gateways = set(self.gateway_pids())
        for pid in tree(self.root):
            pin(pid, GATEWAY_CORE if pid in gateways else BENCH_CORE)

    @override
    def route(self, case: Case) -> Route | None:
        key = self._keys[POOR if case.is_poor else RICH]
        name = EMBEDDER if case.prompt.dialect == "embeddings" else NAMES[case.upstream]
        headers: tuple[str, ...] = (f"authorization: Bearer {key}",)
        if case.prompt.dialect == "messages":
            headers = (f"x-api-key: {key}", "anthropic-version: 2023-06-01")
        return Route(self._port, f"/v1{case.prompt.path}", name, headers)
