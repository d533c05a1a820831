"""An embeddings answer: floats or base64 as the client asked, whichever the upstream gave."""

import binascii
from base64 import b64decode, b64encode
from math import isfinite
from struct import pack, unpack
from typing import Final

import msgspec
from typing_extensions import override

from troth.catalog.offering import Offering
from troth.gateway.dialects.progress import Progress
from troth.gateway.dialects.usage_objects import embeddings_usage
from troth.gateway.exchange import Ask
from troth.kernel.quantities import Quantities
from troth.providers.counting import embeddings_quantities

_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_FLOAT_BYTES: Final = 4


class _Embedding(msgspec.Struct):
    embedding: str | list[float]
    index: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Embedding]
    usage: msgspec.Raw = msgspec.Raw(b"")


_decode: Final = msgspec.json.Decoder(_Answer).decode
_encode: Final = msgspec.json.Encoder().encode


class EmbeddingsWhole(Progress):
    """Embeddings for clients of OpenAI's dialect."""

    __slots__ = ("_expected", "_model", "_parts", "_wants_base64", "vectors")

    def __init__(self, ask: Ask, offering: Offering) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self.vectors: list[bytes] = []
        self._expected = ask.size.messages
        self._model = offering.model.name
        self._wants_base64 = ask.fields.get("encoding_format") == "base64"

    @override
    def piece(self, data: bytes) -> bytes:
        """Keep the bytes until the answer is whole."""
        self._parts.append(data)
        return b""

    @override
    def ended(self) -> bool:
        """Read the answer; tell whether there is one vector for each input, in their order."""
        body = b"".join(self._parts)
        self._parts.clear()
        try:
            answer = _decode(body)
            self.vectors = self._in_order(answer.data)
        except (*_FAULTS, ValueError, OverflowError):
            self.fail()
            return False
        if answer.usage:
            self.reported = embeddings_quantities(bytes(answer.usage))
        self.delivered_bytes = sum(map(len, self.vectors))
        return True

    @override
    def whole(self, cost_nusd: int, used: Quantities) -> bytes:
        """Return the answer with its cost."""
        rows = [
            b'{"object":"embedding","index":%d,"embedding":%b}' % (at, vector)
            for at, vector in enumerate(self.vectors)
        ]
        return b'{"object":"list","data":[%b],"model":%b,"usage":%b}' % (
            b",".join(rows),
            _encode(self._model),
            embeddings_usage(used, cost_nusd),
        )

    def follow(self, before: "EmbeddingsWhole") -> None:
        """Put vectors and counts of the inputs before these in front of what came of these.

        Nothing came of these where the client left; what came without a count makes it unknown.
        """
        counted, earlier = self.reported, before.reported
        if not self.vectors:
            self.reported = earlier
        elif counted is not None and earlier is not None:
            self.reported = Quantities(input=earlier.input + counted.input)
        else:
            self.reported = None
        self.delivered_bytes += before.delivered_bytes
        before.vectors.extend(self.vectors)
        self.vectors = before.vectors

    def _in_order(self, rows: list[_Embedding]) -> list[bytes]:
        """Return the vectors as JSON in the order of the inputs.

        Raises:
            ValueError: one is missing, comes twice, or is no vector.
        """
        placed: dict[int, bytes] = {}
        for at, row in enumerate(rows):
            placed[at if row.index is None else row.index] = self._written(row.embedding)
        if len(rows) != self._expected or sorted(placed) != list(range(self._expected)):
            raise ValueError
        return [placed[at] for at in range(self._expected)]

    def _written(self, vector: str | list[float]) -> bytes:
        """Return one vector in the form that the client asked for."""
        if isinstance(vector, list):
            return b'"%b"' % b64encode(_packed(vector)) if self._wants_base64 else _encode(vector)
        raw = _unpacked(vector)
        return b'"%b"' % b64encode(raw) if self._wants_base64 else _encode(_floats(raw))


def _packed(vector: list[float]) -> bytes:
    """Return little-endian 32-bit floats.

    Raises:
        OverflowError: a number is too large for one.
    """
    return pack(f"<{len(vector)}f", *vector)


def _unpacked(text: str) -> bytes:
    """Return the bytes of a base64 vector.

    Raises:
        ValueError: it is no base64, or no whole number of floats.
    """
    try:
        raw = b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError from None
    if len(raw) % _FLOAT_BYTES:
        raise ValueError
    return raw


def _floats(raw: bytes) -> tuple[float, ...]:
    """Return the numbers of a vector.

    Raises:
        ValueError: one is infinite or undefined, which JSON cannot say.
    """
    numbers: tuple[float, ...] = unpack(f"<{len(raw) // _FLOAT_BYTES}f", raw)
    if not isfinite(sum(numbers)):
        raise ValueError
    return numbers
