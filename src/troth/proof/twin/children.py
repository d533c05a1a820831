"""Start the twin's servers as programs of their own, and end them."""

import re
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from troth.kernel.errors import Misconfigured

_ADDRESS: Final = re.compile(rb"https?://[0-9.:]+")
_PATIENCE_SECONDS: Final = 5.0


class Child:
    """A program that prints its address and serves until its standard input ends."""

    def __init__(
        self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None
    ) -> None:
        self._name = name
        self._said: deque[bytes] = deque(maxlen=20)
        self._address = ""
        self._told = threading.Event()
        self._process = subprocess.Popen(  # noqa: S603  # our own programs
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env,
            process_group=0,  # a Ctrl-C is for us; they end when we let them go
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def address(self, within_seconds: float) -> str:
        """Wait for the address, without a slash at its end.

        Raises:
            Misconfigured: the program ended or did not listen in time; its last words are told.
        """
        self._told.wait(within_seconds)
        if not self._address:
            words = b" | ".join(self._said).decode("utf-8", "replace")
            raise Misconfigured(f"the {self._name} did not start: {words or 'it said nothing'}")
        return self._address

    def stop(self) -> None:
        """End the program: let it go, then make it go."""
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        for insist in (process.terminate, process.kill):
            try:
                process.wait(_PATIENCE_SECONDS)
                break
            except subprocess.TimeoutExpired:
                insist()
        process.wait()
        self._reader.join()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        with stream:
            for line in stream:
                self._said.append(line.strip())
                found = _ADDRESS.search(line)
                if found and not self._address:
                    self._address = found[0].decode()
                    self._told.set()
        self._told.set()


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def mock_provider() -> Child:
    """Start the mock provider."""
    module = "troth.proof.twin.upstream"
    return Child("mock provider", [sys.executable, "-m", module, "--child"])


def fake_stripe(webhook_secret: str) -> Child:
    """Start the double of Stripe; tell it later where its webhooks go."""
    module = "troth.proof.twin.fake_stripe.server"
    command = [sys.executable, "-m", module, "--secret", webhook_secret, "--child"]
    return Child("double of Stripe", command)


def model_server(folder: Path) -> Child:
    """Make the tiny model in `folder`, once, and start llama.cpp's server on it.

    Raises:
        Misconfigured: the model could not be made.
    """
    model = folder / "troth-tiny.gguf"
    if not model.exists():
        _make(model)
    module = "troth.proof.twin.model_server"
    return Child("model server", [sys.executable, "-m", module, str(model)])


def embedding_server() -> Child:
    """Start the server of real embeddings."""
    module = "troth.proof.twin.embedding_server"
    return Child("embedding server", [sys.executable, "-m", module, str(free_port())])


def _make(model: Path) -> None:
    command = [sys.executable, "-m", "troth.proof.twin.tiny_model", str(model)]
    made = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  # our own
    if made.returncode != 0:
        lines = made.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Misconfigured(f"the tiny model could not be made: {(lines or ['no word'])[-1]}")
