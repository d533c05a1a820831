"""Margins and providers' bills, from roll-ups that are written with each charge."""

import datetime as dt
import os
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tests.builders.command_line import CommandLine
from troth.control import reports, usage
from troth.control.reports import (
    Accepted,
    Listed,
    Margin,
    Proposal,
    Reconciled,
    State,
    Told,
    Whose,
)
from troth.kernel import ids
from troth.kernel.clock import SystemClock
from troth.kernel.quantities import Quantities
from troth.kernel.usage_record import Outcome, UsageRecord, UsageSource
from troth.server.management_socket import BODY_BYTES
from troth.server.office import Office
from troth.store import engine
from troth.store.transaction import Transaction

MS_OF_DAY = 86_400_000
DAY = 20_833
DAY_OF_MONTH = (dt.date(1970, 1, 1) + dt.timedelta(days=DAY)).day - 1


def record(number: int, **changes: str | int | UsageSource) -> UsageRecord:
    made = UsageRecord(
        request=ids.text("req", number.to_bytes(16, "big")),
        org=ids.text("org", b"o" * 16),
        key=ids.text("key", b"k" * 16),
        endpoint="chat",
        model_asked="a",
        model_served="a",
        provider="p",
        upstream="p-eu",
        region="",
        price_set="",
        started_at_ms=DAY * MS_OF_DAY + 1,
        first_byte_ms=1,
        latency_ms=2,
        status=200,
        outcome=Outcome.DONE,
        streamed=True,
        usage_source=UsageSource.REPORTED,
        quantities=Quantities(input=10, output=20),
        reserved_nusd=0,
        charged_nusd=100,
        cost_nusd=40,
        max_tokens_clamped=0,
        attempts=(),
    )
    return msgspec.structs.replace(made, **changes)


def write(tx: Transaction) -> None:
    """Write three batches, as postings do: the same cells again and again."""
    usage.write(tx, [record(1), record(2), record(3, model_served="b", cost_nusd=500)])
    usage.write(tx, [record(4, cost_nusd=60, usage_source=UsageSource.ESTIMATED)])
    usage.write(tx, [record(5, provider="q", upstream="q", model_served="c", cost_nusd=0)])


def test_the_worst_margin_comes_first(office: Office) -> None:
    with office.store.write() as tx:
        write(tx)
        by_model = reports.margins(tx, "model", DAY, DAY)
        assert [(each.group, each.margin_nusd, each.margin_bp) for each in by_model] == [
            ("b", -400, -40_000),
            ("c", 100, 10_000),
            ("a", 160, 5_333),
        ]
        by_provider = reports.margins(tx, "provider", DAY, DAY)
        assert [(each.group, each.margin_nusd) for each in by_provider] == [("p", -240), ("q", 100)]
        (owner,) = reports.margins(tx, "organization", DAY, DAY)
        assert (owner.count, owner.margin_nusd) == (5, -140)
        assert reports.margins(tx, "model", DAY + 1, DAY + 9) == []


def test_a_bill_is_compared_by_model_and_day(office: Office) -> None:
    told = [
        Told(DAY, "a-2026-01-01", 141, 3),
        Told(DAY, "upstream/b", 498, 1),
        Told(DAY, "never-seen", 7, 1),
        Told(DAY + 1, "a", 5, 1),
    ]
    whose = Whose("p", {"upstream/b": "b"})
    with office.store.write() as tx:
        write(tx)
        tx.execute(
            "INSERT INTO orphan (reservation, seat, amount, at) VALUES (?, ?, 9, ?)",
            (b"r" * 16, b"s" * 16, DAY * MS_OF_DAY),
        )
        found = reports.reconcile(tx, whose, told)
        strict = reports.reconcile(tx, Whose("p", {"upstream/b": "b"}, 0), told)
        eu = reports.reconcile(tx, Whose("p-eu", {}), [Told(DAY, "a", 140, 0)])
    lines = {(each.day, each.model): each for each in found.lines}
    assert lines[DAY, "a"].state is State.DIFFERS
    assert (lines[DAY, "a"].difference_nusd, lines[DAY, "a"].estimated_nusd) == (1, 60)
    assert lines[DAY, "b"].state is State.AGREES
    assert lines[DAY, "never-seen"].state is State.ONLY_THEIRS
    assert lines[DAY + 1, "a"].state is State.ONLY_THEIRS
    assert found.lines[-1].state is State.AGREES
    assert (found.findings, found.ours_nusd, found.theirs_nusd) == (3, 640, 651)
    assert [(day.orphans, day.orphans_nusd) for day in found.orphans] == [(1, 9)]
    assert strict.findings == 4
    assert {each.model: each.state for each in eu.lines} == {
        "a": State.AGREES,
        "b": State.ONLY_OURS,
    }


def test_a_bill_of_a_month_is_compared_with_all_its_days(office: Office) -> None:
    first = reports.Told(DAY - DAY_OF_MONTH, "a", 140, 0)
    with office.store.write() as tx:
        write(tx)
        usage.write(tx, [record(9, started_at_ms=(DAY + 1) * MS_OF_DAY, cost_nusd=60)])
        usage.write(tx, [record(10, started_at_ms=(DAY + 40) * MS_OF_DAY, cost_nusd=1)])
        found = reports.reconcile(tx, Whose("p", {}, is_monthly=True), [first])
    lines = {each.model: each for each in found.lines}
    assert (lines["a"].day, lines["a"].ours_nusd, lines["a"].our_requests) == (first.day, 200, 4)
    assert lines["b"].state is State.ONLY_OURS
    assert (found.first_day, found.last_day - found.first_day) == (first.day, 30)


@pytest.fixture
def troth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TROTH_")]:  # noqa: TID251
        monkeypatch.delenv(name)
    line = CommandLine(tmp_path, capsys)
    assert line.run("init").code == 0
    return line


def test_the_commands_end_with_1_when_there_is_something_to_look_at(troth: CommandLine) -> None:
    assert troth.ask(list[Margin], "reports", "margin") == []
    now_ms = SystemClock().now_ms()
    today = dt.datetime.fromtimestamp(now_ms // 1_000, dt.UTC).date().isoformat()
    with closing(engine.open("sqlite:///troth-data/troth.db")) as store, store.write() as tx:
        usage.write(tx, [record(1, started_at_ms=now_ms, cost_nusd=1_000)])
    for by in ("model", "provider", "organization"):
        said = troth.run("reports", "margin", "--by", by)
        assert (said.code, "1 of 1 cost more than was charged" in said.err) == (1, True)
    bill = troth.folder / "bill.csv"
    bill.write_text(f"day,model,cost_usd\n{today},a,0.000001\n", "utf-8")
    agreed = troth.ask(Reconciled, "reports", "reconcile", "p", "bill.csv")
    assert (agreed.findings, agreed.tolerance_bp) == (0, 50)
    bill.write_text(f"day,model,cost_usd\n{today},a,0.000002\n", "utf-8")
    said = troth.run("reports", "reconcile", "p", "bill.csv")
    assert (said.code, "differs" in said.out) == (1, True)
    assert troth.run("reports", "reconcile", "p", "bill.csv", "--tolerance", "60").code == 0
    said = troth.run("reports", "reconcile", "pp", "bill.csv", "--propose", "bill.json")
    assert (said.code, "by its name in the settings" in said.err) == (2, True)
    for wrong in (("--tolerance", "x"), ("--form", "other")):
        assert troth.run("reports", "reconcile", "p", "bill.csv", *wrong).code == 2
    bill.write_bytes(b"\xff")
    assert troth.run("reports", "reconcile", "p", "bill.csv").code == 2
    rows = f"{today},a,0.000001\n" + f"{today},a,0\n" * 100_000
    bill.write_text(f"day,model,cost_usd\n{rows}", "utf-8")
    assert bill.stat().st_size > BODY_BYTES
    assert troth.ask(Reconciled, "reports", "reconcile", "p", "bill.csv").theirs_nusd == 1_000


def test_a_bill_is_proposed_read_and_accepted_by_commands(troth: CommandLine) -> None:
    with closing(engine.open("sqlite:///troth-data/troth.db")) as store, store.write() as tx:
        usage.write(tx, [record(1, cost_nusd=1_000)])
        tx.execute("INSERT INTO open_day (id, day) VALUES (1, ?)", (DAY + 1,))
    day = (dt.date(1970, 1, 1) + dt.timedelta(days=DAY)).isoformat()
    bill = troth.folder / "bill.csv"
    bill.write_text(f"day,model,cost_usd\n{day},a,0.0000015\n", "utf-8")
    command = ("reports", "reconcile", "p", "bill.csv", "--propose", "bill.json")
    said = troth.run(*command)
    assert (said.code, "our cost 0.000000500 USD, customers get 0" in said.err) == (1, True)
    proposal = msgspec.json.decode((troth.folder / "bill.json").read_bytes(), type=Proposal)
    assert [row.cost_nusd for row in proposal.rows] == [500]
    assert troth.ask(list[Listed], "corrections", "list") == []
    accept = ("corrections", "accept", "bill.json", "--once", "first")
    assert troth.ask(Accepted, *accept) == Accepted(1, 500, 0)
    assert troth.ask(Accepted, *accept) == Accepted(1, 500, 0)
    said = troth.run("corrections", "accept", "bill.json")
    assert (said.code, "compare the bill again" in said.err) == (2, True)
    (listed,) = troth.ask(list[Listed], "corrections", "list")
    assert (listed.what, listed.provider, listed.amount_nusd) == ("cost", "p", 500)
    assert day in troth.run("corrections", "list").out
    assert "nothing to correct" in troth.run(*command).err
    bill.write_text("day,model,cost_usd\n2099-01-01,a,1\n", "utf-8")
    assert "1 lines are of days that are not closed" in troth.run(*command).err
    strange = msgspec.json.encode(msgspec.structs.replace(proposal, provider="pp"))
    none = msgspec.json.encode(msgspec.structs.replace(proposal, rows=()))
    for wrong in (b"{}", none, strange):
        (troth.folder / "bill.json").write_bytes(wrong)
        assert troth.run("corrections", "accept", "bill.json").code == 2
