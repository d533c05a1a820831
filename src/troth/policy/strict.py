"""Clauses of the `strict` profile that the request path names when it refuses."""

from typing import Final

CONTENT_AT_REST: Final = "P-content-1"
"""Content is not kept beyond the request; whatever would need it at rest is refused."""

PROFILE: Final = "strict"
