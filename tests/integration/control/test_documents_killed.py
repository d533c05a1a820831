"""Two processes freeze documents and are killed at any point: no gap, none twice, none half."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep

from tests.builders import freezing_child
from tests.structure.source import ROOT
from troth.control import accounts, documents
from troth.control.audit import Actor
from troth.kernel.ids import system_entropy
from troth.kernel.sealer import Sealer
from troth.server.office import Office

ROUNDS = (7, 12)
SEALER = Sealer(freezing_child.KEY, system_entropy, "people")


@contextmanager
def freezing(url: str, organization: str) -> Iterator[None]:
    """Let two processes freeze documents; kill them at the end, wherever they are."""
    command = [sys.executable, "-m", freezing_child.__name__, url, organization]
    pipe = subprocess.PIPE
    children = [subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe) for _ in range(2)]
    try:
        for child in children:
            assert child.stdout
            assert child.stdout.readline() == b"begun\n"
        for child in children:
            assert child.stdin
            child.stdin.write(b"go\n")
            child.stdin.flush()
        yield
    finally:
        for child in children:
            child.send_signal(signal.SIGKILL)
            child.communicate()


def count(office: Office) -> int:
    with office.store.read() as tx:
        return tx.number("SELECT count(*) FROM document")


def test_processes_that_are_killed_leave_no_gap(office: Office, url: str, actor: Actor) -> None:
    with office.store.write() as tx:
        ada = accounts.create(tx, actor, office.maker.raw(), "Ada")
    for more in ROUNDS:
        before = count(office)
        with freezing(url, ada.ref):
            while count(office) < before + more:
                sleep(0.01)
    with office.store.read() as tx:
        assert documents.check(tx, SEALER).problems == []
        rows = tx.rows("SELECT number FROM document ORDER BY number", (), tuple[str])
    series = rows[0][0][:-6]
    assert rows == [(f"{series}{n:06d}",) for n in range(1, len(rows) + 1)]
