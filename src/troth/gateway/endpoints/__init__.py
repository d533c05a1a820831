"""What is served at which path, and what is refused with the clause that forbids it."""

from troth.gateway.endpoints.table import Match, Purpose, find

__all__ = ["Match", "Purpose", "find"]
