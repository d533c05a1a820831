"""Where log lines go."""

import os
from contextlib import suppress
from typing import Final

_STANDARD_ERROR: Final = 2


def to_standard_error(line: bytes) -> None:
    """Write a log line; one that cannot be written, for want of space, is lost alone."""
    with suppress(OSError):
        os.write(_STANDARD_ERROR, line)
