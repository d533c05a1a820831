"""Gateways wait for the desk: what it does without is loaded later, unless a former one serves."""

import socket
import subprocess
import sys

from troth.server.control_process import _is_told
from troth.server.management_loading import load

LATER = {"fastapi", "psycopg", "uvicorn", "pydantic"}


def test_the_desk_is_loaded_without_the_management_api_and_postgresql() -> None:
    code = "import sys; import troth.server.control_process; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not LATER & set(told.stdout.split())


def test_who_waits_for_a_former_process_loads_all() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert not _is_told(theirs)
        ours.sendall(b"a handover")
        assert _is_told(theirs)
    load()
    assert {"fastapi", "uvicorn"} <= sys.modules.keys()


def test_postgresql_without_its_driver_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from troth.store import engine\n"
        "try: engine.connect('postgresql://nowhere/none')\n"
        "except Exception as error: print(type(error).__name__, error.problem)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.startswith("Misconfigured ")
    assert "troth[postgres]" in told.stdout
