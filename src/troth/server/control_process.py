"""The control process: the desk, the management API, health and metrics. No inference content.

Started by the supervisor with its settings on a life line; ends when that closes.
"""

import select
import signal
import socket
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Final

from troth.control import supply
from troth.kernel.clock import Clock, SystemClock
from troth.kernel.errors import Misconfigured
from troth.kernel.ids import IdMaker, system_entropy
from troth.kernel.log import Log
from troth.kernel.sealer import Sealer
from troth.ledger.books import Teller, TellerTerms
from troth.server import database
from troth.server.books_check import BooksCheck
from troth.server.cashier import Cashier, open_cashier
from troth.server.control_port import ControlPort
from troth.server.desk import Desk, Terms
from troth.server.desk_names import DeskNames
from troth.server.document_terms import document_terms
from troth.server.duties import DUTIES, SLOW_DUTIES, Duties, Duty
from troth.server.faults import where
from troth.server.handover import Alive, ControlHandover, Failed, Ready, take, tell
from troth.server.hardening import forbid_dumps
from troth.server.log_lines import DutyName, ProcessFailed, UpstreamRefuses
from troth.server.management_loading import load, open_management
from troth.server.metrics import CONTENT_TYPE, Metrics
from troth.server.office import Office
from troth.server.payment_duties import payment_duties
from troth.server.records import write_usage
from troth.server.sealing import people_sealer
from troth.server.shelf import stock_of
from troth.server.standard_error import to_standard_error
from troth.server.uptime_duties import uptime_duties
from troth.server.uptime_meter import UptimeMeter
from troth.server.webhooks import webhooks
from troth.store import engine

_ALIVE_SECONDS: Final = 1.0
_GO: Final = 0
_CANNOT_START: Final = 78


def run(line: socket.socket) -> int:
    """Serve until the life line closes; return the exit status."""
    forbid_dumps()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if not _is_told(line):
        load()
    tell(line, Alive())  # if there is a former process, it may end now: all is loaded
    handover = take(line, ControlHandover)
    clock = SystemClock()
    log = Log(to_standard_error, clock, "control")
    _tell_faults(log)
    try:
        store = engine.open(handover.database, is_alone=True)
        deployment = database.deployment(store, Path(handover.data_directory), system_entropy)
        with store.write() as transaction:
            stock = stock_of(transaction, handover.catalog, clock.now_ms())
            supply.remember(transaction, stock.catalog, clock.now_ms())
        folder = Path(handover.data_directory)
        seals = (
            people_sealer(folder, system_entropy),
            open_cashier(handover.payments, folder, IdMaker(clock), system_entropy),
        )
    except Misconfigured as wrong:
        tell(line, Failed(wrong.problem))
        return _CANNOT_START
    metrics = Metrics(lambda slot: log.write(UpstreamRefuses(slot)))
    desk = _desk(store, handover, (clock, log, metrics), deployment=deployment, sealer=seals[0])
    desk.sell(stock)
    desk.serve(socket.socket(fileno=handover.desk))
    office = _office(store, handover, (clock, metrics), desk, seals=seals)
    meter = UptimeMeter(metrics.pulse)
    port = ControlPort(
        lambda: desk.is_ready, metrics.render, CONTENT_TYPE, clock, status=lambda: meter.page
    )
    port.serve(socket.socket(fileno=handover.port), webhooks(office, log))
    management = open_management(office, socket.socket(fileno=handover.management))
    management.start()
    duties = _duties(office, log, meter, BooksCheck(desk, log))
    tell(line, Ready(is_erasing=False))
    _wait(line)
    for stop in (*(each.stop for each in duties), management.stop, port.stop, desk.stop):
        stop()
    store.close()
    return _GO


def _is_told(line: socket.socket) -> bool:
    """Tell whether the supervisor has handed over: as long as a former process serves, it waits.

    Otherwise gateways wait for the desk, and what they do not need is loaded behind it.
    """
    return bool(select.select((line,), (), (), 0)[0])


def _wait(line: socket.socket) -> None:
    """Give a sign of life each second, until the supervisor's end closes."""
    line.settimeout(_ALIVE_SECONDS)
    while True:
        try:
            if not line.recv(1):
                return
        except TimeoutError:
            tell(line, Alive())
        except OSError:
            return


def _desk(
    store: engine.Store,
    handover: ControlHandover,
    tools: tuple[Clock, Log, Metrics],
    *,
    deployment: bytes,
    sealer: Sealer,
) -> Desk:
    clock, log, metrics = tools
    stale_seconds = handover.serving.stale_seconds
    teller = Teller(TellerTerms(valid_ms=stale_seconds * 1_000), IdMaker(clock).raw, write_usage)
    terms = Terms(
        deployment,
        handover.slots,
        stale_seconds,
        handover.catalog,
        handover.credentials,
        handover.usage_days,
        DeskNames(store, clock, sealer, system_entropy),
    )
    return Desk(store, teller, terms, metrics, clock=clock, log=log)


def _duties(office: Office, log: Log, meter: UptimeMeter, books_check: BooksCheck) -> list[Duties]:
    """Start what is done by itself, in threads that do not wait for each other."""
    threads = [
        DUTIES,
        (*SLOW_DUTIES, Duty(DutyName.CHECK_BOOKS, 60_000, books_check.turn)),
        uptime_duties(meter),
        *([payment_duties(log)] if office.cashier else []),
    ]
    started = [Duties(office, each, clock=office.clock, log=log) for each in threads]
    for each in started:
        each.start()
    return started


def _office(
    store: engine.Store,
    handover: ControlHandover,
    tools: tuple[Clock, Metrics],
    desk: Desk,
    *,
    seals: tuple[Sealer, Cashier | None],
) -> Office:
    clock, metrics = tools
    sealer, cashier = seals
    return Office(
        store=store,
        clock=clock,
        entropy=system_entropy,
        maker=IdMaker(clock),
        catalog=handover.catalog,
        key_defaults=handover.key_defaults,
        notice_days=handover.notice_days,
        sales=desk,
        gateways=desk,
        sealer=sealer,
        is_serving=True,
        warnings=tuple(handover.warnings),
        alerts=handover.alerts,
        usage_days=handover.usage_days,
        cashier=cashier,
        documents=document_terms(handover.documents),
        refusing=metrics.refusing,
    )


def _tell_faults(log: Log) -> None:
    """Let a fault of ours be one closed line, wherever it ends a thread or the process."""

    def tell_where(error: BaseException | None, traceback: TracebackType | None) -> None:
        found = where(error, traceback)
        log.write(ProcessFailed(found.plane, found.line, found.kind))

    threading.excepthook = lambda args: tell_where(args.exc_value, args.exc_traceback)
    sys.excepthook = lambda _, error, traceback: tell_where(error, traceback)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as inherited:
        status = run(inherited)
    sys.exit(status)
