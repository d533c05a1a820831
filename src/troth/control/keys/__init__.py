"""API keys: issued and shown once, listed, rotated, revoked; found by their public id."""

from troth.control.keys.issue import Issued, Minted, issue, mint, revoke, rotate
from troth.control.keys.rows import Key, find, hash_of, is_match, live, of_organization, of_project
from troth.control.keys.terms import Terms, checked

__all__ = [
    "Issued",
    "Key",
    "Minted",
    "Terms",
    "checked",
    "find",
    "hash_of",
    "is_match",
    "issue",
    "live",
    "mint",
    "of_organization",
    "of_project",
    "revoke",
    "rotate",
]
