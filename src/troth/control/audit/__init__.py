"""Who changed what: an append-only list in which each entry's hash covers the one before."""

from troth.control.audit.entries import Action, Actor, Entry, append, recent, verify

__all__ = ["Action", "Actor", "Entry", "append", "recent", "verify"]
