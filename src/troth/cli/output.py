"""What is printed: tables and JSON to standard output, talk to standard error."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final

import click
import msgspec

_MS: Final = 1_000


class Output(msgspec.Struct, frozen=True):
    """Prints results in the form that was asked for."""

    is_json: bool

    def say(self, sentence: str) -> None:
        """Talk to a person; never part of a result."""
        click.echo(sentence, err=True)

    def document(self, body: bytes, lines: Mapping[str, str]) -> None:
        """Print one result: its JSON as it came, or its lines with their names."""
        if self.is_json:
            click.echo(body)
            return
        width = max(map(len, lines), default=0)
        for name, value in lines.items():
            click.echo(f"{name:<{width}}  {value}".rstrip())

    def table(self, body: bytes, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a list: its JSON as it came, or a table."""
        if self.is_json:
            click.echo(body)
            return
        if not rows:
            self.say("(none)")
            return
        widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
        for row in (head, *rows):
            cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
            click.echo("  ".join(cells).rstrip())


def moment(ms: int) -> str:
    """Return a unix time in milliseconds as a person reads it, in UTC; empty for 0."""
    if not ms:
        return ""
    at = dt.datetime.fromtimestamp(ms / _MS, dt.UTC)
    return at.strftime("%Y-%m-%d %H:%M:%SZ")


def limit(count: int) -> str:
    """Return a limit; 0 is none."""
    return str(count) if count else "none"
