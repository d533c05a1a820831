"""Every command over a real data folder: what it does, prints and answers."""

import io
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from tests.builders.command_line import CommandLine
from troth.cli.main import COMMANDS
from troth.control.accounts import Organization
from troth.control.budgets import Alert, Budget, Contact
from troth.control.promotions import Code
from troth.control.usage import Statement, Total
from troth.kernel import api_keys
from troth.kernel.clock import SystemClock
from troth.server.shown import ShownKey, ShownModel, ShownStatus, ShownWallet, Verified
from troth.server.status_page import Maintenance


@pytest.fixture
def empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """A folder with nothing in it."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TROTH_")]:  # noqa: TID251
        monkeypatch.delenv(name)
    return CommandLine(tmp_path, capsys)


@pytest.fixture
def troth(empty: CommandLine) -> CommandLine:
    """A folder that was made ready."""
    assert empty.run("init").code == 0
    return empty


@pytest.fixture
def ada(troth: CommandLine) -> CommandLine:
    """An installation with an organization."""
    assert troth.run("org", "create", "Ada").code == 0
    return troth


def test_init_writes_settings_that_are_read(empty: CommandLine) -> None:
    said = empty.run("init")
    assert said.code == 0
    assert "Next: troth serve" in said.err
    assert (empty.folder / "troth-data").stat().st_mode & 0o777 == 0o700
    assert (empty.folder / "troth.toml").stat().st_mode & 0o777 == 0o600
    assert empty.run("config", "check").code == 0
    assert "(was there)" in empty.run("init").out


def test_without_an_installation_the_next_command_is_named(empty: CommandLine) -> None:
    said = empty.run("keys", "list")
    assert said.code == 3
    assert "troth init" in said.err


def test_a_wrong_setting_stops_every_command(troth: CommandLine) -> None:
    (troth.folder / "troth.toml").write_text("[server]\ngateway = 1\n", "utf-8")
    for command in (("serve",), ("org", "list"), ("config", "show"), ("doctor",)):
        said = troth.run(*command)
        assert said.code == 2
        assert "troth.toml:2: unknown key 'server.gateway'" in said.err
        assert said.out == ""


def test_an_organization_is_listed_and_frozen(ada: CommandLine) -> None:
    (listed,) = ada.ask(list[Organization], "org", "list")
    assert listed.name == "Ada"
    assert listed.ref in ada.run("org", "list").out
    assert ada.run("org", "freeze", "Ada").code == 0
    assert "frozen since" in ada.run("org", "list").out
    assert ada.run("org", "thaw", listed.ref).code == 0
    assert "active" in ada.run("org", "list").out


@pytest.mark.parametrize("name", ["Ada", "", "x" * 200])
def test_a_name_that_cannot_be_is_refused(ada: CommandLine, name: str) -> None:
    said = ada.run("org", "create", name)
    assert said.code == 2
    assert said.err.startswith("Error: 'name': ")


def test_credit_is_exact_and_made_once(ada: CommandLine) -> None:
    ada.ask(ShownWallet, "wallet", "credit", "Ada", "0.000000001")
    for _ in range(2):
        ada.ask(ShownWallet, "wallet", "credit", "Ada", "5", "--key", "invoice 7")
    found = ada.ask(ShownWallet, "wallet", "show", "Ada")
    assert (found.posted_nusd, found.posted_usd) == (5_000_000_001, "5.000000001")
    assert "5.000000001 USD" in ada.run("wallet", "show", "Ada").out


@pytest.mark.parametrize("amount", ["0", "five", "1e3", "0.0000000001", "1,5"])
def test_an_amount_that_is_none_is_refused(ada: CommandLine, amount: str) -> None:
    said = ada.run("wallet", "credit", "Ada", amount)
    assert said.code == 2
    assert "'amount_usd': give" in said.err


def test_a_key_is_shown_once(ada: CommandLine) -> None:
    made = ada.ask(ShownKey, "keys", "create", "Ada", "--name", "notebook")
    assert api_keys.public_id_of(made.text) is not None
    (listed,) = ada.ask(list[ShownKey], "keys", "list", "Ada")
    assert ada.run("keys", "list").out.splitlines()[1].endswith("  Ada")
    assert (listed.ref, listed.name, listed.text) == (made.ref, "notebook", "")
    data = (file.read_bytes() for file in (ada.folder / "troth-data").rglob("*") if file.is_file())
    assert not any(made.text.encode()[21:] in kept for kept in data)


def test_a_key_s_terms_are_kept(ada: CommandLine) -> None:
    made = ada.ask(
        ShownKey,
        *("keys", "create", "Ada", "--model", "simulated", "--network", "192.0.2.0/24"),
        *("--requests-per-minute", "60", "--concurrency", "0", "--usd-per-day", "1.50"),
        *("--expires-in", "2h"),
    )
    assert made.models == ("simulated",)
    assert made.networks == ("192.0.2.0/24",)
    assert (made.requests_per_minute, made.concurrency) == (60, 0)
    assert made.tokens_per_minute > 0
    assert made.day_limit_nusd == 1_500_000_000
    assert made.expires_at_ms - made.created_at_ms == pytest.approx(7_200_000, abs=60_000)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--network", "10.0.0.1/8", "'networks': give addresses"),
        ("--usd-per-day", "x", "'day_limit_usd': give US dollars"),
        ("--expires-in", "soon", "give a length such as 30m, 12h or 7d"),
        ("--requests-per-minute", "-1", "--requests-per-minute"),
    ],
)
def test_a_key_s_wrong_terms_are_named(
    ada: CommandLine, option: str, value: str, said: str
) -> None:
    answer = ada.run("keys", "create", "Ada", option, value)
    assert answer.code == 2
    assert said in answer.err


def test_a_key_is_rotated_and_revoked_by_its_prefix(ada: CommandLine) -> None:
    old = ada.ask(ShownKey, "keys", "create", "Ada")
    new = ada.ask(ShownKey, "keys", "rotate", old.prefix, "--overlap", "1h")
    assert new.text != old.text
    assert ada.run("keys", "revoke", old.ref).code == 0
    states = {key.ref: key.state for key in ada.ask(list[ShownKey], "keys", "list")}
    assert states == {old.ref: "revoked", new.ref: "live"}


def test_budgets_are_set_shown_and_dropped(ada: CommandLine) -> None:
    assert ada.run("projects", "create", "Ada", "lab").code == 0
    assert "lab" in ada.run("projects", "list", "Ada").out
    key = ada.ask(ShownKey, "keys", "create", "Ada", "--project", "lab", "--usd-per-day", "2")
    assert key.project.startswith("prj_")
    assert ada.run("org", "zone", "Ada", "Europe/Zurich").code == 0
    assert ada.run("budgets", "set", "Ada", "50", "--period", "month").code == 0
    setting = ("budgets", "set", "Ada", "10", "--period", "total", "--project", "lab", "--alert")
    assert ada.run(*setting).code == 0
    found = {
        (each.owner_kind, each.period): each
        for each in ada.ask(list[Budget], "budgets", "show", "Ada")
    }
    assert {pair: each.limit_nusd // 10**9 for pair, each in found.items()} == {
        ("key", "day"): 2,
        ("organization", "month"): 50,
        ("project", "total"): 10,
    }
    assert found["project", "total"].mode == "alert"
    assert {each.zone for each in found.values()} == {"Europe/Zurich"}
    assert "50.000000000" in ada.run("budgets", "show").out
    assert ada.run("budgets", "drop", "Ada", "--period", "month").code == 0
    said = ada.run("budgets", "drop", "Ada", "--period", "month")
    assert (said.code, "There is no such budget." in said.err) == (2, True)


def test_alerts_have_a_contact(ada: CommandLine) -> None:
    assert ada.ask(list[Alert], "alerts", "list", "Ada") == []
    given = ("alerts", "contact", "Ada", "billing@example.org", "--language", "de")
    assert ada.ask(Contact, *given).language == "de"
    assert "billing@example.org" in ada.run("alerts", "contact", "Ada").out
    assert ada.run("alerts", "contact", "Ada", "nobody").code == 2
    assert ada.ask(Contact, "alerts", "contact", "Ada", "--none").address == ""


def test_a_code_is_made_listed_redeemed_and_revoked(
    ada: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ada.ask(Code, "codes", "create", "5", "--uses", "2", "--campaign", "spring")
    assert "spring" in ada.run("codes", "list").out
    assert made.text not in ada.run("codes", "list", "--json").out
    for code, left in ((made.text, 0), ("nonsense", 2), (made.text, 2)):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{code}\n"))
        said = ada.run("codes", "redeem", "Ada")
        assert said.code == left
        assert code not in said.out + said.err
    assert ada.ask(ShownWallet, "wallet", "show", "Ada").posted_nusd == 5 * 10**9
    for _ in range(2):
        monkeypatch.setattr("sys.stdin", io.StringIO("x\n"))
        ada.run("codes", "redeem", "Ada")
    monkeypatch.setattr("sys.stdin", io.StringIO("x\n"))
    assert "rate limit" in ada.run("codes", "redeem", "Ada").err
    assert ada.ask(Code, "codes", "revoke", made.ref).revoked_at_ms > 0
    assert ada.run("codes", "create", "0").code == 2


def test_a_month_is_shown_and_exported(ada: CommandLine) -> None:
    ada.ask(ShownWallet, "wallet", "credit", "Ada", "5")
    month = datetime.fromtimestamp(SystemClock().now_ms() // 1_000, UTC).strftime("%Y-%m")
    chosen = ("--org", "Ada", "--month", month)
    found = ada.ask(Statement, "statements", "show", *chosen)
    assert (found.credited_nusd, found.closing_nusd) == (5 * 10**9, 5 * 10**9)
    assert found.difference_nusd == 0
    assert "5.000000000 USD" in ada.run("statements", "show", *chosen).out
    assert ",5000000000,5.000000000" in ada.run("statements", "export", *chosen).out
    assert ada.ask(Statement, "statements", "export", *chosen) == found
    assert ada.run("statements", "show", "--org", "Ada", "--month", "soon").code == 2


def test_uptime_credit_needs_terms(ada: CommandLine) -> None:
    said = ada.run("credits", "uptime", "--month", "2026-01", "--downtime", "5h")
    assert (said.code, "uptime.credit_below_percent" in said.err) == (2, True)
    with (ada.folder / "troth.toml").open("a", encoding="utf-8") as file:
        file.write('[uptime]\ncredit_below_percent = "99.5"\n')
        file.write('[uptime.tiers.low]\nbelow_percent = "99.5"\ncredit_percent = 10\n')
    said = ada.run("credits", "uptime", "--month", "2026-01", "--downtime", "5h")
    assert "wait until all days of the month are closed" in said.err or said.code == 0


def test_maintenance_is_announced_in_time_or_refused(ada: CommandLine) -> None:
    assert ada.ask(ShownStatus, "status", "show").page.measured_since == ""
    made = ada.ask(Maintenance, "status", "plan", "--start", "2099-01-02T03:04", "--length", "90m")
    assert (made.starts_at, made.ends_at) == ("2099-01-02T03:04:00Z", "2099-01-02T04:34:00Z")
    shown = ada.run("status", "show")
    assert (shown.code, made.ref in shown.err) == (0, True)
    assert ada.ask(Maintenance, "status", "cancel", made.ref).is_cancelled
    assert ada.run("status", "cancel", made.ref).code == 2
    soon = datetime.fromtimestamp(SystemClock().now_ms() // 1_000 + 3_600, UTC)
    plan = ("status", "plan", "--start", soon.strftime("%Y-%m-%dT%H:%M"), "--length", "1h")
    said = ada.run(*plan)
    assert (said.code, "at least 24 hours ahead" in said.err) == (2, True)
    assert ada.ask(Maintenance, *plan, "--emergency").is_emergency
    for start in ("soon", "2099-01-02T03:04+01:00"):
        assert ada.run("status", "plan", "--start", start, "--length", "1h").code == 2
    unmeasured = ada.run("credits", "uptime", "--month", "2026-01")
    assert (unmeasured.code, "say its downtime" in unmeasured.err) == (2, True)


def test_a_whole_key_is_no_argument(ada: CommandLine) -> None:
    made = ada.ask(ShownKey, "keys", "create", "Ada")
    said = ada.run("keys", "revoke", made.text)
    assert said.code == 2
    assert "never the whole key" in said.err
    assert made.text not in said.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("keys", "revoke", "key_" + "0" * 32), "There is no such key."),
        (("keys", "create", "Bob"), "There is no such organization."),
        (("wallet", "show", "Bob"), "There is no such organization."),
        (("receipts", "show", "req_1"), "There is no such receipt."),
        (("receipts", "list", "a/../b"), "There is no such organization."),
        (("receipts", "export", "Ada", "--posted", "2026-02-30"), "give a day such as 2026-10-31"),
        (("receipts", "export", "Ada", "--posted", "2099-01"), "give a month that has begun"),
        (("receipts", "export", "Nobody", "--posted", "2026-01"), "There is no such organization."),
        (("usage", "show", "--days", "0"), "--days"),
        (("nonsense",), "nonsense"),
        (("keys", "create"), "ORGANIZATION"),
    ],
)
def test_what_is_not_there_is_a_wrong_request(
    ada: CommandLine, arguments: tuple[str, ...], said: str
) -> None:
    answer = ada.run(*arguments)
    assert answer.code == 2
    assert said in answer.err
    assert answer.out == ""


def test_models_are_listed_with_their_prices(troth: CommandLine) -> None:
    models = {model.model: model for model in troth.ask(list[ShownModel], "models", "list")}
    assert models["simulated"].prices["output"] == "0.600000000"
    assert "0.60" in troth.run("models", "list").out


def test_a_model_is_shown_with_its_quirks(troth: CommandLine) -> None:
    with (troth.folder / "troth.toml").open("a", encoding="utf-8") as file:
        file.write(
            '\n[models."house/odd"]\nprovider = "simulated"\nexact = true\n'
            'quirks = ["odd_events", "no_turn_names"]\nprice = { input = "1", output = "2" }\n'
        )
    (shown,) = troth.ask(list[ShownModel], "models", "show", "house/odd")
    assert shown.quirks == ("no_turn_names", "odd_events")
    assert (shown.is_exact, shown.cancel) == (False, "bills_full")
    assert "no_turn_names, odd_events" in troth.run("models", "show", "house/odd").out
    assert troth.run("models", "show", "house/none").code == 2


def test_an_unused_installation_has_used_nothing(ada: CommandLine) -> None:
    assert ada.ask(list[Total], "usage", "show", "--by", "model", "--org", "Ada") == []
    assert ada.ask(list[Total], "receipts", "list", "Ada") == []
    assert ada.ask(list[Total], "receipts", "export", "Ada", "--posted", "2026-01") == []
    empty = ada.run("receipts", "export", "Ada", "--posted", "2026-01-31").out
    assert empty.startswith("receipt,started_at,key,")
    assert empty.count("\n") == 1


def test_the_books_verify(ada: CommandLine) -> None:
    ada.ask(ShownWallet, "wallet", "credit", "Ada", "5")
    found = ada.ask(Verified, "ledger", "verify")
    assert found.problems == []
    assert (found.entries, found.audit_entries) == (1, 2)


def test_settings_are_shown_with_their_origin_and_secrets_masked(
    troth: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TROTH_PROVIDERS__GROQ__KIND", "groq")
    monkeypatch.setenv("TROTH_PROVIDERS__GROQ__API_KEY", "gsk-secret")
    said = troth.run("config", "show")
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in said.out.splitlines()}
    assert lines["server.bind"] == "127.0.0.1:8080 troth.toml:5"
    assert lines["server.drain_seconds"] == "30 default"
    assert lines["providers.groq.api_key"] == "******** variable TROTH_PROVIDERS__GROQ__API_KEY"
    assert "gsk-secret" not in said.out + said.err


def test_what_is_not_served_is_a_finding(troth: CommandLine) -> None:
    with (troth.folder / "troth.toml").open("a", encoding="utf-8") as file:
        file.write('[providers.groq]\nkind = "groq"\n')
    said = troth.run("config", "check")
    assert said.code == 1
    assert "Provider 'groq' has no key" in said.err
    assert "GROQ_API_KEY" in troth.run("doctor").out


def test_doctor_finds_nothing_on_a_fresh_installation(troth: CommandLine) -> None:
    free = ("TROTH_SERVER__BIND", "TROTH_SERVER__CONTROL_BIND")
    with pytest.MonkeyPatch.context() as patch:
        for name in free:
            patch.setenv(name, "127.0.0.1:0")
        said = troth.run("doctor")
    assert (said.code, "All is well." in said.err) == (0, True), said.out


def test_doctor_names_cause_and_fix(troth: CommandLine) -> None:
    (troth.folder / "troth-data").chmod(0o755)
    (troth.folder / "troth-data" / "troth.db").write_bytes(b"no database" * 1000)
    said = troth.run("doctor")
    assert said.code == 1
    assert "chmod 700" in said.out
    assert "troth.db is damaged: nothing was changed; restore it from a backup" in said.out


def test_a_demo_folder_is_not_served(troth: CommandLine) -> None:
    (troth.folder / "troth-data" / "demo.mark").touch()
    said = troth.run("serve")
    assert said.code == 2
    assert "belongs to 'troth demo'" in said.err


def test_the_version_is_told(empty: CommandLine) -> None:
    assert empty.ask(dict[str, str], "version")["version"]


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "demo"])
def test_every_command_has_help(empty: CommandLine, command: str) -> None:
    said = empty.run(command, "--help")
    assert said.code == 0
    assert said.out.startswith(f"Usage: troth {command}")


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from troth.cli.main import run; run(['--help']); "
        "print(sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = done.stderr
    for heavy in (
        "fastapi",
        "pydantic",
        "uvicorn",
        "asyncio",
        "sqlite3",
        "troth.server",
        "msgspec",
    ):
        assert f"'{heavy}'" not in loaded
    assert "serve" in done.stdout


def test_two_commands_at_once_wait_for_each_other(ada: CommandLine) -> None:
    program = "from troth.cli.main import main; main()"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, "org", "create", name, "--json"],
            cwd=ada.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for name in ("Bob", "Eve")
    ]
    made = [msgspec.json.decode(each.communicate()[0], type=Organization) for each in running]
    assert {each.name for each in made} == {"Bob", "Eve"}
    assert len(ada.ask(list[Organization], "org", "list")) == 3
