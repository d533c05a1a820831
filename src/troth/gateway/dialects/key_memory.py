"""The JSON decoder keeps short keys of objects that it read; this makes it keep ours instead.

msgspec shares keys of up to 32 bytes between all objects that it decodes, by a table without an
end of its own: the names of a tool's parameters would stay readable long after their request. The
table has one place for many keys, and a new key takes its place: reading one key of ours for each
place leaves nothing of anybody else's.
"""

from typing import Final

import msgspec

_CANDIDATES: Final = 8_192
"""Sixteen for each place that the table has: chances that one has none are 1 in 10,000."""

_decode: Final = msgspec.json.Decoder(dict[str, None]).decode
_encode: Final = msgspec.json.Encoder().encode


class KeyMemory:
    """One key for each place of the decoder's table, found by watching which ones it keeps."""

    __slots__ = ("_document",)

    def __init__(self) -> None:
        names = [f"place-{number}" for number in range(_CANDIDATES)]
        read = {name: name for name in _decode(_object_of(names))}
        # Backwards: of the keys of one place the last was kept, and is the first to be asked for.
        kept = [name for name in reversed(names) if _read_alone(name) is read[name]]
        self._document = _object_of(kept)

    def overwrite(self) -> None:
        """Let no key of a request be kept. Takes about 50 microseconds."""
        _decode(self._document)


def _object_of(names: list[str]) -> bytes:
    return _encode(dict.fromkeys(names))


def _read_alone(name: str) -> str:
    return next(iter(_decode(_object_of([name]))))
