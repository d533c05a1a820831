"""All settings, read once: flags, then `TROTH_*`, then `troth.toml`, then the defaults below.

The only reader of the environment. `TROTH_SERVER__GATEWAYS=2` sets `server.gateways`; a variable
that ends in `_FILE`, or a key that ends in `_file`, names a file that holds the value. An unknown
name stops the start. No secret has a default.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from troth.catalog.load import ModelTable
from troth.kernel.closed_tables import dotted, into
from troth.kernel.errors import Misconfigured
from troth.kernel.money import nusd_of
from troth.kernel.secret import Secret
from troth.server import profiles
from troth.server.alert_settings import (
    AlertSettings,
    MailSettings,
    UptimeSettings,
    alert_faults,
)
from troth.server.document_settings import InvoiceSettings, SellerSettings, VatSettings
from troth.server.layers import Layers, Origins, file_layer, flag_layer, variable_layer
from troth.server.parts import Part
from troth.server.payment_settings import PAYMENT_VARIABLES, PaymentSettings, payment_faults
from troth.wire.limits import ClientLimits, ServerLimits

Kind = Literal[
    "simulated",
    "openai",
    "anthropic",
    "groq",
    "deepinfra",
    "openrouter",
    "llamacpp",
    "vllm",
    "ollama",
]

NUMBER_MAX: Final = 2**62
USAGE_DAYS_MIN: Final = 32
"""A month must be stated before its rows go."""
_DAYS_MAX: Final = 36_600
SEGMENT_MIN: Final = 1 << 20
SEGMENT_MAX: Final = 1 << 30
OWN_SERVERS: Final = ("llamacpp", "vllm", "ollama")
CONFIG_VARIABLE: Final = "TROTH_CONFIG"
PREFIX: Final = "TROTH_"
FILE_NAME: Final = "troth.toml"
KEY_VARIABLES: Final[Mapping[str, str]] = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "groq": "GROQ_API_KEY",
    "deepinfra": "DEEPINFRA_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
}
"""Where each company's own tools look for its key; asked last, and only for that provider."""


class ServerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sockets and processes. A bind is `address:port`, `[address]:port` for IPv6.

    `role` is which of the processes run here: all, or gateways and control apart.
    """

    role: Part = "all"
    bind: str = "127.0.0.1:8080"
    control_bind: str = "127.0.0.1:8081"
    gateways: int = 1
    erase_on_free: bool = True
    drain_seconds: int = 30
    stale_seconds: int = 30
    memory_bytes: int = 0
    tls_certificate: str = ""
    tls_key: str = ""
    tls_floor: Literal["1.2", "1.3"] = "1.3"


class DataSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The one folder that is written to; relative to the file that names it.

    `usage_days` is how long receipts, charges and sums by the hour are kept; 0 for always.
    """

    folder: str = "troth-data"
    usage_days: int = 0


class StoreSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the books are. `url` is a PostgreSQL database's; empty: SQLite in the data folder."""

    url: Secret = Secret("")


class ProviderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An upstream: what speaks there, where, with which key. Durations in milliseconds.

    `url` is the company's own address when empty; a server of your own (llama.cpp, vLLM, Ollama)
    needs one. `shipped_models` offers the models of the catalog that comes with Troth; `margin`, a
    share such as "0.20", is what their prices are raised by. `data_collection` and `zdr` (zero data
    retention) are what holds for prompts there; empty: as the kind says.
    """

    kind: Kind
    url: str = ""
    api_key: Secret = Secret("")
    region: str = ""
    shipped_models: bool = True
    margin: str = ""
    data_collection: Literal["", "allow", "deny"] = ""
    zdr: bool | None = None
    connect_ms: int = 3_000
    tls_ms: int = 5_000
    first_byte_ms: int = 60_000
    buffered_ms: int = 600_000
    between_ms: int = 60_000
    whole_ms: int = 1_800_000


class LimitSettings(ServerLimits, frozen=True, forbid_unknown_fields=True):
    """The listening side's limits, by the names and with the defaults of `wire.limits`."""


class UpstreamSettings(ClientLimits, frozen=True, forbid_unknown_fields=True):
    """The answering side's limits; `extra_ca` is a file of certificates to trust beside."""

    extra_ca: str = ""


class JournalSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Each gateway's journal: the size of one of its files, and when it is written to disk.

    `durability` is `background`, each 10 ms, or `strict`: before the end of an answer is sent.
    """

    segment_bytes: int = 16 * 1024 * 1024
    durability: Literal["background", "strict"] = "background"


class KeySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of a new key that names none itself; 0 is no limit."""

    requests_per_minute: int = 600_000
    tokens_per_minute: int = 1_000_000_000
    concurrency: int = 10_000


class WalletSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Credit of a fresh folder's first organization in US dollars; waiting for money in flight.

    `in_flight_wait_ms` is how long a request waits for money that others have set aside, 0 for not
    at all; `in_flight_waiters` how many may wait for one wallet in one gateway process.
    """

    demo_credit_usd: str = "5"
    in_flight_wait_ms: int = 1_000
    in_flight_waiters: int = 1_000


class PriceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many days before a rise must be known; falling prices need none."""

    notice_days: int = 14


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole. `models` adds to the shipped catalog and replaces its rows of the same name."""

    server: ServerSettings = ServerSettings()
    data: DataSettings = DataSettings()
    store: StoreSettings = StoreSettings()
    providers: dict[str, ProviderSettings] = msgspec.field(default_factory=dict)
    models: dict[str, ModelTable] = msgspec.field(default_factory=dict)
    limits: LimitSettings = LimitSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    journal: JournalSettings = JournalSettings()
    keys: KeySettings = KeySettings()
    wallet: WalletSettings = WalletSettings()
    prices: PriceSettings = PriceSettings()
    payments: PaymentSettings = PaymentSettings()
    alerts: AlertSettings = AlertSettings()
    mail: MailSettings = MailSettings()
    uptime: UptimeSettings = UptimeSettings()
    seller: SellerSettings = SellerSettings()
    vat: VatSettings = VatSettings()
    invoices: InvoiceSettings = InvoiceSettings()

    @property
    def folder(self) -> Path:
        """The data folder; absolute once `read` has returned."""
        return Path(self.data.folder)

    @property
    def run_folder(self) -> Path:
        """Where the sockets of a running installation lie."""
        return self.folder / "run"


class Reading(msgspec.Struct, frozen=True):
    """Settings, where each value that was set came from, and the file, if there was one."""

    settings: Settings
    origins: Origins
    file: str

    def origin(self, path: tuple[str, ...]) -> str:
        """Return who set a value: `default` when nobody did."""
        return self.origins.get(path, "default")


class Flags(msgspec.Struct, frozen=True):
    """What the command line says: values by dotted name, providers to add by their kind."""

    config: str = ""
    values: Mapping[str, str] = msgspec.field(default_factory=dict)
    providers: tuple[str, ...] = ()
    profile: str = ""


def environment() -> Mapping[str, str]:
    """Return this process's environment, for the one place that reads settings."""
    return dict(os.environ)


def read(flags: Flags, variables: Mapping[str, str]) -> Reading:
    """Return the settings of all layers.

    Raises:
        Misconfigured: place, fault and fix of the first value that cannot be used.
    """
    file = _file(flags, variables)
    layers = Layers()
    if file is not None:
        layers.add(file_layer(file, Settings))
    ours = {name: text for name, text in variables.items() if name.startswith(PREFIX)}
    ours.pop(CONFIG_VARIABLE, None)
    ours.pop(profiles.VARIABLE, None)
    layers.add(variable_layer(ours, PREFIX, Settings))
    layers.add(flag_layer(flags.values, Settings))
    for kind in flags.providers:
        layers.set(("providers", kind, "kind"), kind, f"flag --provider {kind}")
    if not layers.table.get("providers"):
        layers.set(("providers", "simulated", "kind"), "simulated", "default: no other provider")
    _ask_companies(layers, variables)
    settings = into(Settings, layers.table, layers.place, strict=False)
    _check(settings, layers, flags.providers)
    return Reading(_based(settings, layers), layers.origins, str(file or ""))


def _file(flags: Flags, variables: Mapping[str, str]) -> Path | None:
    named, profile = flags.config, flags.profile
    if named and profile:
        raise Misconfigured("--config and --profile name settings twice: give one of them.")
    if not named and not profile:
        named = variables.get(CONFIG_VARIABLE, "")
        profile = "" if named else variables.get(profiles.VARIABLE, "")
    if profile:
        named = profiles.config_of(profile, variables)
    if not named:
        return Path(FILE_NAME) if Path(FILE_NAME).exists() else None
    if not Path(named).is_file():
        raise Misconfigured(f"{named}: there is no such file. 'troth init' makes one.")
    return Path(named)


def _ask_companies(layers: Layers, variables: Mapping[str, str]) -> None:
    """Take a company's key from its own variable when nothing else sets one."""
    payments = layers.table.get("payments")
    if isinstance(payments, dict) and payments.get("kind") == "stripe":
        for name, variable in PAYMENT_VARIABLES.items():
            if variables.get(variable) and not payments.get(name):
                layers.set(("payments", name), variables[variable], f"variable {variable}")
    providers = layers.table.get("providers", {})
    if not isinstance(providers, dict):
        return
    for name, provider in providers.items():
        if not isinstance(provider, dict) or provider.get("api_key"):
            continue
        kind = provider.get("kind")
        variable = KEY_VARIABLES.get(kind, "") if isinstance(kind, str) else ""
        if variables.get(variable):
            path = ("providers", name, "api_key")
            layers.set(path, variables[variable], f"variable {variable}")


def _check(settings: Settings, layers: Layers, asked: tuple[str, ...]) -> None:
    """Refuse values that have the right type and still cannot work."""
    for name, provider in settings.providers.items():
        _check_provider(name, provider, layers, is_asked=name in asked)
    server = settings.server
    for path, value, least, most in _numbers(settings):
        if not least <= value <= most:
            reach = f"from {least} to {most}" if most < NUMBER_MAX else f"at least {least}"
            raise Misconfigured(f"{layers.place(path)}: '{dotted(path)}' must be {reach}.")
    for key, bind in (("bind", server.bind), ("control_bind", server.control_bind)):
        if parse_bind(bind) is None:
            where = layers.place(("server", key))
            raise Misconfigured(f"{where}: 'server.{key}' must be like \"127.0.0.1:8080\".")
    _check_money(settings, layers)
    if bool(server.tls_certificate) != bool(server.tls_key):
        where = layers.place(("server",))
        raise Misconfigured(f"{where}: 'server.tls_certificate' and 'server.tls_key' go together.")


def _check_money(settings: Settings, layers: Layers) -> None:
    if settings.data.usage_days and not USAGE_DAYS_MIN <= settings.data.usage_days <= _DAYS_MAX:
        reach = f"must be 0 for always, or from {USAGE_DAYS_MIN} to {_DAYS_MAX}"
        raise Misconfigured(f"{layers.place(('data', 'usage_days'))}: 'data.usage_days' {reach}.")
    if nusd_of(settings.wallet.demo_credit_usd) is None:
        where = layers.place(("wallet", "demo_credit_usd"))
        raise Misconfigured(f"{where}: 'wallet.demo_credit_usd' must be US dollars, like \"5\".")
    for name, fault in payment_faults(settings.payments):
        where = layers.place(("payments", name))
        raise Misconfigured(f"{where}: 'payments.{name}' {fault}.")
    for path, fault in alert_faults(settings.alerts, settings.mail, settings.uptime):
        raise Misconfigured(f"{layers.place(path)}: '{dotted(path)}' {fault}.")


def _numbers(settings: Settings) -> Iterator[tuple[tuple[str, str], int, int, int]]:
    """Yield each number that has bounds: its path, its value, the least and the most."""
    server = settings.server
    yield ("server", "gateways"), server.gateways, 1, 64
    yield ("server", "drain_seconds"), server.drain_seconds, 0, 3_600
    yield ("server", "stale_seconds"), server.stale_seconds, 2, 60
    yield ("server", "memory_bytes"), server.memory_bytes, 0, NUMBER_MAX
    yield ("prices", "notice_days"), settings.prices.notice_days, 0, 3_650
    yield ("journal", "segment_bytes"), settings.journal.segment_bytes, SEGMENT_MIN, SEGMENT_MAX
    wallet = settings.wallet
    yield ("wallet", "in_flight_wait_ms"), wallet.in_flight_wait_ms, 0, 60_000
    yield ("wallet", "in_flight_waiters"), wallet.in_flight_waiters, 0, 10_000
    for name, section in (
        ("limits", settings.limits),
        ("upstream", settings.upstream),
        ("keys", settings.keys),
    ):
        for field, value in msgspec.structs.asdict(section).items():
            if isinstance(value, int):
                yield (name, field), value, 0, NUMBER_MAX


def _check_provider(
    name: str, provider: ProviderSettings, layers: Layers, *, is_asked: bool
) -> None:
    path = ("providers", name)
    if provider.margin and nusd_of(provider.margin) is None:
        where = layers.place((*path, "margin"))
        raise Misconfigured(
            f"{where}: '{dotted((*path, 'margin'))}' must be a share, like \"0.20\"."
        )
    if is_asked and provider.kind in KEY_VARIABLES and provider.api_key.is_empty:
        raise Misconfigured(
            f"{layers.place(path)}: there is no key for '{name}'. Set the variable "
            f"{KEY_VARIABLES[provider.kind]}, or 'providers.{name}.api_key_file' in {FILE_NAME}."
        )
    if provider.kind in OWN_SERVERS and not provider.url:
        raise Misconfigured(
            f"{layers.place(path)}: '{dotted((*path, 'url'))}' is missing: nobody but you knows "
            'where your own server is. Add it, such as "http://127.0.0.1:8000/v1".'
        )


def parse_bind(bind: str) -> tuple[str, int] | None:
    """Return address and port of `127.0.0.1:8080` or `[::1]:8080`, or None."""
    host, colon, port = bind.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:  # noqa: PLR2004
        return None
    return host, int(port)


def _based(settings: Settings, layers: Layers) -> Settings:
    """Make the paths absolute: those of the file are relative to it, others to where we are."""

    def absolute(path: str, *name: str) -> str:
        return str((layers.folder(name) / path).resolve()) if path else ""

    data, server, upstream = settings.data, settings.server, settings.upstream
    return msgspec.structs.replace(
        settings,
        data=msgspec.structs.replace(data, folder=absolute(data.folder, "data", "folder")),
        server=msgspec.structs.replace(
            server,
            tls_certificate=absolute(server.tls_certificate, "server", "tls_certificate"),
            tls_key=absolute(server.tls_key, "server", "tls_key"),
        ),
        upstream=msgspec.structs.replace(
            upstream, extra_ca=absolute(upstream.extra_ca, "upstream", "extra_ca")
        ),
        vat=msgspec.structs.replace(
            settings.vat, table=absolute(settings.vat.table, "vat", "table")
        ),
        invoices=msgspec.structs.replace(
            settings.invoices, fonts=absolute(settings.invoices.fonts, "invoices", "fonts")
        ),
    )
