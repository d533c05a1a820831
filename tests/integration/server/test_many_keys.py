"""More keys than gateways are told of: each is asked for when it comes, and changes reach it."""

import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import pytest

from tests.builders.installation import Installed, installed
from tests.journeys.patience import Stopwatch
from troth.server import snapshot

FEW = snapshot.KEYS_MAX + 1
MANY = 1_000_000
START_SECONDS = 2
MORE_SECONDS = 0.25
"""What a million keys may add: each process would need more than that to read them."""

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


def used() -> float:
    """Return the seconds of a core that processes which have ended took."""
    usage = getrusage(RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def started(folder: Path, key: str) -> tuple[float, float]:
    """Start an installation, ask it once and end it.

    Returns the seconds of a core that its processes took for all of that, and the seconds that
    passed until the answer: those hang on what else the machine has to do.
    """
    before, watch = used(), Stopwatch()
    with installed(folder, erase_on_free=False) as house:
        assert house.ask(key, max_tokens=1).status == 200
        passed = watch.seconds
    return used() - before, passed


def known(house: Installed, key: str) -> int:
    return house.ask(key, max_tokens=1).status


@pytest.mark.prove
def test_a_million_keys_start_as_one_does(tmp_path: Path, figures: Callable[[str], None]) -> None:
    keys = {}
    for name in ("one", "many"):
        with installed(tmp_path / name, erase_on_free=False) as house:
            keys[name] = house.organization("acme")
    crowd(tmp_path / "many", keys["many"][9:21], MANY)
    # By turns: both meet whatever else the machine does.
    rounds = [{name: started(tmp_path / name, key) for name, key in keys.items()} for _ in range(5)]
    one, many = (min(each[name] for each in rounds) for name in ("one", "many"))
    figures(
        f"a start with one key took {one[0]:.2f} s of a core and {one[1]:.2f} s, with {MANY:,}"
        f" {many[0]:.2f} s of a core and {many[1]:.2f} s"
    )
    assert many[0] < START_SECONDS
    assert many[0] < one[0] + MORE_SECONDS


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
