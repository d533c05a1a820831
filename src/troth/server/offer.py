"""What this installation offers: the settings' providers and models as a catalog with upstreams.

A model without a price, or at a provider without a key, is not served; `warnings` say so.
"""

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from troth.catalog import load
from troth.catalog.load import Catalog, ModelTable
from troth.catalog.offering import DataTerm, Dialect, Upstream
from troth.kernel.errors import Misconfigured
from troth.kernel.secret import Secret
from troth.kernel.usage_record import UPSTREAM_BYTES_MAX
from troth.server.settings import KEY_VARIABLES, OWN_SERVERS, ProviderSettings, Settings

COMPANIES: Final[Mapping[str, str]] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com/v1",
    "groq": "https://api.groq.com/openai/v1",
    "deepinfra": "https://api.deepinfra.com/v1/openai",
    "openrouter": "https://openrouter.ai/api/v1",
    "simulated": "http://simulated.invalid/v1",
}
"""Where each company answers; the simulated one is never dialed."""

_KEEP_TERMS: Final = frozenset({*OWN_SERVERS, "simulated", "openrouter"})
_PORTS: Final = {"http": 80, "https": 443}


class Offer(msgspec.Struct, frozen=True):
    """The catalog in force, the credential of each upstream, and what is not served and why."""

    catalog: Catalog
    credentials: Mapping[str, Secret]
    warnings: tuple[str, ...]


def offer_of(settings: Settings) -> Offer:
    """Return what the settings offer.

    Raises:
        Misconfigured: an address that is none, a model at a provider that is not configured.
    """
    upstreams = {name: upstream(name, each) for name, each in settings.providers.items()}
    keyless = [
        name
        for name, each in settings.providers.items()
        if each.kind in KEY_VARIABLES and each.api_key.is_empty
    ]
    tables = load.merge(
        (
            load.at_provider(load.shipped(each.kind), name, each.margin)
            for name, each in settings.providers.items()
            if each.shipped_models
        ),
        settings.models,
    )
    catalog = load.build(tables, upstreams, frozenset(keyless))
    warnings = [_keyless(name, settings.providers[name]) for name in keyless]
    warnings += [_unpriced(name, tables[name]) for name in catalog.unpriced]
    if not catalog.offerings:
        warnings.append("No model is offered. Add a provider or a model to troth.toml.")
    credentials = {name: each.api_key for name, each in settings.providers.items()}
    return Offer(catalog, credentials, tuple(warnings))


def _keyless(name: str, provider: ProviderSettings) -> str:
    return (
        f"Provider '{name}' has no key, so its models are not served. Set the variable "
        f"{KEY_VARIABLES[provider.kind]}, or 'providers.{name}.api_key_file'."
    )


def _unpriced(name: str, table: ModelTable) -> str:
    return (
        f"Model '{name}' has no price, so it is not served. Add a price to its table, such as "
        f'price = {{ input = "0.15", output = "0.60" }}; "0" is a price too.'
        + (f" Its provider is '{table.provider}'." if table.provider else "")
    )


def upstream(name: str, provider: ProviderSettings) -> Upstream:
    """Return the address of a provider.

    Raises:
        Misconfigured: its url is not one, or its name or region is too long for a usage record.
    """
    if max(len(name.encode()), len(provider.region.encode())) > UPSTREAM_BYTES_MAX:
        raise Misconfigured(
            f"The name and the region of a provider are {UPSTREAM_BYTES_MAX} bytes at most: they "
            f"stand in each usage record. Shorten those of 'providers.{name[:UPSTREAM_BYTES_MAX]}'."
        )
    url = urlsplit(provider.url or COMPANIES.get(provider.kind, ""))
    scheme, host = url.scheme, url.hostname
    try:
        port = url.port or _PORTS.get(scheme, 0)
    except ValueError:
        port = 0
    if scheme not in _PORTS or not host or not port or url.query or url.fragment or url.username:
        raise Misconfigured(
            f"'providers.{name}.url' must be like \"https://api.example.com/v1\": scheme, host, "
            "path, and nothing else."
        )
    return Upstream(
        id=name,
        provider=provider.kind,
        dialect=_dialect(provider.kind),
        scheme="https" if scheme == "https" else "http",
        host=host,
        port=port,
        base_path=url.path.rstrip("/"),
        region=provider.region,
        connect_ms=provider.connect_ms,
        tls_ms=provider.tls_ms,
        first_byte_ms=provider.first_byte_ms,
        buffered_ms=provider.buffered_ms,
        between_ms=provider.between_ms,
        whole_ms=provider.whole_ms,
        data_terms=frozenset(_data_terms(provider)),
    )


def _data_terms(provider: ProviderSettings) -> Iterator[DataTerm]:
    """Yield what holds for prompts there.

    Unless it is set otherwise, that is both where no other company gets them, and where each
    request can say so. Of all others nothing is known but what the operator's contract says.
    """
    is_kept = provider.kind in _KEEP_TERMS
    if provider.data_collection == "deny" or (not provider.data_collection and is_kept):
        yield "no_collection"
    if is_kept if provider.zdr is None else provider.zdr:
        yield "no_retention"


def _dialect(kind: str) -> Dialect:
    match kind:
        case "anthropic":
            return "anthropic"
        case "simulated":
            return "simulated"
        case _:
            return "openai"
