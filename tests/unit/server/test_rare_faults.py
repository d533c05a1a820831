"""What an operator may meet once: each fault of a start says what it is and what to do."""

import asyncio
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tests.builders.gateway_world import scene
from tests.builders.wire_plane import Line, echo
from troth.kernel.clock import ManualClock
from troth.kernel.errors import Misconfigured
from troth.kernel.log import Log
from troth.server import code_on_disk
from troth.server.document_settings import DocumentSettings
from troth.server.document_terms import document_terms
from troth.server.handover import Alive, ControlHandover, SignReader, take, tell
from troth.server.layers import Layers
from troth.server.listener import guarded, refuse
from troth.server.settings import Flags, read
from troth.server.slot_folder import own
from troth.server.sockets import alone_in
from troth.store import engine
from troth.wire import Arrival, Server, ServerLimits, Sink

PAYMENTS = '[payments]\nkind = "stripe"\nreturn_url = "https://a.example/"\napi_key = "sk_test_1"\n'
VLLM = '[providers.own]\nkind = "vllm"\nurl = "http://127.0.0.1:1/v1"\napi_key = "k"\n'


def fault(folder: Path, text: bytes | str, variables: dict[str, str] | None = None) -> str:
    """Return why these settings do not do."""
    file = folder / "troth.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(Misconfigured) as caught:
        read(Flags(config=str(file)), variables or {})
    return caught.value.problem


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b'[server]\nbind = "\xff"\n', "is not text in UTF-8"),
        ('providers = "many"\n', "providers"),
        ("[data]\nusage_days = 1\n", "'data.usage_days' must be 0 for always, or from"),
        (VLLM + 'margin = "a lot"\n', "'providers.own.margin' must be a share"),
        (PAYMENTS + 'topup_min_usd = "5.001"\n', "must be US dollars and whole cents"),
        (PAYMENTS + "refund_window_days = -1\n", "'payments.refund_window_days' must be from 0 to"),
        (PAYMENTS + "credit_days = 999999\n", "'payments.credit_days' must be from 0 to"),
        ("[mail]\nport = -1\n", "mail"),
        ('[alerts]\nlow_credit_usd = "little"\n', "alerts"),
    ],
)
def test_a_setting_that_cannot_work_is_named(tmp_path: Path, text: bytes | str, told: str) -> None:
    assert told in fault(tmp_path, text)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"seller": {"country": "switzerland"}}, "'seller.country' must be two capital letters"),
        ({"seller": {"series": "a b"}}, "'seller.series' must be 1 to"),
        ({"invoices": {"keep_years": 0}}, "'invoices.keep_years' must be from 1 to"),
        ({"invoices": {"year_ends": "31-12-1"}}, "'invoices.year_ends' must be a month and a day"),
        ({"invoices": {"details_days": -1}}, "'invoices.details_days' must be from 0 to"),
        ({"vat": {"registered": ["Europe"]}}, "'vat.registered' must be countries"),
        ({"vat": {"engine": "table", "point": "topup"}}, "'seller.country' is missing"),
        (
            {"seller": {"country": "CH"}, "vat": {"engine": "table", "point": "topup"}},
            "'seller.vat_id' is missing",
        ),
    ],
)
def test_a_setting_of_documents_that_cannot_work_is_named(
    given: dict[str, dict[str, str | int | list[str]]], told: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        document_terms(msgspec.convert(given, DocumentSettings))
    assert told in caught.value.problem


def test_a_value_in_the_place_of_a_table_is_named() -> None:
    layers = Layers()
    layers.set(("server", "bind"), "127.0.0.1:1", "a file")
    with pytest.raises(Misconfigured, match=r"a flag: 'server\.bind\.port': 'bind' is not a table"):
        layers.set(("server", "bind", "port"), 1, "a flag")


# --- the life line --------------------------------------------------------------------------------


def test_settings_of_another_build_end_a_start() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall((5).to_bytes(4, "big") + b"\xa4nope")
        with pytest.raises(Misconfigured, match="of another build"):
            take(ours, ControlHandover)


def test_a_supervisor_that_leaves_ends_a_start() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.sendall(b"\0\0")
        with pytest.raises(Misconfigured, match="left before it handed over"):
            take(ours, ControlHandover)


def test_signs_are_heard_in_whatever_pieces_and_what_is_none_is_silence() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        tell(theirs, Alive())
        theirs.sendall((1).to_bytes(4, "big") + b"\xc1")
        tell(theirs, Alive())
        data = ours.recv(4_096)
    reader = SignReader()
    heard = [sign for byte in data for sign in reader.feed(bytes([byte]))]
    assert heard == [Alive(), Alive()]


# --- folders, sockets and databases ---------------------------------------------------------------


def test_a_slot_s_journals_have_one_owner(tmp_path: Path) -> None:
    first = own(tmp_path)
    assert first is not None
    assert own(tmp_path) is None
    first.close()
    second = own(tmp_path)
    assert second is not None
    second.close()


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with (
        pytest.raises(Misconfigured, match=r"cannot use .*run: (Not a directory|File exists)"),
        alone_in(tmp_path / "run"),
    ):
        pytest.fail("it was taken")


def test_a_database_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "troth.db").mkdir()
    with pytest.raises(Misconfigured, match=r"troth\.db cannot be opened: check who owns it"):
        engine.open(f"sqlite:///{tmp_path / 'troth.db'}")


def test_a_database_that_somebody_writes_is_said_to_be_busy(tmp_path: Path) -> None:
    path = tmp_path / "troth.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Misconfigured, match="the database is busy or away: try again"):
            engine.open(f"sqlite:///{path}")


# --- a roll-over ----------------------------------------------------------------------------------


def test_the_code_on_disk_understands_itself() -> None:
    code_on_disk.check_understood()


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("raise SystemExit(1)", "does not run: restore it, or restart"),
        ("print('another')", "cannot stand beside those that run"),
    ],
)
def test_code_that_cannot_stand_beside_this_is_refused(
    monkeypatch: pytest.MonkeyPatch, program: str, told: str
) -> None:
    monkeypatch.setattr(code_on_disk, "_TOLD", program)
    with pytest.raises(Misconfigured, match=told):
        code_on_disk.check_understood()


# --- a fault of ours ------------------------------------------------------------------------------


def test_a_fault_of_ours_ends_one_request_and_is_told_by_its_line() -> None:
    stage, lines = scene(), list[bytes]()
    stage.world.ids = None  # type: ignore[assignment]
    serve = guarded(stage.world, Log(lines.append, ManualClock(), "gateway-0"))
    asyncio.run(_served(serve))
    assert len(lines) == 1
    assert b'"event":"RequestFailed","plane":"gateway"' in lines[0]
    assert stage.world.counters.events == {"internal": 1}


async def _served(serve: Callable[[Arrival, Sink], object]) -> None:
    await serve(None, None)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(("status", "code"), [(500, "internal"), (408, "request_timeout")])
def test_what_the_wire_refuses_is_counted_and_told(status: int, code: str) -> None:
    stage = scene()
    told, headers, answer = refuse(stage.world)(status, "any", None)
    assert told == status
    assert code.encode() in answer
    assert any(name == b"x-request-id" for name, _ in headers)
    assert stage.world.counters.events == {code: 1}


@pytest.mark.anyio
async def test_what_the_wire_refuses_has_the_status_of_the_callers_dialect() -> None:
    stage = scene()
    full = Server(echo, ServerLimits(in_flight=0), stage.clock, refuse(stage.world))
    for path, status, kind in (
        (b"/v1/messages", b"529", b'"overloaded_error"'),
        (b"/v1/chat/completions", b"503", b'"server_error"'),
    ):
        head = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n" % path
        told = await Line(server=full).send(head)
        assert told.startswith(b"HTTP/1.1 %b " % status)
        assert kind in told
        assert b"retry-after: 1\r\n" in told
