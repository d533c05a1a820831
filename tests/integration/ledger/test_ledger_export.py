"""An exported ledger can be checked by others, and no changed line goes unseen."""

import re
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from tests.builders.money_world import USD, MoneyWorld
from tests.structure.source import ROOT
from troth.control import reports, usage
from troth.ledger import books
from troth.ledger.books import close_day, verify, wallet_purse
from troth.ledger.books.chain import MS_OF_DAY
from troth.proof import auditor
from troth.proof.auditor import Audit
from troth.store import engine

Line = dict[str, str | int | None]


def spend_some_days(world: MoneyWorld, days: int = 3) -> None:
    orgs = world.organization(USD), world.organization(USD)
    gateway = world.gateway()
    for day in range(days):
        for org in orgs:
            gateway.spend((wallet_purse(org),), 1_000, 300 + day)
            world.pump()
        world.credit(orgs[0], 50)
        if day + 1 < days:
            world.clock.advance(MS_OF_DAY)
            gateway.shard.beat(world.clock.monotonic_ns())
            with world.store.write() as tx:
                close_day(tx, world.clock.now_ms())


def exported(world: MoneyWorld) -> list[bytes]:
    """Return the lines of an export without its end."""
    with world.store.read() as tx:
        body = reports.opening(tx, world.clock.now_ms())
        day = tx.row("SELECT day FROM open_day", (), tuple[int])
        body += reports.closes(tx, -1, day[0] if day else 0, 99)
        for head in reports.heads(tx):
            body += reports.batches(tx, head.desk, 0, head.n)
    return body.splitlines(keepends=True)


def ended(lines: list[bytes]) -> list[bytes]:
    """Return lines with an end that fits them, as a forger would write it."""
    digest = sha256(b"".join(lines)).hexdigest()
    end = {"t": "end", "lines": len(lines), "sha256": digest}
    return [*lines, msgspec.json.encode(end) + b"\n"]


def audited(lines: list[bytes], *kept: str) -> Audit:
    audit = Audit(kept)
    audit.read(lines)
    return audit


def test_an_honest_export_agrees(world: MoneyWorld) -> None:
    spend_some_days(world)
    lines = exported(world)
    audit = audited(ended(lines))
    assert audit.problems == []
    assert audit.counts["charge"] == 6
    assert audit.counts["entry"] == 5
    assert audit.counts["close"] > 4


def test_what_left_wallets_and_came_back_agrees(world: MoneyWorld) -> None:
    org = world.organization(USD)
    with world.store.write() as tx:
        (lot,) = books.lots(tx, org)
        now_ms = world.clock.now_ms()
        taken = books.Take(books.Kind.REFUND, "first", org, lot.id, 500)
        assert books.take(tx, taken, 0, now_ms) == 500
        first = books.movement_id(books.Kind.REFUND, "first")
        back = books.Reversal(books.Kind.REFUND_FAILED, "back", first, 200)
        assert books.reverse(tx, back, 0, now_ms) == 200
    lines = exported(world)
    assert any(b'"returned":300' in line for line in lines)
    assert audited(ended(lines)).problems == []


def test_an_empty_ledger_agrees(world: MoneyWorld) -> None:
    assert audited(ended(exported(world))).problems == []


def test_charges_gone_with_their_day_leave_an_export_that_agrees(world: MoneyWorld) -> None:
    spend_some_days(world)
    with world.store.write() as tx:
        today = world.clock.now_ms() // MS_OF_DAY
        assert tx.execute("DELETE FROM charge WHERE day < ?", (today,)) == 4
    audit = audited(ended(exported(world)))
    assert (audit.problems, audit.counts["charge"]) == ([], 2)


def test_charges_leave_a_few_batches_at_a_time_and_all_agrees_after_each(world: MoneyWorld) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    for day in range(2):
        for number in range(25):
            gateway.spend((wallet_purse(org),), 1_000, 300 + number)
            world.pump()
            if number % 10 == day:
                world.credit(org, 50)
        world.clock.advance(MS_OF_DAY)
        gateway.shard.beat(world.clock.monotonic_ns())
        with world.store.write() as tx:
            close_day(tx, world.clock.now_ms())
    left: list[int] = []
    while left[-2:-1] != left[-1:] or not left:
        with world.store.write() as tx:
            usage.forget_day(tx, 1, world.clock.now_ms() + MS_OF_DAY, 10**9)
            assert verify(tx).problems == []
        audit = audited(ended(exported(world)))
        assert audit.problems == []
        left.append(audit.counts["charge"])
    assert 25 < left[0] < 50
    assert (left[-1], len(left) > 3) == (0, True)


def test_charges_that_are_gone_from_between_others_are_missed(world: MoneyWorld) -> None:
    spend_some_days(world)
    with world.store.write() as tx:
        first, second, *_ = tx.rows("SELECT batch FROM charge ORDER BY batch", (), tuple[int])
        assert tx.execute("DELETE FROM charge WHERE batch = ?", second) == 1
        assert f"I10 charges of batch 0/{second[0]} were changed" in verify(tx).problems
    said = audited(ended(exported(world))).problems
    assert f"charges of batch 0/{second[0]} were changed" in said
    with world.store.write() as tx:
        assert tx.execute("DELETE FROM charge WHERE batch = ?", first) == 1
        assert verify(tx).problems == []


def _more(line: Line, field: str) -> None:
    value = line[field]
    assert isinstance(value, int)
    line[field] = value + 1


def _other(line: Line, field: str) -> None:
    value = line[field]
    assert isinstance(value, str)
    line[field] = ("1" if value[0] == "0" else "0") + value[1:]


CHANGES: list[tuple[str, str, Callable[[Line, str], None]]] = [
    *(("book", name, change) for name, change in (("posted", _more), ("id", _other))),
    *(("lot", name, _more) for name in ("granted", "spent", "returned", "created_at")),
    *(("lot", name, _other) for name in ("id", "book", "kind")),
    *(
        ("close", name, _more)
        for name in ("day", "opening", "paid_in", "charged", "paid_out", "closing")
    ),
    *(("close", name, _other) for name in ("book", "hash")),
    *(("batch", name, _more) for name in ("n", "count", "day", "at")),
    *(
        ("batch", name, _other)
        for name in ("prev_hash", "hash", "charges_root", "receipts_root", "entries_root")
    ),
    *(("charge", name, _more) for name in ("n", "amount", "count", "day", "batch")),
    *(("charge", name, _other) for name in ("dr", "cr", "lot")),
    *(("entry", name, _more) for name in ("amount", "day", "at", "desk")),
    *(("entry", name, _other) for name in ("id", "dr", "cr", "kind", "lot")),
    *(("head", name, change) for name, change in (("n", _more), ("hash", _other))),
]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Lines of one export, made once: what is read of them is the same on both databases."""
    folder = tmp_path_factory.mktemp("export")
    store = engine.open(f"sqlite:///{folder}/books.db")
    world = MoneyWorld(store, folder)
    spend_some_days(world)
    lines = exported(world)
    for gateway in world.gateways.values():
        gateway.journal.close()
    store.close()
    return lines


@pytest.mark.parametrize(("kind", "field", "change"), CHANGES)
def test_a_changed_field_is_found_even_under_a_fitting_end(
    honest: list[bytes], kind: str, field: str, change: Callable[[Line, str], None]
) -> None:
    rows = [msgspec.json.decode(line, type=Line) for line in honest]
    first = next(row for row in rows if row["t"] == kind)
    change(first, field)
    forged = [msgspec.json.encode(row) + b"\n" for row in rows]
    assert audited(ended(forged)).problems != []


@pytest.mark.parametrize(
    "kind", ["ledger", "head", "book", "lot", "close", "batch", "charge", "entry"]
)
def test_a_line_left_out_is_found(honest: list[bytes], kind: str) -> None:
    first, second, *_ = [
        *(at for at, line in enumerate(honest) if b'"t":"%s"' % kind.encode() in line),
        -1,
    ]
    at = second if kind == "charge" else first  # the oldest charges may have left
    assert audited(ended(honest[:at] + honest[at + 1 :])).problems != []


def test_a_file_cut_off_or_written_on_is_found(honest: list[bytes]) -> None:
    whole = ended(honest)
    assert audited(whole[:-1]).problems == ["the file has no end: it was cut off"]
    assert audited([*whole, honest[0]]).problems != []
    changed = [whole[0].replace(b'"format":1', b'"format":2'), *whole[1:]]
    assert audited(changed).problems == [
        "the file's own hash does not fit: it was changed after its export"
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"[]\n",
        b'{"t":1}\n',
        b'{"t":"other"}\n',
        b'{"t":"book"}\n',
        b"[" * 100_000 + b"\n",
        b'{"t":"head","desk":9,"n":1,"hash":"zz"}\n',
    ],
    ids=["empty", "list", "number", "other", "bare", "deep", "head"],
)
def test_a_strange_line_is_told_and_does_not_end_the_audit(
    honest: list[bytes], line: bytes
) -> None:
    audit = audited(ended([*honest, line]))
    assert len(audit.problems) == 1
    assert audit.counts["charge"] == 6


def test_a_kept_head_is_compared(honest: list[bytes]) -> None:
    head = next(
        row
        for row in (msgspec.json.decode(line, type=Line) for line in honest)
        if row["t"] == "head"
    )
    kept = f"{head['desk']}:{head['n']}:{head['hash']}"
    assert audited(ended(honest), kept).problems == []
    other = f"{head['desk']}:{head['n']}:{'0' * 64}"
    assert "another history" in audited(ended(honest), other).problems[0]
    later = f"{head['desk']}:99:{head['hash']}"
    assert "it is lost" in audited(ended(honest), later).problems[0]


def test_the_auditor_runs_alone(honest: list[bytes], tmp_path: Path) -> None:
    script = tmp_path / "auditor.py"
    script.write_bytes(Path(auditor.__file__).read_bytes())
    file = tmp_path / "ledger.jsonl"
    file.write_bytes(b"".join(ended(honest)))
    command = [sys.executable, "-I", "-S", str(script), str(file)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b'"problems": []' in done.stdout
    file.write_bytes(b"".join(honest))
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def described(file: Path) -> "subprocess.CompletedProcess[str]":
    """Run the program that stands on the page for auditors, and nothing else."""
    page = (ROOT / "docs" / "guides" / "reports.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    command = [sys.executable, "-I", "-S", "-c", program, str(file)]
    return subprocess.run(command, capture_output=True, check=False, text=True)


def test_what_the_page_describes_is_enough_to_check_an_export(
    world: MoneyWorld, tmp_path: Path
) -> None:
    spend_some_days(world)
    with world.store.write() as tx:
        today = world.clock.now_ms() // MS_OF_DAY
        assert tx.execute("DELETE FROM charge WHERE day < ?", (today - 1,)) == 2
    file = tmp_path / "ledger.jsonl"
    lines = ended(exported(world))
    file.write_bytes(b"".join(lines))
    done = described(file)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "11 batches agree\n")


@pytest.mark.parametrize("kind", ["batch", "charge", "entry", "lot", "head"])
def test_the_described_program_finds_what_was_changed(
    honest: list[bytes], kind: str, tmp_path: Path
) -> None:
    field = {"batch": "count", "lot": "granted", "head": "n"}.get(kind, "amount")
    rows = [msgspec.json.decode(line, type=Line) for line in honest]
    _more(next(row for row in rows if row["t"] == kind), field)
    file = tmp_path / "ledger.jsonl"
    file.write_bytes(b"".join(ended([msgspec.json.encode(row) + b"\n" for row in rows])))
    done = described(file)
    said = "another end" if kind == "head" else "does not agree"
    assert (done.returncode, said in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "usage: auditor.py"),
        (("--help",), "usage: auditor.py"),
        (("nowhere.jsonl",), "nowhere.jsonl: No such file"),
        (("ledger.jsonl", "0:x:ff"), "DESK:NUMBER:HASH"),
        (("ledger.jsonl", "0:1"), "DESK:NUMBER:HASH"),
    ],
)
def test_an_auditor_who_mistypes_is_told_how(  # noqa: PLR0917
    honest: list[bytes],
    arguments: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ledger.jsonl").write_bytes(b"".join(ended(honest)))
    assert auditor.main(arguments) == 2
    assert said in capsys.readouterr().err


def test_a_changed_book_is_named_as_people_know_it(honest: list[bytes]) -> None:
    changed = [line.replace(b'"amount":302', b'"amount":303') for line in honest]
    problems = audited(ended(changed)).problems
    assert [each for each in problems if each.startswith("book revenue/")]
