"""Under which names the twin's real servers offer their models."""

from typing import Final

CHAT: Final = "tiny-chat"
EMBEDDINGS: Final = "multilingual-e5-small-q4"
