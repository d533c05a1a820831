"""What a gateway process has loaded is a checked-in list: no database, no spool, no client."""

import os
import subprocess
import sys
from functools import cache

from tests.structure.source import ROOT, SRC

LIST = ROOT / "tests" / "structure" / "gateway_modules.txt"
PROBE = "import sys, troth.server.gateway_process; print(*sorted(sys.modules), sep='\\n')"
DEEP = ("troth.server", "troth.ledger", "troth.catalog", "troth.policy", "troth.routing")
NOISE = frozenset(("__main__", "_distutils_hack", "cython_runtime"))
REFUSED = frozenset(
    (
        "sqlite3",
        "_sqlite3",
        "dbm",
        "shelve",
        "pickle",
        "tempfile",
        "multiprocessing",
        "smtplib",
        "http.client",
        "http.server",
        "urllib.request",
        "xmlrpc",
        "ftplib",
        "cProfile",
        "pdb",
        "faulthandler",
    )
)


@cache
def loaded(probe: str = PROBE) -> frozenset[str]:
    """Return the modules of a fresh process that has run the probe."""
    environment = {"PYTHONPATH": str(SRC), "PATH": os.defpath}
    command = [sys.executable, "-c", probe]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return frozenset(run.stdout.split())


def listed(modules: frozenset[str]) -> set[str]:
    """Return what the list speaks of: packages from outside, planes, the edge file by file."""
    found = set()
    for name in modules:
        top = name.partition(".")[0]
        if name.startswith(DEEP):
            found.add(".".join(name.split(".")[:3]))
        elif top == "troth":
            found.add(".".join(name.split(".")[:2]))
        elif top not in sys.stdlib_module_names and not top.startswith("_cython"):
            found.add(top)
    return found - NOISE


def test_a_gateway_process_loads_what_is_listed() -> None:
    assert sorted(listed(loaded())) == LIST.read_text("utf-8").split()


def test_a_gateway_process_loads_nothing_refused() -> None:
    assert sorted(loaded() & REFUSED) == []


def test_a_planted_module_is_found() -> None:
    modules = loaded(PROBE.replace("import sys", "import sys, sqlite3, click, troth.store"))
    assert {"click", "troth.store"} <= listed(modules)
    assert "sqlite3" in modules & REFUSED
