"""A question before what cannot be taken back: asked of a person at a terminal only."""

import sys
from collections.abc import Callable
from typing import ParamSpec

import click

Arguments = ParamSpec("Arguments")
_Command = Callable[Arguments, int | None]


def asks(question: str) -> Callable[[_Command[Arguments]], _Command[Arguments]]:
    """Give a command `--yes`; without it, ask first. `{name}` stands for an argument's value."""

    def ask(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001
        if not value and sys.stdin.isatty() and sys.stderr.isatty():
            click.confirm(question.format_map(context.params), abort=True, err=True)

    return click.option("--yes", is_flag=True, expose_value=False, callback=ask, help="Do not ask.")
