"""Real processes, killed or stopped: what a client was told is charged once, nothing else is."""

import random as randomness  # noqa: TID251 - seeded: when to kill
import resource
import select
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builders.spending_child import AT_ONCE
from tests.builders.spending_desk import Line, SpendingDesk
from troth.ledger import books
from troth.ledger.books import verify, wallet_purse
from troth.ledger.shard.messages import SeatClosed
from troth.store.engine import Store

CREDIT = 10**12
SMALL_CREDIT = 3_000_000
SILENT_MS = 40_000
RECOVERY_US = 2_000_000


@pytest.fixture
def books_path(tmp_path: Path) -> Path:
    """On disk: how long recovery takes is measured."""
    return tmp_path


@pytest.mark.parametrize("kills", [12, pytest.param(1_000, marks=pytest.mark.prove)])
def test_a_killed_process_loses_and_doubles_nothing(
    store: Store, tmp_path: Path, figures: Callable[[str], None], kills: int
) -> None:
    desk = SpendingDesk(store)
    random = randomness.Random(7)  # noqa: S311
    folder = tmp_path / "slot"
    folder.mkdir()
    org = desk.organization(CREDIT)
    for seed in range(kills):
        desk.run(folder, seed, org, alive_us=random.randrange(1, 40_000))
    desk.recover(folder)
    assert desk.told.keys() <= desk.posted.keys()
    assert set(desk.posted.values()) == {1}
    assert desk.late == {}
    assert all(desk.charged[reservation] == charge for reservation, charge in desk.told.items())
    assert len(desk.posted) - len(desk.told) <= kills * AT_ONCE
    with store.read() as tx:
        found = books.wallet(tx, org)
        assert verify(tx).problems == []
    assert found == books.Wallet(CREDIT - sum(desk.charged.values()), 0)
    took = sorted(desk.recovered_us)
    figures(
        f"{kills:,} kills, {store.dialect}: {len(desk.told):,} answers, {len(desk.posted):,}"
        f" charges; recovered in {took[len(took) // 2] / 1e3:.0f} ms, at most {took[-1] / 1e3:.0f}"
    )
    assert took[-1 - kills // 100] < RECOVERY_US  # one of a hundred may meet a machine that stands


@pytest.mark.parametrize("stops", [3, pytest.param(60, marks=pytest.mark.prove)])
def test_a_process_stopped_past_its_lease_spends_nothing_twice(
    store: Store, tmp_path: Path, stops: int
) -> None:
    desk = SpendingDesk(store)
    spent = 0
    for turn in range(stops):
        org = desk.organization(SMALL_CREDIT)
        zombie = _stopped(desk, tmp_path / f"zombie-{turn}", org, seed=turn)
        _take_for_dead(desk, zombie)
        heir = _line(tmp_path / f"heir-{turn}", org, seed=1_000 + turn)
        _listen(desk, heir, ms=100)
        zombie.child.send_signal(signal.SIGCONT)
        _listen(desk, zombie, ms=150)
        told = zombie.told
        _listen(desk, zombie, ms=50)
        assert zombie.told == told  # it has heard that its seat is closed
        for line, name in ((zombie, "zombie"), (heir, "heir")):
            line.child.kill()
            while not line.is_gone:
                desk.listen(line)
            line.close()
            desk.recover(tmp_path / f"{name}-{turn}")
        with store.read() as tx:
            wallet = books.wallet(tx, org)
        assert wallet is not None
        charged = sum(desk.charged.values()) - spent
        spent += charged
        assert wallet == books.Wallet(SMALL_CREDIT - charged, 0)
    assert desk.told.keys() <= desk.posted.keys()
    assert set(desk.posted.values()) == {1}
    assert all(
        desk.charged[reservation] + desk.late.get(reservation, 0) == charge
        for reservation, charge in desk.told.items()
    )
    with store.read() as tx:
        assert verify(tx).problems == []
        assert books.balance(tx, books.OperatorBook.ORPHAN) == -sum(desk.late.values())


def test_a_full_disk_stops_promises_until_there_is_space_again(
    store: Store, tmp_path: Path
) -> None:
    desk = SpendingDesk(store)
    org = desk.organization(CREDIT)
    line = _line(tmp_path / "slot", org, seed=1)
    while not line.told:
        desk.listen(line)
    _let_files_grow(line, 0)
    told = -1
    while told != line.told:  # until what was laid out before is full
        told = line.told
        _listen(desk, line, ms=200)
    full_at = line.told
    _let_files_grow(line, resource.RLIM_INFINITY)
    until = desk.clock.monotonic_ns() + 5_000_000_000
    while line.told == full_at and desk.clock.monotonic_ns() < until:
        desk.listen(line)
    assert line.told > full_at
    line.child.kill()
    while not line.is_gone:
        desk.listen(line)
    line.close()
    desk.recover(tmp_path / "slot")
    assert all(desk.charged[reservation] == charge for reservation, charge in desk.told.items())
    with store.read() as tx:
        assert verify(tx).problems == []
        assert books.wallet(tx, org) == books.Wallet(CREDIT - sum(desk.charged.values()), 0)


def _let_files_grow(line: Line, size: int) -> None:
    """Set how large a file the process may make, as a disk without space would."""
    resource.prlimit(line.child.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def _line(folder: Path, org: bytes, seed: int) -> Line:
    folder.mkdir()
    return Line(folder, seed, (wallet_purse(org),))


def _stopped(desk: SpendingDesk, folder: Path, org: bytes, seed: int) -> Line:
    """Return a process that was stopped while it spent, with words of it still unheard."""
    line = _line(folder, org, seed)
    while not line.told:
        desk.listen(line)
    select.select([line.end], [], [], 5)
    line.child.send_signal(signal.SIGSTOP)
    return line


def _take_for_dead(desk: SpendingDesk, line: Line) -> None:
    """Let the desk's time pass until the seat's leases are taken back, and tell it so."""
    desk.teller.left(line.seat)
    desk.ahead_ms += SILENT_MS
    with desk.store.write() as tx:
        sent = desk.teller.reclaim(tx, desk.now_ms())
    assert (line.seat, SeatClosed(line.seat)) in sent
    line.channel.send(SeatClosed(line.seat))


def _listen(desk: SpendingDesk, line: Line, *, ms: int) -> None:
    until = desk.clock.monotonic_ns() + ms * 1_000_000
    while desk.clock.monotonic_ns() < until:
        desk.listen(line)
