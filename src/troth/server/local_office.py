"""The office of a command while nothing runs: no gateways to tell, the machine's clock."""

from troth.kernel.clock import SystemClock
from troth.kernel.ids import IdMaker, system_entropy
from troth.server.alert_terms import alert_terms
from troth.server.cashier import cashier_of_settings
from troth.server.document_terms import document_settings, document_terms
from troth.server.offer import Offer
from troth.server.office import NoGateways, Office
from troth.server.sealing import people_sealer
from troth.server.settings import Settings
from troth.store.engine import Store


def office_of(settings: Settings, offer: Offer, store: Store) -> Office:
    """Return an office over an open store.

    Raises:
        Misconfigured: the settings name terms that cannot be.
    """
    clock = SystemClock()
    papers = document_terms(document_settings(settings))
    return Office(
        store=store,
        clock=clock,
        entropy=system_entropy,
        maker=IdMaker(clock),
        catalog=offer.catalog,
        key_defaults=settings.keys,
        notice_days=settings.prices.notice_days,
        gateways=NoGateways(),
        usage_days=settings.data.usage_days,
        sealer=people_sealer(settings.folder, system_entropy),
        warnings=offer.warnings,
        alerts=alert_terms(settings.alerts, settings.mail, settings.uptime),
        cashier=cashier_of_settings(
            settings.payments, settings.folder, IdMaker(clock), system_entropy
        ),
        documents=papers,
    )
