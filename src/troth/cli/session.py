"""What every command shares: the settings, the output, and a way to management."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec

import click
import msgspec

from troth.cli.client import Client, Unreachable
from troth.cli.output import Output

if TYPE_CHECKING:
    from troth.server.settings import Reading, Settings

Arguments = ParamSpec("Arguments")

_JSON: Final = "troth.json"
_CONFIG: Final = "troth.config"
_DATA: Final = "troth.data"
_PROFILE: Final = "troth.profile"
_TRIES: Final = 100
_PAUSE_SECONDS: Final = 0.1


class Session(msgspec.Struct, frozen=True):
    """The options that every command takes."""

    output: Output
    config: str
    data: str
    profile: str = ""

    def reading(
        self, values: dict[str, str] | None = None, providers: tuple[str, ...] = ()
    ) -> "Reading":
        """Read the settings; `values` are those of the command's own flags, by dotted name.

        Raises:
            Misconfigured: place, fault and fix.
        """
        from troth.server.settings import Flags, environment, read

        named = {name: value for name, value in (values or {}).items() if value}
        if self.data:
            named["data.folder"] = self.data
        return read(Flags(self.config, named, providers, self.profile), environment())

    @contextmanager
    def management(self) -> Iterator[Client]:
        """Give a client of the installation that runs, or of its endpoints run here.

        Raises:
            Unreachable: there is no installation.
            Misconfigured: its settings, folder or database cannot be used.
        """
        settings = self.reading().settings
        with ExitStack() as stack:
            yield Client(_socket(settings, stack))


def _socket(settings: "Settings", stack: ExitStack) -> Path:
    """Return a socket on which management answers."""
    from troth.server.database import is_made
    from troth.server.local import local_management
    from troth.server.sockets import Taken

    running = settings.run_folder / "control.sock"
    for _ in range(_TRIES):
        if _answers(running):
            return running
        if not is_made(settings):
            break
        try:
            return stack.enter_context(local_management(settings))
        except Taken:  # it is starting, or another command is at work: both are short
            time.sleep(_PAUSE_SECONDS)
    raise Unreachable(
        f"there is no installation in {settings.folder}. Next: 'troth init', or name its settings "
        "with --config."
        if not is_made(settings)
        else f"another process uses {settings.folder} and does not answer. Next: 'troth doctor'."
    )


def _answers(path: Path) -> bool:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def with_session(
    function: Callable[Concatenate[Session, Arguments], int | None],
) -> Callable[Arguments, int | None]:
    """Give a command the options that all take, and a session made of them."""

    def command(*args: Arguments.args, **kwargs: Arguments.kwargs) -> int | None:
        meta = click.get_current_context().meta
        output = Output(bool(meta.get(_JSON)))
        config, data, profile = (str(meta.get(key, "")) for key in (_CONFIG, _DATA, _PROFILE))
        session = Session(output, config, data, profile)
        return function(session, *args, **kwargs)

    update_wrapper(command, function)
    _option("--data", _DATA, "The data folder.", metavar="FOLDER")(command)
    _option("--profile", _PROFILE, "The name of an installation.", metavar="NAME")(command)
    _option("--config", _CONFIG, "The settings file.", metavar="FILE")(command)
    _option("--json", _JSON, "Print JSON.", metavar="")(command)
    return command


def _option(
    name: str, key: str, text: str, *, metavar: str
) -> Callable[[Callable[Arguments, int | None]], Callable[Arguments, int | None]]:
    """Return an option that is kept with the invocation and not passed to the command."""

    def keep(context: click.Context, _: click.Parameter, value: str | bool) -> None:  # noqa: FBT001
        context.meta[key] = value

    return click.option(
        name,
        is_flag=not metavar,
        default=False if not metavar else "",
        metavar=metavar or None,
        help=text,
        expose_value=False,
        callback=keep,
    )
