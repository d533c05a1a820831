"""`troth prices` over a real data folder: show, import, diff, accept, pin."""

import os
from pathlib import Path

import msgspec
import pytest

from tests.builders.command_line import CommandLine
from troth.server.shown_prices import ProposalFile, ShownPin, ShownPrices, ShownVersion

SETTINGS = """
[providers.fast]
kind = "groq"
api_key = "k"
shipped_models = false

[models.own]
provider = "fast"
upstream_model = "flat"
margin = "0.10"
cost = { input = "0.15", cache_read = "0.075", output = "0.60" }
source = "our page"
checked_on = 2026-11-01
"""
LIST = (
    b'{"groq": {"models": {"flat": {"cost": {"input": 0.15, "cache_read": 0.07, "output": 0.5}}}}}'
)


@pytest.fixture
def troth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TROTH_")]:  # noqa: TID251
        monkeypatch.delenv(name)
    (tmp_path / "troth.toml").write_text(SETTINGS)
    (tmp_path / "troth.toml").chmod(0o600)
    (tmp_path / "list.json").write_bytes(LIST)
    line = CommandLine(tmp_path, capsys)
    assert line.run("init").code == 0
    return line


def imported(troth: CommandLine, *more: str) -> int:
    return troth.run("prices", "import", "--from", "models-dev", "list.json", *more).code


def test_a_price_is_shown_with_where_it_stands(troth: CommandLine) -> None:
    (own,) = troth.ask(list[ShownPrices], "prices", "show", "own")
    assert (own.kind, own.upstream_model, own.margin_nano) == ("groq", "flat", 100_000_000)
    assert (own.now.source, own.now.checked_on) == ("our page", "2026-11-01")
    said = troth.run("prices", "show").out
    assert "own    fast      input" in said
    assert "0.165      0.15      the catalog" in said


def test_an_import_only_proposes(troth: CommandLine) -> None:
    said = troth.run("prices", "import", "--from", "models-dev", "list.json", "--output", "p.json")
    assert said.code == 0
    assert "1 would change, 0 agree, 0 are not in the list." in said.err
    assert "troth prices accept p.json --effective-at DATE" in said.err
    assert "-17 %" in said.out
    found = msgspec.json.decode((troth.folder / "p.json").read_bytes(), type=ProposalFile)
    (row,) = found.rows
    assert [line.usd for line in row.sale.lines] == ["0.165000000", "0.077000000", "0.550000000"]
    (own,) = troth.ask(list[ShownPrices], "prices", "show")
    assert own.now.effective_at_ms == 0
    assert "-17 %" in troth.run("prices", "diff", "p.json").out


def test_what_is_accepted_is_in_force_and_a_list_then_agrees(troth: CommandLine) -> None:
    assert imported(troth, "--output", "p.json") == 0
    (made,) = troth.ask(list[ShownVersion], "prices", "accept", "p.json", "--effective-at", "now")
    assert made.source == "models-dev list.json"
    assert "0.55" in troth.run("prices", "show", "own").out
    said = troth.run("prices", "import", "--from", "models-dev", "list.json")
    assert "0 would change, 1 agree" in said.err
    audit = troth.run("prices", "accept", "p.json", "--effective-at", "2001-01-01")
    assert (audit.code, "not be in the past" in audit.err) == (2, True)


def test_red_flags_must_have_been_looked_at(troth: CommandLine) -> None:
    (troth.folder / "list.json").write_bytes(LIST.replace(b"0.5}", b"0.9}", 1))
    assert imported(troth, "--output", "p.json") == 1
    accept = ("prices", "accept", "p.json", "--effective-at")
    said = troth.run(*accept, "now")
    assert (said.code, "1 rows have red flags" in said.err) == (2, True)
    said = troth.run(*accept, "now", "--flagged")
    assert (said.code, "raises the price of output" in said.err) == (2, True)
    assert troth.run(*accept, "2100-01-01T00:00Z", "--flagged").code == 0
    assert "2100-01-01 00:00:00Z" in troth.run("prices", "show", "own").out


def test_lists_are_compared(troth: CommandLine) -> None:
    beside = b'{"groq/flat": {"litellm_provider": "groq", "output_cost_per_token": 6e-07}}'
    (troth.folder / "beside.json").write_bytes(beside)
    assert imported(troth, "--beside", "litellm", "beside.json", "--output", "p.json") == 1
    assert b"sources_disagree:output" in (troth.folder / "p.json").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("import", "--from", "litellm", "bad.json"), "bad.json: '$': this file is not JSON"),
        (("import", "--from", "openrouter", "list.json"), "list.json: '$'"),
        (("accept", "list.json", "--effective-at", "now"), "list.json:"),
        (("accept", "p.json", "--effective-at", "soon"), "a time must be like"),
        (("pin", "nobody", "--until", "2100-01-01"), "There is no such organization"),
        (("show", "--set", "ps_none"), "There is no such price set"),
    ],
)
def test_a_fault_is_named_and_nothing_changes(
    troth: CommandLine, arguments: tuple[str, ...], said: str
) -> None:
    (troth.folder / "bad.json").write_bytes(b"{")
    assert imported(troth, "--output", "p.json") == 0
    answer = troth.run("prices", *arguments)
    assert answer.code == 2
    assert said in answer.err
    (own,) = troth.ask(list[ShownPrices], "prices", "show")
    assert (own.now.effective_at_ms, own.coming) == (0, ())


def test_an_amount_that_was_spoiled_in_the_file_is_named(troth: CommandLine) -> None:
    assert imported(troth, "--output", "p.json") == 0
    file = troth.folder / "p.json"
    file.write_bytes(file.read_bytes().replace(b"0.500000000", b"a lot"))
    answer = troth.run("prices", "accept", "p.json", "--effective-at", "now")
    assert (answer.code, "'rows[0].cost.lines[2].usd'" in answer.err) == (2, True)


def test_an_organization_is_pinned_and_let_go(troth: CommandLine) -> None:
    assert imported(troth, "--output", "p.json") == 0
    assert troth.run("prices", "accept", "p.json", "--effective-at", "now").code == 0
    assert troth.run("org", "create", "Ada").code == 0
    made = troth.ask(ShownPin, "prices", "pin", "Ada", "--until", "2100-01-01")
    (kept,) = troth.ask(list[ShownPin], "prices", "pins")
    assert kept == made
    assert made.price_set in troth.run("prices", "pins").out
    assert "0.55" in troth.run("prices", "show", "--set", made.price_set).out
    assert "ended" in troth.run("prices", "pin", "Ada", "--until", "now").out
    assert troth.ask(list[ShownPin], "prices", "pins") == []
