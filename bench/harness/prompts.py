"""The requests of the bench, as files that the load generator sends unchanged.

About 1 kB each. What a stream shall do is written into the prompt and read by the mock upstream.
"""

from pathlib import Path
from typing import Literal

import msgspec

Dialect = Literal["chat", "messages", "embeddings"]

RULES = "You are the assistant of a bench and answer each question with a text of common length. "
FILLER = "A question of common length asks for the reasons of a thing and names a few of them. "


class Prompt(msgspec.Struct, frozen=True):
    """One kind of request: its dialect, the events asked for (0: not streamed), and its size."""

    dialect: Dialect = "chat"
    events: int = 0
    every_ms: int = 0
    size: int = 1_000
    max_tokens: int = 256

    @property
    def path(self) -> str:
        """Path of the endpoint, without the base path of a gateway."""
        names = {"chat": "/chat/completions", "messages": "/messages", "embeddings": "/embeddings"}
        return names[self.dialect]

    def body(self, model: str) -> bytes:
        """Return the request's JSON."""
        asked = f"troth-bench events={self.events} every_ms={self.every_ms} " if self.events else ""
        filler = FILLER * (1 + max(0, self.size - 460) // len(FILLER))
        question = asked + filler[: max(0, self.size - 460)]
        if self.dialect == "embeddings":
            return msgspec.json.encode({"model": model, "input": question})
        turns = [{"role": "user", "content": question}]
        if self.dialect == "messages":
            wanted = {"model": model, "max_tokens": self.max_tokens, "system": RULES * 3}
            wanted |= {"messages": turns, "stream": bool(self.events)}
            return msgspec.json.encode(wanted)
        turns = [{"role": "system", "content": RULES * 3}, *turns]
        wanted = {"model": model, "messages": turns, "max_tokens": self.max_tokens}
        wanted["temperature"] = 0.7
        if self.events:
            wanted |= {"stream": True, "stream_options": {"include_usage": True}}
        return msgspec.json.encode(wanted)

    def write(self, folder: Path, model: str) -> Path:
        """Write the body into a folder and return the file."""
        sizes = f"{self.size}-{self.max_tokens}"
        name = f"{self.dialect}-{self.events}-{self.every_ms}-{sizes}-{model}.json"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name.replace("/", "_").replace(":", "_")
        path.write_bytes(self.body(model))
        return path
