"""Which status a failure would have had, had its stream not begun: it chooses the event's type."""

from typing import Final

from troth.kernel.errors import CreditsEnded, UpstreamFailed, UpstreamTimeout

_BAD_GATEWAY: Final = 502
_STATUSES: Final[dict[type[UpstreamFailed], int]] = {CreditsEnded: 402, UpstreamTimeout: 504}


def status_in_stream(error: UpstreamFailed) -> int:
    """Return the status that chooses the type in the error event of a begun stream."""
    return _STATUSES.get(type(error), _BAD_GATEWAY)
