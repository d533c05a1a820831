"""What a reader notes on its way through a request: sizes, needs, what has no effect."""

from typing import Final

from troth.catalog.model import Feature
from troth.catalog.offering import DataTerm
from troth.gateway.dialects.checks import utf8_bytes
from troth.gateway.exchange import Fields, InputSize

_BASE64_IN: Final = 4
_BASE64_OUT: Final = 3


class Tally:
    """Counts while a request is read; one a request, gone with it."""

    __slots__ = (
        "asks_cache",
        "audio_bytes",
        "dropped",
        "files",
        "images",
        "messages",
        "needs",
        "terms",
        "text_bytes",
        "tokens",
        "tool_bytes",
        "unknown",
        "unknown_nested",
    )

    def __init__(self) -> None:
        self.text_bytes = 0
        self.messages = 0
        self.tool_bytes = 0
        self.images = 0
        self.files = 0
        self.audio_bytes = 0
        self.tokens = 0
        self.asks_cache = False
        self.needs = set[Feature]()
        self.terms = set[DataTerm]()
        self.dropped: list[str] = []
        self.unknown = 0
        self.unknown_nested = 0

    def add_text(self, text: str) -> None:
        """Count a string that the model will read."""
        self.text_bytes += utf8_bytes(text)

    def add_image(self) -> None:
        """Count an image, given as data or as an address."""
        self.images += 1
        self.needs.add("image_input")

    def add_file(self) -> None:
        """Count a document."""
        self.files += 1
        self.needs.add("file_input")

    def add_audio(self, base64_length: int) -> None:
        """Count audio by the size of its data: what a header says of its length is not asked."""
        self.audio_bytes += base64_length * _BASE64_OUT // _BASE64_IN
        self.needs.add("audio_input")

    def drop_unknown(self, count: int) -> None:
        """Count nested fields that nobody knows, so that they are taken out."""
        self.unknown += count
        self.unknown_nested += count

    def size(self) -> InputSize:
        """Return what was counted."""
        return InputSize(
            self.text_bytes,
            self.messages,
            self.tool_bytes,
            self.images,
            self.files,
            self.audio_bytes,
            self.tokens,
            self.asks_cache,
        )


def without_unknown(owner: Fields, known: frozenset[str], tally: Tally) -> Fields:
    """Return the object with known and filled fields only; itself when nothing is to go."""
    if owner.keys() <= known:
        return owner
    kept = {name: value for name, value in owner.items() if name in known}
    tally.drop_unknown(len(owner) - len(kept))
    return kept
