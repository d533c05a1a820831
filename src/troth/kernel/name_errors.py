"""Errors about names that callers give to their requests: leaves of the tree in `kernel.errors`."""

from typing import ClassVar

from typing_extensions import override

from troth.kernel.errors import Refused


class NameTaken(Refused):
    """A request came again under its name, its `idempotency-key`, and must not run twice."""

    code = "conflict"
    sentence = "A request with this idempotency key was sent before."


class AlreadyRunning(NameTaken):
    """The request of this name is under way, or nobody knows how it ended."""

    code = "already_running"
    sentence = (
        "A request with this idempotency key is under way or has just ended. Send it again in a "
        "second to hear how it ended; it does not run twice."
    )
    retry_after_ms: ClassVar[int] = 1_000


class AlreadyCharged(NameTaken):
    """The request of this name was answered; answers are not kept."""

    code = "already_charged"
    sentence = (
        "A request with this idempotency key was answered and charged. Answers are not kept; its "
        "receipt is '/v1/receipts/{}'. Take a new key to ask once more."
    )

    def __init__(self, request_id: str, cost_nusd: int) -> None:
        """Keep which request it was, and its charge."""
        super().__init__("idempotency-key")
        self.request_id = request_id
        self.cost_nusd = cost_nusd

    @property
    @override
    def message(self) -> str:
        """The sentence with the receipt."""
        return self.sentence.format(self.request_id)


class NameReused(Refused):
    """A request's name came again with another body or at another endpoint."""

    code = "idempotency_key_reused"
    sentence = "This idempotency key was given to another request. Take a new one for each."

    def __init__(self) -> None:
        """Name the header that is at fault."""
        super().__init__("idempotency-key")
