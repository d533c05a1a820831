"""A group of commands whose modules are imported when a command is run, not to print help."""

from collections.abc import Mapping
from importlib import import_module

import click
from typing_extensions import override


class LazyGroup(click.Group):
    """Commands by name: `module:attribute` and the line that help shows."""

    lazy: Mapping[str, tuple[str, str]] = {}

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return None
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.lazy.items()])
