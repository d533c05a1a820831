"""Tests of the wire without sockets need one loop."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
