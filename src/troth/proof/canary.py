"""Search for content where none may be: files, open descriptors, the memory of a process.

A canary is a text that nobody else would write. It goes into every place of a request that can
hold content; afterwards each place that could have kept it is searched for the canary's stem, in
every form in which a program may have written it down. A search that finds nothing proves nothing
until it has found a canary that was planted: tests plant one in each kind of place first.
"""

import os
import re
import stat
from base64 import b64encode
from binascii import hexlify
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

STEM_BYTES: Final = 18
_CHUNK: Final = 1 << 24
_SIGNS: Final = b"abcdefghijkmnpqrstuvwxyz23456789"
_REGION: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r(\S*) \S+ \S+ \S+ *(.*)")
_UNREADABLE: Final = frozenset({"[vvar]", "[vvar_vclock]", "[vsyscall]"})


class Hit(msgspec.Struct, frozen=True, order=True):
    """One find: where, at which byte, in which form. Never what stands around it."""

    place: str
    offset: int
    form: str


class Canary:
    """A family of texts with one stem: whoever finds the stem has found content."""

    def __init__(self, entropy: bytes) -> None:
        assert len(entropy) >= STEM_BYTES
        stem = bytes(_SIGNS[byte % len(_SIGNS)] for byte in entropy[:STEM_BYTES])
        self.stem = stem.decode()
        self._forms = forms_of(stem)

    def text(self, number: int, size: int = 0) -> str:
        """Return the canary of a number; `size` characters of it over and over, if given."""
        one = f"{self.stem}{number:06d} "
        return (one * (size // len(one) + 1))[:size] if size else one.strip()

    def in_bytes(self, data: bytes, place: str, start: int = 0) -> Iterator[Hit]:
        """Yield each find in these bytes; `start` is added to the offsets."""
        for form, pattern in self._forms.items():
            at = data.find(pattern)
            while at >= 0:
                yield Hit(place, start + at, form)
                at = data.find(pattern, at + len(pattern))

    def in_folder(self, folder: Path) -> list[Hit]:
        """Search each file beneath a folder, and the names of files."""
        found: set[Hit] = set()
        for path in sorted(folder.rglob("*")):
            found.update(self.in_bytes(str(path).encode(), f"name of {path.name}"))
            if path.is_file():
                found.update(self.in_file(path))
        return sorted(found)

    def in_file(self, path: Path) -> Iterator[Hit]:
        """Search one file."""
        with path.open("rb") as file:
            yield from self._in_pieces(iter(lambda: file.read(_CHUNK), b""), str(path), 0)

    def in_process(self, pid: int) -> list[Hit]:
        """Search all memory of a process that can be read; needs the right to trace it."""
        found: set[Hit] = set()
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            for start, end, name in regions(pid):
                pieces = _pieces(memory.fileno(), start, end)
                found.update(self._in_pieces(pieces, name or "anonymous", start))
        return sorted(found)

    def in_descriptors(self, pid: int) -> list[Hit]:
        """Search the files that a process has open: also those that have no name any more."""
        found: set[Hit] = set()
        for entry in sorted(Path(f"/proc/{pid}/fd").iterdir()):
            try:
                is_file = stat.S_ISREG(entry.stat().st_mode)
                if is_file:
                    found.update(self.in_file(entry))
            except FileNotFoundError:
                continue
        return sorted(found)

    def _in_pieces(self, pieces: Iterable[bytes], place: str, start: int) -> Iterator[Hit]:
        """Search bytes that come in pieces; a find across a seam is found once."""
        overlap = max(map(len, self._forms.values())) - 1
        rest = b""
        at = start
        for piece in pieces:
            window = rest + piece
            base = at - len(rest)
            yield from self.in_bytes(window, place, base)
            at += len(piece)
            rest = window[-overlap:]


def forms_of(stem: bytes) -> Mapping[str, bytes]:
    """Return the stem in each form in which a program may write it down."""
    text = stem.decode()
    forms = {
        "plain": stem,
        "utf-16": text.encode("utf-16-le"),
        "utf-32": text.encode("utf-32-le"),
        "hex": hexlify(stem),
        "upper hex": hexlify(stem).upper(),
        "upper case": stem.upper(),
    }
    for shift in range(3):
        # Of a text in base64, groups that lie within the stem; it may begin at any of three places.
        packed = b64encode(bytes(shift) + stem)
        forms[f"base64 at {shift}"] = packed[4 if shift else 0 : (shift + len(stem)) // 3 * 4]
    return forms


def regions(pid: int) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and name of each readable part of a process's memory."""
    for line in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines():
        found = _REGION.match(line)
        if found and found[4] not in _UNREADABLE:
            yield int(found[1], 16), int(found[2], 16), found[4]


def _pieces(descriptor: int, start: int, end: int) -> Iterator[bytes]:
    """Yield a region's bytes; what went away meanwhile ends it."""
    while start < end:
        try:
            piece = os.pread(descriptor, min(_CHUNK, end - start), start)
        except OSError:
            return
        if not piece:
            return
        yield piece
        start += len(piece)
