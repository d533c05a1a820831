"""Puts an installation together: settings in, running processes out. The one place that does."""

from collections.abc import Callable

from troth.kernel.clock import Clock
from troth.kernel.errors import Misconfigured
from troth.kernel.log import Log, Sink
from troth.server import database
from troth.server.alert_terms import alert_terms
from troth.server.handover import Serving, Tls
from troth.server.hardening import raise_descriptor_limit
from troth.server.log_lines import Role
from troth.server.offer import offer_of
from troth.server.payment_settings import payment_terms
from troth.server.settings import Settings, parse_bind
from troth.server.sockets import Address, Sockets, alone_in, open_sockets
from troth.server.supervisor import Installation, Standing, Supervisor, signals_stop


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
        payments=payment_terms(settings.payments),
        alerts=alert_terms(settings.alerts, settings.mail, settings.uptime),
    )


def serving(settings: Settings) -> Serving:
    """Return how gateways serve."""
    server, upstream = settings.server, settings.upstream
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
    )


def _address(bind: str) -> Address:
    parsed = parse_bind(bind)
    if parsed is None:
        raise Misconfigured(f"'{bind}' must be an address and a port, like \"127.0.0.1:8080\"")
    return Address(*parsed)


def serve(
    settings: Settings, clock: Clock, sink: Sink, on_standing: Callable[[Standing], None]
) -> None:
    """Run the installation until SIGTERM or SIGINT; `on_standing` hears when all of it answers.

    `sink` takes the supervisor's log lines; its children write theirs to standard error.

    Raises:
        Misconfigured: it cannot start, with what to mend.
    """
    planned = installation(settings)
    raise_descriptor_limit()
    log = Log(sink, clock, Role.SUPERVISOR.value)
    with alone_in(settings.run_folder):
        opened = sockets(settings)
        supervisor = Supervisor(planned, opened, clock, log, on_standing=on_standing)
        with signals_stop(supervisor):
            supervisor.run()
