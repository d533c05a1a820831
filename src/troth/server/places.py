"""What each process of an installation is handed: its settings, its sockets, its environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from troth.catalog.load import Catalog
from troth.ledger.shard import JOURNAL_SUFFIX
from troth.server.child import Place
from troth.server.document_settings import DocumentSettings
from troth.server.handover import NO_LISTENER, AlertTerms, ControlHandover, GatewayHandover, Serving
from troth.server.hardening import ERASING, STEADY
from troth.server.log_lines import Role
from troth.server.parts import Part
from troth.server.payment_settings import PaymentTerms
from troth.server.settings import KeySettings
from troth.server.sockets import Sockets

_PLAIN: Final[Mapping[str, str]] = {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"}
"""A child's whole environment: nothing is inherited, so nothing in it can be a secret."""


class Installation(msgspec.Struct, frozen=True):
    """What to run. `credentials` by upstream go to the control process over its life line.

    `gateways` is how many there are in all, also where another supervisor runs them.
    """

    database: str
    data_folder: str
    run_folder: str
    credentials: Mapping[str, str]
    catalog: Catalog
    warnings: tuple[str, ...]
    key_defaults: KeySettings
    notice_days: int
    serving: Serving
    gateways: int = 1
    part: Part = "all"
    payments: PaymentTerms | None = None
    alerts: AlertTerms = AlertTerms()
    documents: DocumentSettings = DocumentSettings()
    usage_days: int = 0


def gateway_place(installation: Installation, sockets: Sockets, slot: int) -> Place:
    """Return the place of a gateway. Slots `n` and `n + count of sockets` share a socket."""
    listener = sockets.slots[slot % len(sockets.slots)].fileno()
    return _gateway(installation, sockets, slot, listener)


def sweeper_place(installation: Installation, sockets: Sockets, slot: int) -> Place:
    """Return the place of a process that settles what a slot left behind, and serves nobody."""
    return _gateway(installation, sockets, slot, NO_LISTENER)


def _gateway(installation: Installation, sockets: Sockets, slot: int, listener: int) -> Place:
    serving = installation.serving
    handover = GatewayHandover(
        slot=slot,
        slots=len(sockets.slots),
        listener=listener,
        rates=sockets.rates,
        hint_key=sockets.hint_key,
        desk_socket=f"{installation.run_folder}/desk.sock",
        journal_directory=str(_journals(installation) / str(slot)),
        serving=serving,
    )
    return Place(
        Role.GATEWAY,
        slot,
        "troth.server.gateway_process",
        handover,
        tuple(each for each in (listener, sockets.rates) if each != NO_LISTENER),
        {**_PLAIN, **(ERASING if serving.erase_on_free else STEADY)},
    )


def control_place(installation: Installation, sockets: Sockets) -> Place:
    """Return the place of the control process."""
    descriptors = (
        sockets.desk.fileno(),
        sockets.management.fileno(),
        sockets.port.fileno(),
    )
    handover = ControlHandover(
        database=installation.database,
        data_directory=installation.data_folder,
        desk=descriptors[0],
        management=descriptors[1],
        port=descriptors[2],
        slots=installation.gateways,
        credentials=dict(installation.credentials),
        serving=installation.serving,
        catalog=installation.catalog,
        warnings=list(installation.warnings),
        key_defaults=installation.key_defaults,
        notice_days=installation.notice_days,
        payments=installation.payments,
        alerts=installation.alerts,
        usage_days=installation.usage_days,
        documents=installation.documents,
    )
    return Place(
        Role.CONTROL, 0, "troth.server.control_process", handover, descriptors, dict(_PLAIN)
    )


def left_behind(installation: Installation) -> set[int]:
    """Return the slots in whose folders journals lie."""
    found = _journals(installation).glob(f"*/*{JOURNAL_SUFFIX}")
    return {int(file.parent.name) for file in found if file.parent.name.isdecimal()}


def _journals(installation: Installation) -> Path:
    return Path(installation.data_folder) / "journal"
