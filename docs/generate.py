"""Writes the pages of docs/reference that are read off the code: run by `make docs`."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from troth.cli.main import troth
from troth.gateway.refuse import STATUSES, status_of
from troth.kernel import (
    disk_errors,
    errors,
    name_errors,
    payment_errors,
    receipt_errors,
    stream_errors,
)
from troth.server.metrics import Metrics

REFERENCE = Path(__file__).parent / "reference"
GROUPS = (
    ("What the caller can fix", errors.Refused),
    ("What a provider failed at", errors.UpstreamFailed),
    ("What is not available now", errors.Unavailable),
    ("What the operator has to see to", errors.TrothError),
)

_ERRORS_HEAD = """# Errors

Written by `make docs` from `kernel/errors.py` and `gateway/refuse.py`.

An error comes in the dialect of the endpoint. OpenAI's:

```json
{"error": {"message": "...", "type": "...", "param": null, "code": "invalid_api_key"}}
```

and Anthropic's:

```json
{"type": "error", "error": {"type": "...", "message": "..."}, "request_id": "req_..."}
```

`code` is stable; the message says what to do and never quotes the request. `x-request-id` names the
request. Where it is worth to try again there is `retry-after`, and `x-should-retry: false` where it
is not. An empty wallet is 402, never 429: client libraries repeat a 429 by themselves.

A stream that has begun cannot change its status. It ends with an event that holds the error and
without `[DONE]` or `message_stop`, so that a broken answer never looks whole. What of it was
charged is in the error's `x_troth`: `receipt` and `cost_nusd`.
"""


OURS = frozenset(
    each.__name__
    for each in (errors, payment_errors, receipt_errors, disk_errors, stream_errors, name_errors)
)


def leaves(root: type[errors.TrothError]) -> Iterator[type[errors.TrothError]]:
    """Yield every error of the tree: those with a code of their own, and all leaves.

    A class from elsewhere, such as a test's, is no part of it, whoever has imported it.
    """
    beneath = [kind for kind in root.__subclasses__() if kind.__module__ in OURS]
    for kind in beneath:
        inner = list(leaves(kind))
        if "code" in vars(kind) or not inner:
            yield kind
        yield from inner


def statuses(kind: type[errors.TrothError]) -> str:
    """Return the statuses that an error class is answered with."""
    if kind is errors.RefusedByPolicy:
        field, path = kind("store", "P-1"), kind(None, "P-1")
        about_id = kind(None, "P-1", about_id=True)
        return (
            f"{status_of(field)} for a field, {status_of(path)} for a path, "
            f"{status_of(about_id)} for an id"
        )
    return str(next(STATUSES[above] for above in kind.__mro__ if above in STATUSES))


def _rows(root: type[errors.TrothError], done: set[type[errors.TrothError]]) -> list[str]:
    rows = []
    for kind in leaves(root):
        if kind in done:
            continue
        done.add(kind)
        when = inspect.getdoc(kind) or ""
        sentence = kind.sentence.replace("{}", "...")
        first = " ".join(when.split("\n\n")[0].split())
        rows.append(
            f"| `{kind.code}` | {statuses(kind)} | {kind.__name__} | {first} | {sentence} |"
        )
    return sorted(rows)


def errors_page() -> str:
    """Return the page of all errors, by who can do something about them."""
    done: set[type[errors.TrothError]] = set()
    parts = [_ERRORS_HEAD]
    for title, root in GROUPS:
        rows = "\n".join(_rows(root, done))
        head = "| code | status | error | when | message |\n|---|---|---|---|---|"
        parts.append(f"## {title}\n\n{head}\n{rows}\n")
    return "\n".join(parts)


_CLI_HEAD = """# Command line

Written by `make docs` from the commands' own help.

`troth` is a client of the management API, which the running control process serves on a Unix
socket in the data folder; with none running it does the same work in its own process. Tables go to
standard output, everything else to standard error. Secrets are never arguments: they come from a
variable or a file.
"""
_COLUMNS = 96


def context_of(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    """Return a command's context, as wide as the page and else as when it is run.

    A command keeps the help option of its first context: another one's names would stay for good.
    """
    settings = {
        **command.context_settings,
        "terminal_width": _COLUMNS,
        "max_content_width": _COLUMNS,
    }
    return click.Context(command, parent, name, **settings)


def commands(context: click.Context) -> Iterator[click.Context]:
    """Yield a command's context and those of all beneath it, in the order of their help."""
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            assert command is not None, name
            yield from commands(context_of(command, name, context))


def cli_page() -> str:
    """Return the page of all commands."""
    root = context_of(troth, "troth", None)
    parts = [_CLI_HEAD]
    for context in commands(root):
        title = context.command_path
        parts.append(f"## {title}\n\n```\n{context.get_help().strip()}\n```\n")
    return "\n".join(parts)


_METRICS_HEAD = """# Metrics

Written by `make docs` from `server/metrics.py`. Prometheus reads them at `/metrics` on the control
port. Labels have closed sets: there is no organization, no key and no address among them.

| name | kind | labels | what it counts |
|---|---|---|---|
"""


def metrics_page() -> str:
    """Return the page of all metrics."""
    rows = []
    for family in Metrics().collect():
        total = "_total" if family.type == "counter" else ""
        labels = ", ".join(f"`{name}`" for name in vars(family)["_labelnames"])
        name = f"`{family.name}{total}`"
        rows.append(f"| {name} | {family.type} | {labels} | {family.documentation} |\n")
    return _METRICS_HEAD + "".join(rows)


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "errors.md": errors_page,
    "metrics.md": metrics_page,
}


def main() -> None:
    """Write all generated pages."""
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
