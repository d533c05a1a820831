"""What a key reads about itself, as JSON.

Key, credits and generation have OpenRouter's shapes; what we do not keep is null. Dollars are
numbers with nine decimals at most, written digit by digit: no float has touched them.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from troth.control import budgets, keys, usage
from troth.control.budgets import Budget
from troth.control.keys import Key
from troth.control.usage import Receipt
from troth.gateway.ports import Question, Reading
from troth.kernel.clock import iso
from troth.kernel.ids import raw_of
from troth.kernel.money import usd
from troth.kernel.quantities import tokens_in, tokens_out
from troth.ledger import books
from troth.ledger.books import LotKind
from troth.server.records import receipt_document
from troth.store.transaction import Transaction

Json = str | int | bool | msgspec.Raw | None | list["Json"] | Mapping[str, "Json"]

_RESETS: Final[Mapping[str, str | None]] = {
    "day": "daily",
    "week": "weekly",
    "month": "monthly",
    "total": None,
}
_API_TYPES: Final = {"chat": "completions", "messages": "completions"}
_FINISHES: Final = {
    "length": "length",
    "credits_ended": "length",
    "service_ended": "error",
    "upstream_cut": "error",
}
_ZERO: Final = msgspec.Raw(b"0")


def answer_to(transaction: Transaction, question: Question, now_ms: int) -> bytes | None:
    """Return what a key asks for, None when there is nothing of its own."""
    match question.what:
        case Reading.RECEIPT:
            return receipt_document(transaction, question.org, question.key, question.subject)
        case Reading.RECEIPTS:
            return _receipts(transaction, question)
        case Reading.GENERATION:
            found = usage.find(transaction, question.org, question.key, question.subject)
            return None if found is None else _encoded({"data": _generation(found)})
        case Reading.KEY:
            key = keys.find(transaction, question.key)
            return _encoded({"data": _key(transaction, key, now_ms)})
        case Reading.CREDITS:
            return _credits(transaction, raw_of("org", question.org) or b"")


def _encoded(document: Json) -> bytes:
    return msgspec.json.encode(document)


def _dollars(nusd: int) -> msgspec.Raw:
    shown = usd(nusd).rstrip("0").rstrip(".")
    return msgspec.Raw(shown.encode())


def _moment(ms: int) -> str | None:
    return iso(ms) if ms else None


# --- receipts ----------------------------------------------------------------------------------


class _Page(msgspec.Struct, frozen=True):
    object: str
    data: list[Receipt]
    has_more: bool
    after: str | None


def _receipts(transaction: Transaction, question: Question) -> bytes:
    owner = (raw_of("org", question.org) or b"", raw_of("key", question.key) or b"")
    found = usage.of_key(transaction, owner, question.subject, question.limit + 1)
    shown = found[: question.limit]
    has_more = len(found) > question.limit
    return msgspec.json.encode(_Page("list", shown, has_more, shown[-1].id if has_more else None))


def _generation(receipt: Receipt) -> dict[str, Json]:
    used = receipt.quantities
    cost = _dollars(receipt.charged_nusd)
    cut = {"input_audio": used.input_audio, "input_image": used.input_image}
    return {
        "id": receipt.id,
        "upstream_id": None,
        "total_cost": cost,
        "usage": cost,
        "cache_discount": None,
        "upstream_inference_cost": None,
        "created_at": _moment(receipt.started_at_ms),
        "model": receipt.model_served,
        "provider_name": receipt.provider,
        "data_region": receipt.region or None,
        "app_id": None,
        "origin": None,
        "external_user": None,
        "api_type": _API_TYPES.get(receipt.endpoint, receipt.endpoint),
        "router": None,
        "is_byok": False,
        "streamed": receipt.is_streamed,
        "cancelled": receipt.outcome in {"client_left", "drained"},
        "finish_reason": _FINISHES.get(receipt.outcome),
        "native_finish_reason": None,
        "latency": receipt.first_byte_ms,
        "generation_time": receipt.latency_ms,
        "moderation_latency": None,
        "tokens_prompt": tokens_in(used),
        "tokens_completion": tokens_out(used),
        "native_tokens_prompt": tokens_in(used),
        "native_tokens_completion": tokens_out(used),
        "native_tokens_completion_images": None,
        "native_tokens_reasoning": used.reasoning,
        "native_tokens_cached": used.cache_read,
        "num_media_prompt": None,
        "num_input_audio_prompt": None,
        "num_media_completion": None,
        "num_search_results": None,
        "x_troth": {"charged_nusd": receipt.charged_nusd, "receipt": receipt.id, **cut},
    }


# --- the key and its credit --------------------------------------------------------------------


def _key(transaction: Transaction, key: Key, now_ms: int) -> dict[str, Json]:
    sums = usage.key_sums(transaction, key.raw, now_ms)
    org = raw_of("org", key.org) or b""
    project = raw_of("prj", key.terms.project)
    owners = (org, key.raw) if project is None else (org, project, key.raw)
    drawn = budgets.drawn_on(transaction, now_ms, owners)
    own = [each for each in drawn if each.owner == key.ref and each.mode == "hard"]
    scarce = min(own, key=lambda each: each.remaining_nusd, default=None)
    terms = key.terms
    return {
        "label": terms.name,
        "limit": _dollars(scarce.limit_nusd) if scarce else None,
        "limit_remaining": _dollars(scarce.remaining_nusd) if scarce else None,
        "limit_reset": _RESETS[scarce.period] if scarce else None,
        "include_byok_in_limit": False,
        "usage": _dollars(sums.total),
        "usage_daily": _dollars(sums.day),
        "usage_weekly": _dollars(sums.week),
        "usage_monthly": _dollars(sums.month),
        "byok_usage": _ZERO,
        "byok_usage_daily": _ZERO,
        "byok_usage_weekly": _ZERO,
        "byok_usage_monthly": _ZERO,
        "is_free_tier": not _has_paid(transaction, org),
        "is_management_key": False,
        "is_provisioning_key": False,
        "creator_user_id": None,
        "expires_at": _moment(terms.expires_at_ms),
        "rate_limit": {
            "requests": terms.requests_per_minute or -1,
            "interval": "1m",
            "note": "requests a minute; -1 is no limit",
        },
        "x_troth": {
            "key": key.ref,
            "organization": key.org,
            "project": terms.project or None,
            "usage_nusd": sums.total,
            "models": list(terms.models),
            "tokens_per_minute": terms.tokens_per_minute,
            "concurrency": terms.concurrency,
            "may_read_wallet": terms.may_read_wallet,
            "budgets": [_budget(each) for each in drawn if _may_see(key, each)],
        },
    }


def _may_see(key: Key, budget: Budget) -> bool:
    """Tell whether a key may know a budget: its own, and all with the right to read the wallet."""
    return budget.owner == key.ref or key.terms.may_read_wallet


def _budget(budget: Budget) -> dict[str, Json]:
    return {
        "of": budget.owner_kind,
        "period": budget.period,
        "mode": budget.mode,
        "limit_nusd": budget.limit_nusd,
        "used_nusd": budget.used_nusd,
        "remaining_nusd": budget.remaining_nusd,
        "ends_at_ms": budget.ends_at_ms or None,
    }


def _has_paid(transaction: Transaction, org: bytes) -> bool:
    return any(lot.kind is LotKind.PAID for lot in books.lots(transaction, org))


def _credits(transaction: Transaction, org: bytes) -> bytes | None:
    wallet = books.wallet(transaction, org)
    if wallet is None:
        return None
    lots = books.lots(transaction, org)
    return _encoded(
        {
            "data": {
                "total_credits": _dollars(sum(lot.granted - lot.returned for lot in lots)),
                "total_usage": _dollars(sum(lot.spent for lot in lots)),
            },
            "x_troth": {
                "posted_nusd": wallet.posted,
                "reserved_nusd": wallet.held,
                "available_nusd": wallet.available,
                "ends": [
                    {"nusd": lot.rest, "at_ms": lot.expires_at}
                    for lot in lots
                    if lot.rest and lot.expires_at is not None
                ],
            },
        }
    )
