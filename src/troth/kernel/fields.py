"""The seven kinds of scalar that a log line, a metric or a message of state may hold.

None of them can carry a sentence: numbers, flags, codes from closed lists, references.
"""

from enum import StrEnum
from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0)]
Nusd = int
Status = Annotated[int, msgspec.Meta(ge=0, le=599)]
Flag = bool
Ref = Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,5}_[0-9a-f]{32}$", max_length=38)]


class Code(StrEnum):
    """A closed list; each list is a subclass with members."""


SCALARS = (int, bool, Code)
