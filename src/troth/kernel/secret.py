"""`Secret`: a credential in memory. It refuses to be shown; `reveal` is the one way out."""

from typing import final

from troth.kernel.refusing import Refusing


@final
class Secret(Refusing):
    """A string that is never printed, compared, copied or written."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the credential, to be put on the wire and nowhere else."""
        return self._text

    @property
    def is_empty(self) -> bool:
        """Tell whether there is no secret at all."""
        return not self._text
