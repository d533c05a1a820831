"""Takes an upstream's stream apart: by its usual event where it fits, else event by event."""

from typing import Final

from typing_extensions import override

from troth.gateway.dialects.progress import Progress
from troth.gateway.dialects.usual_event import UsualEvent
from troth.wire.events import Event, Splitter, StreamTooLarge

_END: Final = b"\n\n"


class EventStream(Progress):
    """What all renderings of a stream share; a subclass says what each event becomes."""

    __slots__ = ("_is_over", "_splitter", "_usual")

    def __init__(self) -> None:
        super().__init__()
        self._splitter = Splitter()
        self._usual = UsualEvent()
        self._is_over = False

    @override
    def piece(self, data: bytes) -> bytes:
        """Take bytes of the upstream's body; return what the client sees of them."""
        if self._splitter.is_between:
            shown = self._usual.shown(data, self)
            if shown:
                return shown
        if self.failure is not None:
            return b""
        if data.endswith(_END) and self.is_within_text():
            blocks = data[: -len(_END)].split(_END)  # several where the upstream was quicker
            return b"".join([self._whole(block + _END) for block in blocks])
        return self.split(data)

    def _whole(self, data: bytes) -> bytes:
        """Return what becomes of one event, or of what else ends like one."""
        if self._is_over or not self._splitter.is_between:
            return self.split(data)
        return self._usual.shown(data, self) or self.one(data)

    def split(self, data: bytes) -> bytes:
        """Take bytes of any form; return what their events become."""
        if self.failure is not None:
            return b""
        try:
            events = self._splitter.feed(data)
        except StreamTooLarge:
            self.fail()
            return b""
        if len(events) == 1:
            return self.event(events[0])
        return b"".join(map(self.event, events))

    @override
    def fail(self) -> None:
        """Note that the upstream sent what is no answer: nothing more is shown."""
        super().fail()
        self._usual.forget()

    def is_within_text(self) -> bool:
        """Tell whether usual events may come now. A subclass says it."""
        return False

    def one(self, data: bytes) -> bytes:
        """Return what becomes of bytes that begin and end with an event. A subclass is quicker."""
        return self.split(data)

    def event(self, event: Event) -> bytes:  # noqa: ARG002
        """Return what an event becomes that was split off. A subclass says it."""
        return b""
