"""Chunked request bodies, decoded strictly at any split of the bytes."""

import re

from troth.wire.framing import BODY_TOO_LARGE, FIELD_BYTES, TOKEN, Refusal

# An extension after the size is allowed by the standard, without meaning, and ignored.
SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;[\t\x20-\x7e]*)?")
SIZE_LINE_BYTES = 256
TRAILER_BYTES = 8_192
# Chunks of a byte or two are six times their content in work: some are free, the rest must be
# worth it.
FREE_CHUNKS = 4_096
CHUNK_BYTES = 64

_SIZE, _DATA, _AFTER, _TRAILER, _ENDED = range(5)


class Chunks:
    """The decoder of one body. `size` counts what it has been promised so far, in bytes."""

    __slots__ = ("_count", "_left", "_limit", "_line", "_state", "_trailer_bytes", "size")

    def __init__(self, limit: int) -> None:
        self.size = 0
        self._count = 0
        self._limit = limit
        self._left = 0
        self._line = b""
        self._state = _SIZE
        self._trailer_bytes = 0

    @property
    def is_complete(self) -> bool:
        """Whether the last chunk and its trailer have been read."""
        return self._state == _ENDED

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the decoded bytes of this read, and what stands behind the end of the body.

        Raises:
            Refusal: 400 for bytes that are no chunk, 413 beyond the limit.
        """
        pieces: list[bytes] = []
        at = 0
        while at < len(data) and self._state != _ENDED:
            if self._state == _DATA:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if self._left:
                    break
                if data[at : at + 2] == b"\r\n":
                    self._state = _SIZE
                    at += 2
                else:
                    self._state = _AFTER
            else:
                at = self._read_line(data, at)
        return b"".join(pieces), data[at:]

    def _read_line(self, data: bytes, at: int) -> int:
        """Take the line that starts at `at`, or what there is of it; return where it ends."""
        end = data.find(b"\n", at)
        stop = len(data) if end < 0 else end + 1
        line = self._line + data[at:stop]
        if len(line) > SIZE_LINE_BYTES and self._state != _TRAILER:
            raise Refusal(400)
        if len(line) + self._trailer_bytes > TRAILER_BYTES:
            raise Refusal(431, "headers_too_large")
        if end < 0:
            if b"\r" in line[:-1]:
                raise Refusal(400)
            self._line = line
            return stop
        self._line = b""
        if line[-2:] != b"\r\n" or b"\r" in line[:-2]:
            raise Refusal(400)
        self._take_line(line[:-2])
        return stop

    def _take_line(self, line: bytes) -> None:
        if self._state == _SIZE:
            self._take_size(line)
        elif self._state == _AFTER:
            if line:
                raise Refusal(400)
            self._state = _SIZE
        elif line:
            self._take_trailer(line)
        else:
            self._state = _ENDED

    def _take_size(self, line: bytes) -> None:
        match = SIZE_LINE.fullmatch(line)
        if match is None:
            raise Refusal(400)
        self._left = int(match[1], 16)
        self.size += self._left
        self._count += 1
        if self.size > self._limit:
            raise Refusal(413, BODY_TOO_LARGE)
        if self._count > FREE_CHUNKS + self.size // CHUNK_BYTES:
            raise Refusal(400)
        self._state = _DATA if self._left else _TRAILER

    def _take_trailer(self, line: bytes) -> None:
        """Check a trailer and forget it: nothing here reads one."""
        name, colon, value = line.partition(b":")
        if not colon or not TOKEN.fullmatch(name) or value.translate(None, FIELD_BYTES):
            raise Refusal(400)
        self._trailer_bytes += len(line) + 2
