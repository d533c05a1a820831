"""Credit that nobody paid for: codes to redeem, and what the terms owe for downtime."""

from troth.control.promotions.codes import (
    CODE_BYTES,
    Code,
    CodeTerms,
    attempt,
    code_text,
    create,
    digest_of,
    on_list,
    redeem,
    revoke,
)
from troth.control.promotions.expiry import expire
from troth.control.promotions.uptime import Owed, credit_owed, owed, percent_for

__all__ = [
    "CODE_BYTES",
    "Code",
    "CodeTerms",
    "Owed",
    "attempt",
    "code_text",
    "create",
    "credit_owed",
    "digest_of",
    "expire",
    "on_list",
    "owed",
    "percent_for",
    "redeem",
    "revoke",
]
