"""Marked text in every place that can hold content; afterwards it is nowhere.

The control is a mark of another family that goes where accounts go, on the real ways: the name of
an organization and of a model. The same search must find it in database, journal and metrics.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import cycle, islice
from pathlib import Path

from tests.journeys.marked_requests import EVERYWHERE, Sent
from tests.journeys.patience import unix_seconds
from tests.journeys.raw_http import connect, get, head, hello, post, read
from tests.journeys.serving import House, Key
from troth.proof.canary import Canary, Hit

REQUESTS = 2_000
CALLERS = 8
SIZES = (40, 200, 3_000)
RECENT_SECONDS = 600
TEMPORARY = (Path(os.sep, "tmp"), Path(os.sep, "var", "tmp"), Path(os.sep, "dev", "shm"))


def send(house: House, key: Key, sent: Sent) -> int:
    """Send a marked request; return its status, 0 when we hung up."""
    lines = (f"content-length: {len(sent.body)}", "content-type: application/json", *sent.lines)
    with connect(house.address) as way:
        way.sendall(head(sent.path, sent.key or key.text, *lines) + sent.body)
        if sent.leaves:
            way.settimeout(0.03)
            with suppress(TimeoutError):
                way.recv(1 << 10)
            return 0
        return read(way).status


def send_all(house: House, key: Key, canary: Canary) -> dict[str, set[int]]:
    """Send `REQUESTS` of them, each place in turn; return the statuses by place."""
    statuses: dict[str, set[int]] = {name: set() for name in EVERYWHERE}
    places = list(islice(cycle(EVERYWHERE.items()), REQUESTS))

    def one(number: int) -> None:
        name, maker = places[number]
        text = canary.text(number, SIZES[number // len(EVERYWHERE) % len(SIZES)])
        statuses[name].add(send(house, key, maker(text)))

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(one, range(REQUESTS)))
    return statuses


def everywhere(house: House, canary: Canary) -> list[Hit]:
    """Search every place that could have kept something."""
    found = canary.in_folder(house.folder)
    for pid in house.pids():
        found += canary.in_descriptors(pid)
    for name, text in house.shown().items():
        found += canary.in_bytes(text, name)
    for folder in TEMPORARY:
        for path in recent_files(folder):
            found += canary.in_file(path)
    return found


def recent_files(folder: Path) -> list[Path]:
    """Return the files of the temporary folder that were written since the journeys began."""
    since = unix_seconds() - RECENT_SECONDS
    found = []
    for path in folder.iterdir():
        with suppress(OSError):
            if path.is_file() and path.stat().st_mtime > since:
                found.append(path)
    return found


def test_no_canary_is_found_anywhere(house: House) -> None:
    canary, control = Canary(os.urandom(32)), house.control
    key = house.key(organization=control.text(1), credit_usd="100")
    statuses = send_all(house, key, canary)
    assert {status for found in statuses.values() for status in found} >= {0, 200, 400, 401, 404}
    assert not [name for name, found in statuses.items() if 500 in found]
    assert post(house.address, key.text, hello(house.control_model)).status == 200
    assert get(house.address, key.text, "/v1/models").status == 200
    house.posted(key)
    planted = everywhere(house, control)
    assert kinds(planted, house) >= {"database", "journal", "metrics", "receipts"}
    assert everywhere(house, canary) == []


def kinds(hits: list[Hit], house: House) -> set[str]:
    """Return the kinds of place in which the control was found."""
    found = set()
    for hit in hits:
        if "journal" in hit.place:
            found.add("journal")
        elif hit.place.startswith(str(house.folder)):
            found.add("database")
        else:
            found.add(hit.place)
    return found


def test_the_log_would_show_a_canary(house: House, tmp_path: Path) -> None:
    canary = Canary(os.urandom(32))
    log = tmp_path / "log"
    log.write_bytes(house.shown()["log"] + canary.text(1).encode())
    assert [hit.form for hit in canary.in_file(log)] == ["plain"]
