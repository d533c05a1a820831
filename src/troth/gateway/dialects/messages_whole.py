"""A buffered message for a messages client, as the published type has it."""

from typing import Final

import msgspec
from typing_extensions import override

from troth.catalog.offering import Offering
from troth.gateway.dialects import messages_writer as write
from troth.gateway.dialects.messages_shapes import (
    LENGTH_REASONS,
    STOP_REASONS,
    Answer,
    BlockOut,
    block_out,
    size_of_block,
)
from troth.gateway.dialects.progress import Progress
from troth.kernel.quantities import Quantities
from troth.providers.counting import anthropic_quantities

_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_decode: Final = msgspec.json.Decoder(Answer).decode


class MessagesWhole(Progress):
    """Buffered answers from Anthropic-style upstreams to messages clients."""

    __slots__ = ("_blocks", "_identity", "_is_exact", "_parts", "_reason")

    def __init__(self, offering: Offering, answer_id: str) -> None:
        """`answer_id` is used where the answer is rewritten."""
        super().__init__()
        self._parts: list[bytes] = []
        self._blocks: list[BlockOut] = []
        self._is_exact = offering.exact
        self._identity = (answer_id, offering.model.name)
        self._reason: tuple[str, str | None] = ("end_turn", None)

    @override
    def piece(self, data: bytes) -> bytes:
        """Keep the bytes until the answer is whole."""
        self._parts.append(data)
        return b""

    @override
    def ended(self) -> bool:
        """Read the answer; tell whether it is a message that stopped."""
        body = b"".join(self._parts)
        self._parts.clear()
        try:
            answer = _decode(body)
        except _FAULTS:
            self.fail()
            return False
        if answer.content is None or answer.stop_reason is None:
            self.fail()
            return False
        self._read(answer, answer.stop_reason)
        return True

    @override
    def whole(self, cost_nusd: int, used: Quantities) -> bytes:
        """Return the message."""
        return write.whole(self._identity, self._blocks, self._reason, used)

    def _read(self, answer: Answer, reason: str) -> None:
        for block in answer.content or ():
            shown = block_out(block)
            if shown is None:
                self.alarms += 1
            else:
                self._blocks.append(shown)
                self.delivered_bytes += size_of_block(shown)
        if reason not in STOP_REASONS:
            reason = "end_turn"
            self.alarms += 1
        self._reason = (reason, answer.stop_sequence)
        self.hit_length = reason in LENGTH_REASONS
        if answer.usage:
            self.reported = anthropic_quantities(bytes(answer.usage))
        if self._is_exact:
            self._identity = (answer.id, answer.model)
