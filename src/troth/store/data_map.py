"""Each column with its data class. A column without one stops the start.

Retention, export and erasure go by this map, so it must be whole before anything is stored.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from troth.kernel.errors import Misconfigured
from troth.store.transaction import Transaction


class DataClass(Enum):
    """What a column holds, as the policy speaks of it."""

    ACCOUNT = "account"
    USAGE = "usage"
    BILLING = "billing"
    OPERATION = "operation"
    """The deployment's own state: no person or organization can be read from it."""


def _all(data_class: DataClass, columns: str) -> dict[str, DataClass]:
    return dict.fromkeys(columns.split(), data_class)


_LEDGER: Final[Mapping[str, Mapping[str, DataClass]]] = {
    "migration": _all(DataClass.OPERATION, "number"),
    "deployment": _all(DataClass.OPERATION, "n id"),
    "book": _all(DataClass.BILLING, "id kind org_ref posted held floor0 epoch"),
    "budget_rule": _all(DataClass.ACCOUNT, "purse period zone mode limit_nusd epoch"),
    "budget": _all(
        DataClass.BILLING, "purse starts_at ends_at mode limit_nusd spent held first_epoch warned"
    ),
    "lot": _all(
        DataClass.BILLING, "id book kind granted spent returned expires_at created_at is_open"
    ),
    "entry": _all(DataClass.BILLING, "id desk batch kind dr cr amount lot corrects day at"),
    "batch": _all(
        DataClass.BILLING,
        "desk n prev_hash hash charges_root receipts_root entries_root count day at",
    ),
    "chain": _all(DataClass.OPERATION, "desk n hash"),
    "charge": _all(DataClass.USAGE, "desk batch n dr cr lot amount count day"),
    "seen": _all(DataClass.USAGE, "reservation day"),
    "orphan": _all(DataClass.USAGE, "reservation seat amount at"),
    "seat": _all(DataClass.OPERATION, "id desk slot opened_at valid_until closed_at"),
    "lease": _all(DataClass.OPERATION, "purse seat epoch granted settled op recall starts_at"),
    "open_day": _all(DataClass.OPERATION, "id day"),
    "day_close": _all(DataClass.BILLING, "day book opening paid_in charged paid_out closing hash"),
}

_CONTROL: Final[Mapping[str, Mapping[str, DataClass]]] = {
    "organization": _all(DataClass.ACCOUNT, "ref name created_at frozen_at zone"),
    "api_key": _all(
        DataClass.ACCOUNT,
        "ref public_id org name hash models networks created_at expires_at revoked_at replaced_by"
        " requests_per_minute tokens_per_minute concurrency may_read_wallet rate_slot project",
    ),
    "price": _all(
        DataClass.OPERATION,
        "price_set model upstream kind unit tier_start amount per effective_at tier_mode"
        " min_quantity",
    ),
    "price_version": _all(
        DataClass.OPERATION,
        "place model upstream effective_at source checked_on created_by created_at",
    ),
    "price_line": _all(
        DataClass.OPERATION, "place kind unit tier_start tier_mode amount per min_quantity"
    ),
    "price_pin": _all(DataClass.BILLING, "place org price_set ends_at created_by created_at"),
    "usage": _all(
        DataClass.USAGE,
        "request org api_key project endpoint model_asked model_served provider upstream region"
        " price_set started_at first_byte_ms latency_ms status outcome streamed usage_source"
        " quantities reserved charged cost clamped attempts desk batch place",
    ),
    "request_name": _all(DataClass.USAGE, "mark form_key form request at"),
    "rollup_hour": _all(
        DataClass.USAGE,
        "hour org api_key model count failed tokens_in tokens_cached tokens_out images audio_ms"
        " characters charged cost",
    ),
    "rollup_day": _all(
        DataClass.BILLING,
        "day org api_key model count failed tokens_in tokens_cached tokens_out images audio_ms"
        " characters charged cost",
    ),
    "audit_entry": _all(DataClass.OPERATION, "n at uid action subject other amount prev_hash hash"),
}

_BUDGETS: Final[Mapping[str, Mapping[str, DataClass]]] = {
    "project": _all(DataClass.ACCOUNT, "ref org name created_at"),
    "budget_owner": _all(DataClass.ACCOUNT, "owner period purse kind org"),
    "alert": _all(
        DataClass.ACCOUNT,
        "id kind org subject period since level used_nusd limit_nusd days created_at sent_at tries"
        " next_at",
    ),
    "alert_contact": _all(DataClass.ACCOUNT, "org address_sealed is_sealed language"),
    "campaign": _all(DataClass.OPERATION, "ref name cap_nusd granted_nusd created_at"),
    "code": _all(
        DataClass.OPERATION,
        "ref digest campaign amount_nusd uses_max uses expires_at credit_days created_at"
        " revoked_at",
    ),
    "redemption": _all(DataClass.BILLING, "code org at"),
    "redeem_attempt": _all(DataClass.ACCOUNT, "org minute count"),
    "availability": _all(DataClass.OPERATION, "day endpoint up upstream"),
    "maintenance": _all(
        DataClass.OPERATION,
        "ref announced_at starts_at ends_at is_emergency cancelled_at",
    ),
    "uptime_credit": _all(DataClass.BILLING, "month org amount_nusd downtime_ms at"),
}

_PAYMENTS: Final[Mapping[str, Mapping[str, DataClass]]] = {
    "topup": _all(
        DataClass.BILLING,
        "id org kind state cents tax_cents fee_cents currency saves_card session_sealed"
        " intent_sealed intent_mark lot created_at checked_at paid_at",
    ),
    "payment_card": _all(DataClass.BILLING, "org payer_sealed card_sealed saved_at"),
    "automatic_topup": _all(
        DataClass.BILLING, "org threshold cents month_cap_cents is_on declines next_at"
    ),
    "refund": _all(
        DataClass.BILLING,
        "id org topup state cents tax_cents fee_cents is_final ref_sealed ref_mark attempts"
        " next_at created_at ended_at",
    ),
    "dispute": _all(
        DataClass.BILLING,
        "id org topup state cents tax_cents is_freezing ref_sealed ref_mark opened_at ended_at",
    ),
    "dispute_part": _all(DataClass.BILLING, "dispute n entry amount"),
    "payment_event": _all(DataClass.OPERATION, "id at"),
    "payment_item": _all(
        DataClass.BILLING,
        "id kind subject org cents raised_at reminded_at resolved_at resolved_by",
    ),
    "payment_line": _all(
        DataClass.BILLING, "ref kind about_mark cents fee_cents at payout is_matched"
    ),
    "payout": _all(DataClass.BILLING, "ref cents state arrives_at"),
    "closing": _all(DataClass.BILLING, "org state began_at ended_at"),
    "deed": _all(DataClass.ACCOUNT, "mark form made at"),
    "closing_plan": _all(DataClass.ACCOUNT, "org closes_at planned_at"),
}

_DOCUMENTS: Final[Mapping[str, Mapping[str, DataClass]]] = {
    "document_series": _all(DataClass.OPERATION, "series n hash"),
    "document": _all(
        DataClass.BILLING,
        "number series n kind org subject mirrors about issued_at keep_until gross_cents tax_cents"
        " body is_sealed sha256",
    ),
    "document_gone": _all(DataClass.OPERATION, "series n sha256"),
    "document_month": _all(DataClass.OPERATION, "month issued_at"),
    "legal_hold": _all(DataClass.BILLING, "id org reference placed_at lifted_at"),
    "subject_key": _all(DataClass.ACCOUNT, "org what key_sealed"),
    "provider_day": _all(DataClass.OPERATION, "provider day cost entry"),
    "correction": _all(
        DataClass.BILLING, "entry what provider upstream day model org lot amount at"
    ),
    "correction_part": _all(DataClass.USAGE, "request correction amount"),
    "party": _all(DataClass.ACCOUNT, "org details_sealed is_sealed changed_at"),
    "rollup_supply": _all(
        DataClass.OPERATION,
        "day provider upstream model usage_source count tokens_in tokens_out charged cost",
    ),
}

DATA_MAP: Final[dict[str, Mapping[str, DataClass]]] = {
    **_LEDGER,
    **_CONTROL,
    **_BUDGETS,
    **_PAYMENTS,
    **_DOCUMENTS,
}
"""Table to column to class."""

_COLUMNS: Final = {
    "sqlite": "SELECT m.name, c.name FROM sqlite_schema AS m, pragma_table_xinfo(m.name) AS c "
    "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'",
    "postgresql": "SELECT table_name::text, column_name::text FROM information_schema.columns "
    "WHERE table_schema = current_schema()",
}


def check(transaction: Transaction, dialect: str) -> None:
    """Compare the database with the map.

    Raises:
        Misconfigured: a column has no class, or the map names one that is not there.
    """
    found = set(transaction.rows(_COLUMNS[dialect], (), tuple[str, str]))
    mapped = {(table, column) for table, columns in DATA_MAP.items() for column in columns}
    for table, column in sorted(found - mapped):
        raise Misconfigured(f"column {table}.{column} has no data class in troth.store.data_map")
    for table, column in sorted(mapped - found):
        raise Misconfigured(f"troth.store.data_map names {table}.{column}, which does not exist")
