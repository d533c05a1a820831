"""Fetches the ledger page by page and writes it to a file with a hash at its end."""

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from troth.cli.client import Client

_ALL_DAYS: Final = -1
_STEP: Final = 2_000


class Written(msgspec.Struct, frozen=True):
    """How many lines were written, and the hash of them."""

    lines: int
    sha256: str


class _End(msgspec.Struct, frozen=True, tag="end", tag_field="t"):
    lines: int
    sha256: str


class _Line(msgspec.Struct, frozen=True):
    """What the reader of pages has to know of a line."""

    t: str
    desk: int = 0
    n: int = 0
    day: int = 0
    open_day: int = 0


def write(client: Client, file: Path) -> Written:
    """Write the ledger; the file takes its name when it is whole, and nothing is left of a part."""
    partial = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        partial.touch(mode=0o600, exist_ok=False)
        written = _write(client, partial)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return written


def _write(client: Client, file: Path) -> Written:
    digest = sha256()
    count = 0
    with file.open("wb") as out:
        for page in _pages(client):
            digest.update(page)
            count += page.count(b"\n")
            out.write(page)
        end = _End(count, digest.hexdigest())
        out.write(msgspec.json.encode(end) + b"\n")
        out.flush()
        os.fsync(out.fileno())
    return Written(end.lines, end.sha256)


def _pages(client: Client) -> Iterator[bytes]:
    first = client.get("ledger", "export")
    yield first
    heads = []
    open_day = 0
    for text in first.splitlines():
        line = msgspec.json.decode(text, type=_Line)
        if line.t == "head":
            heads.append(line)
        elif line.t == "ledger":
            open_day = line.open_day
        else:
            break
    yield from _closes(client, open_day)
    for head in heads:
        for after in range(0, head.n, _STEP):
            until = min(head.n, after + _STEP)
            yield client.get(
                "ledger", "export", "batches", desk=head.desk, after=after, until=until
            )


def _closes(client: Client, open_day: int) -> Iterator[bytes]:
    after = _ALL_DAYS
    while page := client.get("ledger", "export", "closes", after_day=after, until_day=open_day):
        yield page
        after = msgspec.json.decode(page.splitlines()[-1], type=_Line).day
