"""More keys than gateways are told of: each is asked for when it comes, and changes reach it."""

import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.builders.installation import Installed, installed
from tests.journeys.patience import Stopwatch
from troth.server import snapshot

FEW = snapshot.KEYS_MAX + 1
MANY = 1_000_000
START_SECONDS = 2

COPY = """
INSERT INTO api_key (ref, public_id, org, name, hash, models, networks, created_at, expires_at,
  requests_per_minute, tokens_per_minute, concurrency, may_read_wallet)
SELECT ?, ?, org, name, hash, models, networks, created_at, expires_at, requests_per_minute,
  tokens_per_minute, concurrency, may_read_wallet FROM api_key WHERE public_id = ?"""


def crowd(folder: Path, public_id: str, count: int) -> None:
    """Write rows of keys that nobody has, like one that somebody has."""
    with closing(sqlite3.connect(folder / "troth.db")) as connection, connection:
        ids = ((secrets.token_bytes(16), secrets.token_hex(6), public_id) for _ in range(count))
        connection.executemany(COPY, ids)


def started(folder: Path, key: str) -> float:
    """Return how long an installation took from its start to a first answer, in seconds."""
    watch = Stopwatch()
    with installed(folder, erase_on_free=False) as house:
        assert house.ask(key, max_tokens=1).status == 200
        return watch.seconds


def known(house: Installed, key: str) -> int:
    return house.ask(key, max_tokens=1).status


@pytest.mark.prove
def test_a_million_keys_start_within_two_seconds(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with installed(folder, erase_on_free=False) as house:
        key = house.organization("acme")
    crowd(folder, key[9:21], MANY)
    assert min(started(folder, key) for _ in range(3)) < START_SECONDS


def test_keys_are_asked_for_when_they_come(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with installed(folder, erase_on_free=False) as house:
        key = house.organization("acme")
    crowd(folder, key[9:21], FEW)
    with installed(folder, gateways=2, erase_on_free=False) as house:
        assert {known(house, key) for _ in range(6)} == {200}
        fresh = house.manage("POST", "/organizations/acme/keys", {"name": "fresh"}).text
        assert {known(house, fresh) for _ in range(6)} == {200}
        wrong = key[:-1] + ("0" if key[-1] != "0" else "1")
        assert {known(house, wrong), known(house, "sk-troth-unknown")} == {401}
        house.manage("POST", f"/keys/{fresh[9:21]}/revoke")
        assert {known(house, fresh) for _ in range(6)} == {401}
        assert {known(house, key) for _ in range(6)} == {200}
        house.manage("POST", "/organizations/acme/freeze")
        assert {known(house, key) for _ in range(6)} == {403}
