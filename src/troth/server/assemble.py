"""Puts an installation together: settings in, running processes out. The one place that does."""

from collections.abc import Callable, Iterator

from troth.kernel.clock import Clock
from troth.kernel.errors import Misconfigured
from troth.kernel.log import Log, Sink
from troth.server import database
from troth.server.alert_terms import alert_terms
from troth.server.code_on_disk import check_understood, fingerprint
from troth.server.document_terms import document_settings
from troth.server.handover import Serving, Tls, WaitTerms
from troth.server.hardening import raise_descriptor_limit
from troth.server.log_lines import Role
from troth.server.offer import offer_of
from troth.server.payment_settings import payment_terms
from troth.server.places import Installation
from troth.server.settings import Settings, parse_bind
from troth.server.sockets import Address, Sockets, alone_in, open_sockets
from troth.server.supervisor import Plan, Standing, Supervisor, signals_heard


def installation(settings: Settings) -> Installation:
    """Return what to run, from what was set.

    Raises:
        Misconfigured: the settings offer something that cannot be.
    """
    offer = offer_of(settings)
    return Installation(
        database=database.address(settings),
        data_folder=str(settings.folder),
        run_folder=str(settings.run_folder),
        credentials={
            upstream: secret.reveal()
            for upstream, secret in offer.credentials.items()
            if not secret.is_empty
        },
        catalog=offer.catalog,
        warnings=offer.warnings,
        key_defaults=settings.keys,
        notice_days=settings.prices.notice_days,
        serving=serving(settings),
        gateways=settings.server.gateways,
        part=settings.server.role,
        payments=payment_terms(settings.payments),
        alerts=alert_terms(settings.alerts, settings.mail, settings.uptime),
        documents=document_settings(settings),
        usage_days=settings.data.usage_days,
    )


def serving(settings: Settings) -> Serving:
    """Return how gateways serve."""
    server, upstream, wallet = settings.server, settings.upstream, settings.wallet
    tls = None
    if server.tls_certificate:
        tls = Tls(server.tls_certificate, server.tls_key, server.tls_floor)
    return Serving(
        drain_seconds=server.drain_seconds,
        stale_seconds=server.stale_seconds,
        erase_on_free=server.erase_on_free,
        tls=tls,
        limits=settings.limits,
        upstream=upstream,
        extra_ca=upstream.extra_ca,
        segment_bytes=settings.journal.segment_bytes,
        is_strict=settings.journal.durability == "strict",
        memory_bytes=server.memory_bytes,
        waits=WaitTerms(
            wallet.in_flight_wait_ms, wallet.in_flight_waiters, 4 * wallet.in_flight_waiters
        ),
    )


def sockets(settings: Settings) -> Sockets:
    """Open the sockets that the settings name.

    Raises:
        Misconfigured: an address that is taken or not ours.
    """
    server = settings.server
    return open_sockets(
        _address(server.bind),
        _address(server.control_bind),
        server.gateways,
        settings.run_folder,
        part=server.role,
    )


def _address(bind: str) -> Address:
    parsed = parse_bind(bind)
    if parsed is None:
        raise Misconfigured(f"'{bind}' must be an address and a port, like \"127.0.0.1:8080\"")
    return Address(*parsed)


def serve(
    settings: Settings,
    clock: Clock,
    sink: Sink,
    on_standing: Callable[[Standing], None],
    *,
    reread: Callable[[], Settings] | None = None,
) -> None:
    """Run the installation until SIGTERM or SIGINT; `on_standing` hears when all of it answers.

    `sink` takes the supervisor's log lines; its children write theirs to standard error. SIGHUP
    replaces all processes by those that `reread`, or `settings`, and the code on disk ask for.

    Raises:
        Misconfigured: it cannot start, with what to mend.
    """
    planned = installation(settings)
    raise_descriptor_limit()
    log = Log(sink, clock, Role.SUPERVISOR.value)
    with alone_in(settings.run_folder, settings.server.role):
        opened = sockets(settings)
        supervisor = Supervisor(
            planned,
            opened,
            clock,
            log,
            on_standing=on_standing,
            plan=Planner(settings, reread or (lambda: settings)).plan,
        )
        with signals_heard(supervisor):
            supervisor.run()


class Planner:
    """Says what a roll-over goes to: the settings read anew, the code as it is on disk."""

    def __init__(self, settings: Settings, reread: Callable[[], Settings]) -> None:
        self._settings = settings
        self._reread = reread
        self._installation = installation(settings)
        self._code = fingerprint()

    def plan(self) -> Plan:
        """Return what to run now. Control is replaced only when something changed for it.

        Raises:
            Misconfigured: settings that are wrong, or that only a restart can change; code that
                does not understand this process.
        """
        settings = self._reread()
        for name in _fixed(self._settings, settings):
            raise Misconfigured(f"'{name}' changes with a restart only: restart 'troth serve'")
        found = installation(settings)
        code = fingerprint()
        if code != self._code:
            check_understood()
        with_control = code != self._code or found != self._installation
        self._installation, self._code = found, code
        return Plan(found, with_control)


def _fixed(former: Settings, settings: Settings) -> Iterator[str]:
    """Yield the settings that differ and cannot change while sockets and database are open."""
    for name in ("role", "bind", "control_bind", "gateways"):
        if getattr(former.server, name) != getattr(settings.server, name):
            yield f"server.{name}"
    if former.folder != settings.folder:
        yield "data.folder"
    if database.address(former) != database.address(settings):
        yield "store.url"
