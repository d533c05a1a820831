"""API keys: issued and shown once, listed, rotated, revoked; found by their public id."""

from troth.control.keys.issue import Issued, Minted, issue, mint, revoke, rotate
from troth.control.keys.rows import (
    Key,
    are_more_than,
    find,
    hash_of,
    is_match,
    live,
    live_count,
    of_organization,
    of_project,
)
from troth.control.keys.terms import Terms, checked

__all__ = [
    "Issued",
    "Key",
    "Minted",
    "Terms",
    "are_more_than",
    "checked",
    "find",
    "hash_of",
    "is_match",
    "issue",
    "live",
    "live_count",
    "mint",
    "of_organization",
    "of_project",
    "revoke",
    "rotate",
]
