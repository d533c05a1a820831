"""How management shows things: closed structs, as the command line gets them in JSON."""

from collections.abc import Mapping

import msgspec

from troth.catalog.load import Catalog
from troth.control import keys, promotions, reports
from troth.control.documents import End
from troth.kernel.money import usd
from troth.ledger import books
from troth.server.status_page import StatusPage


class State(msgspec.Struct, frozen=True):
    """What answers: version, whether gateways run beside, how much there is.

    `refusing` are upstreams, each with a model, that refuse the operator's key or account.
    """

    version: str
    is_serving: bool
    organizations: int
    live_keys: int
    models: tuple[str, ...]
    price_set: str
    warnings: tuple[str, ...]
    refusing: tuple[tuple[str, str], ...] = ()


class Verified(msgspec.Struct, frozen=True):
    """How much was recomputed, what does not agree, and the end of each desk's chain."""

    batches: int
    charges: int
    entries: int
    audit_entries: int
    problems: list[str]
    heads: list[reports.Head] = []


class CheckedDocuments(msgspec.Struct, frozen=True):
    """How many series and documents were read, where each ends, and what is wrong with them."""

    series: int
    documents: int
    ends: list[End]
    problems: list[str]


class KeptEnds(msgspec.Struct, frozen=True):
    """Ends of series that were kept elsewhere."""

    kept: list[End]


class ShownRate(msgspec.Struct, frozen=True):
    """A country's standard VAT rate, from a day on."""

    country: str
    percent: str
    since: str
    source: str


class ShownRates(msgspec.Struct, frozen=True):
    """All of them, and where they come from as a whole."""

    source: str
    checked_on: str
    rates: list[ShownRate]


class Erased(msgspec.Struct, frozen=True):
    """What is forgotten of an organization, and how many documents stay."""

    organization: str
    is_erased: bool
    documents_kept: int


class Changed(msgspec.Struct, frozen=True):
    """A change and where it is in force: gateways that confirmed, slots that did not."""

    ref: str
    is_in_force: bool
    confirmed: int
    silent: tuple[int, ...]
    until_ms: int


class KeyAsked(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a new key is asked to be, as the command line sends it."""

    name: str
    models: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    expires_at_ms: int = 0
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None
    day_limit_usd: str = "0"
    month_limit_usd: str = "0"
    project: str = ""


class ShownKey(msgspec.Struct, frozen=True):
    """A key as it is listed.

    Only in the answer that made it: `text`, and the gateways that have not confirmed the change.
    """

    ref: str
    prefix: str
    organization: str
    name: str
    state: str
    models: tuple[str, ...]
    networks: tuple[str, ...]
    created_at_ms: int
    expires_at_ms: int
    revoked_at_ms: int
    replaced_by: str
    requests_per_minute: int
    tokens_per_minute: int
    concurrency: int
    day_limit_nusd: int
    month_limit_nusd: int
    project: str
    text: str = ""
    silent: tuple[int, ...] = ()
    until_ms: int = 0


def shown_key(
    key: keys.Key, limits: Mapping[tuple[str, str], int], now_ms: int, text: str = ""
) -> ShownKey:
    """Return a key as it stands at `now_ms`; `limits` are budgets by owner and period."""
    terms = key.terms
    is_over = 0 < terms.expires_at_ms <= now_ms
    return ShownKey(
        ref=key.ref,
        prefix=f"sk-troth-{key.public_id}",
        organization=key.org,
        name=terms.name,
        state="revoked" if key.revoked_at_ms else "expired" if is_over else "live",
        models=terms.models,
        networks=terms.networks,
        created_at_ms=key.created_at_ms,
        expires_at_ms=terms.expires_at_ms,
        revoked_at_ms=key.revoked_at_ms,
        replaced_by=key.replaced_by,
        requests_per_minute=terms.requests_per_minute,
        tokens_per_minute=terms.tokens_per_minute,
        concurrency=terms.concurrency,
        day_limit_nusd=limits.get((key.ref, "day"), 0),
        month_limit_nusd=limits.get((key.ref, "month"), 0),
        project=terms.project,
        text=text,
    )


class ShownWallet(msgspec.Struct, frozen=True):
    """A wallet: owned, lent to gateways, free; in nano-USD and in dollars."""

    organization: str
    posted_nusd: int
    held_nusd: int
    available_nusd: int
    posted_usd: str
    held_usd: str
    available_usd: str


def shown_wallet(organization: str, wallet: books.Wallet) -> ShownWallet:
    """Return a wallet with its amounts in both forms."""
    amounts = (wallet.posted, wallet.held, wallet.available)
    return ShownWallet(organization, *amounts, *(usd(amount) for amount in amounts))


class ShownModel(msgspec.Struct, frozen=True):
    """A model as it is offered: where, under which name, at which price in dollars."""

    model: str
    provider: str
    upstream_model: str
    region: str
    context_length: int
    max_output: int
    endpoints: tuple[str, ...]
    prices: dict[str, str]
    features: tuple[str, ...] = ()
    quirks: tuple[str, ...] = ()
    cancel: str = ""
    is_exact: bool = False


def shown_models(catalog: Catalog) -> list[ShownModel]:
    """Return what is offered, in the order to try."""
    return [
        ShownModel(
            model=each.model.name,
            provider=each.upstream.id,
            upstream_model=each.upstream_model,
            region=each.upstream.region,
            context_length=each.model.context_length,
            max_output=each.model.max_output,
            endpoints=tuple(sorted(each.model.endpoints)),
            prices={
                line.unit: usd(line.amount_nusd) for line in each.sale.lines if not line.tier_start
            },
            features=tuple(sorted(each.model.features - each.lacks)),
            quirks=tuple(sorted(each.quirks)),
            cancel=each.cancel,
            is_exact=each.exact,
        )
        for offerings in catalog.offerings.values()
        for each in offerings
    ]


class Redeemed(msgspec.Struct, frozen=True):
    """What a code gave to whom."""

    organization: str
    amount_nusd: int


class ShownStatus(msgspec.Struct, frozen=True):
    """The public page, and what its last month owes to how many that were not credited yet."""

    page: StatusPage
    month: str = ""
    downtime_ms: int = 0
    owed_to: int = 0
    owed_nusd: int = 0


class UptimeCredits(msgspec.Struct, frozen=True):
    """What is owed for a month's downtime, and how many organizations were credited just now."""

    month: str
    downtime_ms: int
    credited: int
    owed: list[promotions.Owed]
